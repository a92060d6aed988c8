"""JupyterLab in a real browser: headless Chromium opens the link of the window, draws a plot and shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from practicum.semester.description import Semester
from smoke_tests.browser import PLOT, judge_landing_page, judge_preview, open_page
from smoke_tests.jupyter import Jupyter, make_notebook
from smoke_tests.qemu import Machine
from smoke_tests.waiting import wait_until

TRAINING = """
import json, torch
torch.manual_seed(0)
inputs = torch.randn(256, 20)
labels = (inputs[:, 0] > 0).long()
model = torch.nn.Sequential(torch.nn.Linear(20, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2))
losses = []
for step in range(20):
    loss = torch.nn.functional.cross_entropy(model(inputs), labels)
    model.zero_grad(); loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.5 * parameter.grad
    losses.append(loss.item())
"""
"""Without an optimizer, which would import torch's compiler: half a minute of an emulated processor. Nor does it import
torchvision: test_tree.py."""
PRINTED = "print(json.dumps([torch.__version__, torch.version.cuda, losses]))"


@pytest.fixture
def page(machine: Machine, build: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Return a page of a new browser, whose last look is kept in build/screenshots.

    Of a test that fails, what it waited for is shown, but not the code in the address.
    """
    with open_page(machine.url) as page:
        yield from watch(page)
        page.screenshot(path=build / "screenshots" / f"{request.node.name}.png")


def watch(page: Page) -> Iterator[Page]:
    """Return the page; afterwards its messages and the requests that got no answer are printed."""
    waiting: set[Request] = set()
    page.on("request", lambda request: waiting.add(request))  # Playwright cannot call a method of a built-in type
    for event in ("requestfinished", "requestfailed"):
        page.on(event, lambda request: waiting.discard(request))
    page.on("console", lambda message: print(message.type, message.text))
    yield page
    print("requests without an answer:", *(request.url.partition("?")[0] for request in waiting), sep="\n  ")


def test_first_start_shows_the_landing_page(page: Page, machine: Machine, jupyter: Jupyter, semester: Semester) -> None:
    """The first look: the course's page and folder, no dialogue about news or updates; another Markdown file opens as
    preview, too; a terminal and an editor are on offer. Comes first: JupyterLab remembers what was open.
    """
    jupyter.save_text(f"{semester.course.slug}/smoke-note.md", "# A note\n").raise_for_status()
    page.goto(f"{machine.url}/lab?token={machine.code}", wait_until="commit")
    judge_landing_page(page, semester.content_root)
    expect(page.locator(".jp-BreadCrumbs")).to_contain_text(semester.course.slug)
    expect(page.locator(".jp-Dialog")).to_have_count(0)
    expect(page.locator(".Toastify__toast")).to_have_count(0)
    judge_preview(page, "smoke-note.md", "A note")
    page.get_by_role("menuitem", name="File", exact=True).click()
    page.get_by_role("menuitem", name="New Launcher").click()
    expect(page.locator(".jp-LauncherCard", has_text="Terminal").first).to_be_visible()
    expect(page.locator(".jp-LauncherCard", has_text="Text File").first).to_be_visible()


def test_notebook_trains_and_plots_in_the_browser(
    page: Page, machine: Machine, jupyter: Jupyter, semester: Semester, build: Path
) -> None:
    """On one kernel: a network learns, and a plot is shown; the file keeps it all."""
    path = f"{semester.course.slug}/smoke-training.ipynb"
    jupyter.save(path, make_notebook(TRAINING, PRINTED, PLOT)).raise_for_status()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    address = f"{machine.url}/lab/tree/{path}?token={machine.code}"
    # Cells that are run before the kernel is there bring up a question instead of an output.
    idle = page.get_by_text("Python 3 (ipykernel) | Idle")
    page.goto(address, wait_until="commit")
    expect(idle).to_be_visible()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    picture = page.locator(".jp-Notebook .jp-OutputArea-output img")
    expect(picture).to_be_visible()
    # A broken picture is visible too, but has no size of its own.
    assert picture.evaluate("image => image.naturalWidth") > 300
    assert len(page.screenshot()) > 10_000

    def is_saved() -> bool:
        page.keyboard.press("Control+s")  # JupyterLab does not save again while it saves by itself
        return all(cell["outputs"] for cell in jupyter.load(path)["cells"][1:])

    wait_until(is_saved, "outputs in the file", pause=2)
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    assert failures == []
    judge_training(jupyter.load(path)["cells"], semester)


def judge_training(cells: list[dict[str, Any]], semester: Semester) -> None:
    """Fails unless the saved outputs of TRAINING and PRINTED are right."""
    training, printed, _ = (cell["outputs"] for cell in cells)
    assert training == []
    torch, cuda, losses = json.loads(text_of(printed))
    assert losses[-1] < 0.8 * losses[0], losses
    pins = dict(pin.split("==") for pin in semester.python.requires if "==" in pin)
    assert torch.split("+")[0] == pins["torch"]
    assert cuda is None, "the appliance carries the CPU build"


def text_of(outputs: list[dict[str, Any]]) -> str:
    assert [output["output_type"] for output in outputs] == ["stream"], outputs
    return "".join(outputs[0]["text"])


def test_login_page_asks_for_the_code_of_the_window(page: Page, machine: Machine, semester: Semester) -> None:
    field = page.get_by_label("Type the access code of the machine's window")
    button = page.get_by_role("button", name="Log in")
    page.goto(f"{machine.url}/lab", wait_until="commit")
    expect(page.get_by_role("heading")).to_have_text(f"{semester.course.code} {semester.course.title}")
    field.fill("aaaa-aaaa-aaaa")
    button.click()
    expect(page.get_by_role("alert")).to_have_text("This is not the access code.")
    field.fill(machine.code)
    button.click()
    expect(page.locator("#jp-main-dock-panel")).to_be_visible()
