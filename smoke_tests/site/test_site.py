"""The course's page in Chromium, as students and assistants open it: from a folder and from a plain file server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from smoke_tests.browser import PATIENCE
from smoke_tests.conftest import REPOSITORY
from smoke_tests.npm import find_package
from smoke_tests.site.conftest import LECTURE

AXE = REPOSITORY / "tests/data/axe-core"

KINDS = (
    *("index", "download", "lectures/index", f"lectures/{LECTURE}", "practicals/index"),
    *("practicals/practical-4/statement", "help/index", "docs/student", "docs/semester", "release/what-changed"),
)
"""One page of each kind."""

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"
MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 "
    "Safari/605.1.15"
)
LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
LINUX_ON_ARM = "Mozilla/5.0 (X11; Linux aarch64; rv:145.0) Gecko/20100101 Firefox/145.0"
CHROME = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 "
    "Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 "
    "Mobile/15E148 Safari/604.1"
)
ANDROID = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Mobile Safari/537.36"
)

ASKED = """value => Object.defineProperty(navigator, "userAgentData", {
    get: () => value && {getHighEntropyValues: async () => ({architecture: value})}
})"""
"""What Chromium's own navigator.userAgentData answers about the processor; undefined as in Safari and Firefox."""

GRAPHICS = """name => {
    HTMLCanvasElement.prototype.getContext = () =>
        name ? {getExtension: () => ({UNMASKED_RENDERER_WEBGL: 0x9246}), getParameter: () => name} : null;
}"""
"""What a browser says of the computer's graphics."""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with visit(browser) as page:
        yield page


class visit:
    """A page of a browser with a profile of its own."""

    def __init__(
        self, browser: Browser, agent: str = LINUX, width: int = 1280, height: int = 860, *, dark: bool = False
    ):
        self._context = browser.new_context(
            user_agent=agent,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
        )

    def __enter__(self) -> Page:
        expect.set_options(timeout=1000 * PATIENCE)
        page = self._context.new_page()
        page.set_default_timeout(1000 * PATIENCE)
        return page

    def __exit__(self, *_: object) -> None:
        self._context.close()


class Links(HTMLParser):
    """The addresses in a page, and the ids that fragments name."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.addresses.append(value)
            elif name == "id" and value:
                self.ids.add(value)


def test_every_link_resolves(site: Path) -> None:
    """Those of all pages, to files of the site and of the release beside it, and to headings."""
    read = {path: Links(path) for path in site.rglob("*.html")}
    assert len(read) > 30 and site / "lectures/timeline.html" in read
    for path, links in read.items():
        for address in links.addresses:
            url = urlsplit(address)
            if url.scheme or url.netloc:
                assert url.scheme in ("https", "http"), (path, address)
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            assert target.is_file(), f"{path.relative_to(site)} has a link to {address}"
            if url.fragment and target.suffix == ".html":
                assert url.fragment in read[target].ids, f"{path.relative_to(site)} has a link to {address}"


@dataclass(frozen=True)
class Walk:
    """What one page of each kind showed: the addresses it asked, and by (kind, view) the faults that axe found."""

    asked: list[str]
    faults: dict[tuple[str, str], list[tuple[str, str]]]


COLOURS = ["color-contrast", "link-in-text-block"]
"""Axe's rules for the dark view: nothing but the colours is other there."""


@pytest.fixture(scope="module")
def walk(browser: Browser, address: str) -> Walk:
    """Load each page once, and look at it on a wide screen, in the dark, and as narrow as a phone."""
    program = (find_package(AXE) / "axe.min.js").read_text()
    done = Walk([], {})
    with visit(browser) as page:
        page.on("request", lambda request: done.asked.append(request.url))
        for name in KINDS:
            page.goto(f"{address}/{name}.html", wait_until="networkidle")
            page.evaluate(program)
            page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
            done.faults[name, "wide"] = find_faults(page)
            page.emulate_media(color_scheme="dark")
            expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "slate")
            done.faults[name, "dark"] = find_faults(page, COLOURS)
            page.emulate_media(color_scheme="light")
            expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "default")
            page.set_viewport_size({"width": 390, "height": 860})
            done.faults[name, "phone"] = find_faults(page)
            page.set_viewport_size({"width": 1280, "height": 860})
    return done


def find_faults(page: Page, rules: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return each fault that axe finds: its rule and the HTML. rules: those to look at, all for none."""
    options = {"resultTypes": ["violations"], **({"runOnly": [*rules]} if rules else {})}
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [(fault["id"], node["html"][:200]) for fault in found for node in fault["nodes"]]


def test_nothing_is_asked_of_another_computer(walk: Walk, page: Page, address: str, site: Path) -> None:
    asked = [*walk.asked]
    page.on("request", lambda request: asked.append(request.url))
    for name in ("index", "docs/student"):
        page.goto(f"{site.as_uri()}/{name}.html", wait_until="networkidle")
    assert all(any(url.startswith(base) for url in asked) for base in (address, site.as_uri()))
    assert not [url for url in asked if not url.startswith((address, site.as_uri(), "about:", "data:"))]


@pytest.mark.parametrize("way", ["server", "folder"])
def test_search_finds_a_document(page: Page, address: str, site: Path, way: str) -> None:
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(f"{address if way == 'server' else site.as_uri()}/index.html")
    page.get_by_role("textbox", name="Search").press_sequentially("keyboard")  # the search waits for keys
    result = page.locator(".md-search-result__link", has_text="The course in VirtualBox").first
    expect(result).to_be_visible()
    result.click()
    expect(page.locator("h1")).to_have_text("The course in VirtualBox")
    assert failures == []


VISITORS = {
    "Firefox on Windows": (WINDOWS, None, None, "amd64"),
    "Edge on Windows on ARM": (WINDOWS, "arm", None, "arm64"),
    "Safari on a Mac": (MAC, None, "Apple GPU", "arm64"),
    "Firefox on a Mac with Intel": (MAC, None, "Intel(R) Iris(TM) Plus Graphics", "amd64"),
    "Chrome on a Mac with Apple Silicon": (CHROME, "arm", None, "arm64"),
    "Chrome on a Mac with Intel": (CHROME, "x86", None, "amd64"),
    "Linux": (LINUX, None, None, "amd64"),
    "Linux on ARM": (LINUX_ON_ARM, None, None, "arm64"),
}
"""By the computer: the browser's agent, what it says of the processor and of the graphics, and what comes first."""


@pytest.fixture(scope="module")
def visitor(browser: Browser, request: pytest.FixtureRequest) -> Iterator[tuple[Page, str]]:
    """Return a page of a visitor, and for which processor the offer is that comes first."""
    agent, told, graphics, first = VISITORS[request.param]
    with visit(browser, agent) as page:
        page.add_init_script(
            f"({ASKED})({f'{told!r}' if told else 'undefined'}); ({GRAPHICS})({graphics!r})".replace("None", "null")
        )
        yield page, first


@pytest.mark.parametrize("visitor", VISITORS, indirect=True)
@pytest.mark.parametrize("name", ["index", "download"])
def test_the_visitors_own_computer_comes_first(visitor: tuple[Page, str], address: str, name: str) -> None:
    page, first = visitor
    page.goto(f"{address}/{name}.html")
    offers = page.locator(".offer")
    expect(offers.first).to_have_attribute("data-for", first)
    expect(offers.first).to_contain_text("For this computer")
    assert {"amd64", "arm64", "docker"} <= {offer.get_attribute("data-for") for offer in offers.all()}
    assert all(offer.is_visible() for offer in offers.all())
    button = offers.first.get_by_role("link", name="Download")
    expect(button).to_be_in_viewport()
    assert f"-{first}.ova" in str(button.get_attribute("href"))


@pytest.fixture(scope="module")
def phone(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    with visit(browser, request.param, 390, 844) as page:
        yield page


@pytest.mark.parametrize("phone", [IPHONE, ANDROID], ids=["iPhone", "Android"], indirect=True)
@pytest.mark.parametrize("name", ["index", "download"])
def test_a_phone_is_told_to_use_a_computer(phone: Page, address: str, name: str) -> None:
    phone.goto(f"{address}/{name}.html")
    expect(phone.get_by_text("The course needs a computer.")).to_be_in_viewport()
    expect(phone.locator(".badge")).to_have_count(0)


def test_offers_are_there_without_javascript(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/download.html")
    assert [offer.get_attribute("data-for") for offer in page.locator(".offer").all()][:2] == ["amd64", "arm64"]
    expect(page.locator("[data-phone]")).to_be_hidden()
    context.close()


@pytest.mark.parametrize("system", ["Linux", "macOS"])
def test_commands_that_check_a_file_are_run(page: Page, address: str, release: Path, system: str) -> None:
    """shasum is macOS's own program, of the same source as Debian's."""
    page.goto(f"{address}/download.html")
    commands = [each.text_content() for each in page.locator(f'[data-system="{system}"] pre').all()]
    files = {path.name for path in release.iterdir() if path.suffix in (".ova", ".tar")}
    assert len(commands) == len(files)
    for command in commands:
        done = subprocess.run(["sh", "-c", str(command)], cwd=release, capture_output=True, text=True, check=True)
        assert done.stdout.removesuffix(": OK\n") in files


def test_commands_for_windows_name_file_and_sum(page: Page, address: str, release: Path) -> None:
    page.goto(f"{address}/download.html")
    sums = dict(line.split("  ")[::-1] for line in (release / "SHA256SUMS").read_text().splitlines())
    name = next(path.name for path in release.glob("*-amd64.ova"))
    offer = page.locator('.offer[data-for="amd64"]')
    told = [str(each.text_content()).strip() for each in offer.locator('[data-system^="Windows"] pre').all()]
    assert told == [f"(Get-FileHash {name}).Hash -eq '{sums[name]}'", f"certutil -hashfile {name} SHA256"]


def test_command_that_checks_the_signature_is_run(page: Page, address: str, site: Path, release: Path) -> None:
    """On the files of the site itself; another key is refused."""
    page.goto(f"{address}/download.html")
    command = str(page.locator("#who ~ .highlight pre").text_content())
    folder = site / "release"
    signers = release.with_name("allowed_signers")
    line = command.replace("allowed_signers", str(signers))
    done = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=True)
    assert 'Good "practicum-release" signature for release' in done.stdout


@pytest.mark.parametrize("view", ["wide", "phone", "dark"])
@pytest.mark.parametrize("name", KINDS)
def test_axe_finds_no_fault(walk: Walk, name: str, view: str) -> None:
    assert walk.faults[name, view] == []


@pytest.mark.parametrize("phone", [IPHONE], ids=["iPhone"], indirect=True)
@pytest.mark.parametrize("name", KINDS)
def test_a_phone_scrolls_no_page_sideways(phone: Page, address: str, name: str) -> None:
    phone.goto(f"{address}/{name}.html")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_keyboard_reaches_menu_and_content(browser: Browser, address: str) -> None:
    """On a narrow screen: the menu is opened and used without a mouse, and is out of the way while it is closed."""
    with visit(browser, LINUX, 390, 844) as page:
        page.goto(f"{address}/index.html")
        entry = page.locator(".md-sidebar--primary").get_by_role("link", name="Download")
        expect(entry).to_be_hidden()
        page.get_by_role("button", name="Menu").focus()
        page.keyboard.press("Enter")
        expect(entry).to_be_visible()
        entry.focus()
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("Download")


def test_print_shows_the_text_alone(page: Page, address: str) -> None:
    page.goto(f"{address}/docs/student.html")
    page.emulate_media(media="print")
    for part in (".md-header", ".md-tabs", ".md-sidebar--primary"):
        expect(page.locator(part)).to_be_hidden()
    expect(page.locator("h1")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "agent", "width", "height", "dark"),
    [
        ("windows-light", WINDOWS, 1280, 860, False),
        ("phone-dark", IPHONE, 390, 844, True),
    ],
)
def test_screenshots(
    browser: Browser, address: str, build: Path, name: str, agent: str, width: int, height: int, dark: bool
) -> None:
    """For people to look at: build/screenshots/site-*.png."""
    folder = build / "screenshots"
    folder.mkdir(exist_ok=True)
    with visit(browser, agent, width, height, dark=dark) as page:
        page.add_init_script(f"({ASKED})(undefined); ({GRAPHICS})(null)")
        for kind in ("index", "download", "lectures/index", f"lectures/{LECTURE}", "docs/student"):
            page.goto(f"{address}/{kind}.html", wait_until="networkidle")
            path = folder / f"site-{name}-{kind.replace('/', '-')}.png"
            page.screenshot(path=path)
            assert path.stat().st_size > 5000
