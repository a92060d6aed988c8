"""JupyterLab in a real browser: headless Chromium opens the link of the console, draws a plot and shows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from practicum.description import Semester
from smoke_tests.browser import OPTIONS, PLOT, find_chromium
from smoke_tests.jupyter import Jupyter, make_notebook
from smoke_tests.qemu import Machine

PATIENCE = 240_000  # milliseconds; the machine is emulated, ten to twenty times slower than hardware


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a new browser; of a test that fails, what it waited for is shown, but not the code in the address."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    waiting: set[Request] = set()
    page.on("request", lambda request: waiting.add(request))  # Playwright cannot call a method of a built-in type
    for event in ("requestfinished", "requestfailed"):
        page.on(event, lambda request: waiting.discard(request))
    page.on("console", lambda message: print(message.type, message.text))
    yield page
    print("requests without an answer:", *(request.url.partition("?")[0] for request in waiting), sep="\n  ")
    context.close()


def test_no_question_stands_in_the_way(page: Page, machine: Machine, semester: Semester) -> None:
    """The first look: the course's folder, no dialogue about news or updates, a terminal and an editor on offer.
    Comes first: JupyterLab remembers what was open."""
    page.goto(f"{machine.url}/lab?token={machine.code}", wait_until="commit", timeout=PATIENCE)
    expect(page.locator(".jp-Launcher").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".jp-LauncherCard", has_text="Terminal").first).to_be_visible()
    expect(page.locator(".jp-LauncherCard", has_text="Text File").first).to_be_visible()
    expect(page.locator(".jp-BreadCrumbs")).to_contain_text(semester.course.slug)
    expect(page.locator(".jp-Dialog")).to_have_count(0)
    expect(page.locator(".Toastify__toast")).to_have_count(0)


def test_plot_appears_in_the_browser(
    page: Page, machine: Machine, jupyter: Jupyter, semester: Semester, build: Path
) -> None:
    path = f"{semester.course.slug}/smoke-plot.ipynb"
    jupyter.save(path, make_notebook("")).raise_for_status()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(f"{machine.url}/lab/tree/{path}?token={machine.code}", wait_until="commit", timeout=PATIENCE)
    # A cell that is run before the kernel is there brings up a question instead of an output.
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=PATIENCE)
    cell = page.locator(".jp-Notebook .jp-CodeCell").first
    cell.locator(".cm-content").click()
    page.keyboard.insert_text(PLOT)
    page.keyboard.press("Shift+Enter")
    picture = cell.locator(".jp-OutputArea-output img")
    expect(picture).to_be_visible(timeout=PATIENCE)
    # A broken picture is visible too, but has no size of its own.
    assert picture.evaluate("image => image.naturalWidth") > 300
    screenshot = build / "screenshots" / "browser.png"
    screenshot.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=screenshot)
    assert screenshot.stat().st_size > 10_000
    assert failures == []


def test_without_the_code_the_browser_is_asked_for_it(page: Page, machine: Machine) -> None:
    page.goto(f"{machine.url}/lab", wait_until="commit", timeout=PATIENCE)
    page.locator("#password_input").fill(machine.code)
    page.locator("#login_submit").click()
    expect(page.locator("#jp-main-dock-panel")).to_be_visible(timeout=PATIENCE)
