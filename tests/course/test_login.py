"""The login page of a product says what to type, and lets in whoever types it."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("jupyterlab", reason="JupyterLab is not installed beside pytest: its login page is not tested here")

import httpx
from jupyter_server.auth import passwd
from lab_server import Lab
from waiting import DEADLINE

CODE = "abcd-efgh-2345"
SAYS = {
    "appliance": ("Type the access code of the machine's window", "This is not the access code."),
    "cpu": ("Type the token of the container's log, or the one that you chose", "This is not the token."),
}


def open_browser(lab: Lab) -> httpx.Client:
    return httpx.Client(base_url=lab.url, follow_redirects=True, trust_env=False, verify=False, timeout=DEADLINE)


def read_text(page: httpx.Response) -> list[str]:
    """What the page shows, line by line."""
    body = re.sub(r"<style>.*?</style>", "", page.text.partition("<body>")[2], flags=re.DOTALL)
    lines = html.unescape(re.sub(r"<[^>]*>", "\n", body)).splitlines()
    return [line.strip() for line in lines if line.strip()]


def type_in(browser: httpx.Client, page: httpx.Response, secret: str) -> httpx.Response:
    """Fill in the one form of the page and send it. It has no field for a new password."""
    ((action, fields),) = re.findall(r'<form method="post" action="([^"]+)">(.*?)</form>', page.text, re.DOTALL)
    names = re.findall(r'name="(\w+)"', fields)
    assert names == ["_xsrf", "password"], "the field, and what protects it"
    (xsrf,) = re.findall(r'name="_xsrf" value="([^"]+)"', fields)
    return browser.post(page.url.join(html.unescape(action)), data={"_xsrf": xsrf, "password": secret})


@pytest.fixture(scope="module", params=SAYS)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A server with the settings of a product."""
    place, environ = tmp_path_factory.mktemp("lab"), {"JUPYTER_TOKEN": CODE}
    with Lab(place, environ=environ, product=request.param) as lab:
        yield lab


def test_it_shows_the_course_and_what_to_type_and_nothing_else(lab: Lab) -> None:
    asks, refuses = SAYS[lab.product]
    with open_browser(lab) as browser:
        page = browser.get("lab")
        assert (page.url.path, page.status_code) == ("/login", 200)
        assert "<title>EE-559 Deep Learning</title>" in page.text
        assert read_text(page) == ["EE-559 Deep Learning", asks, "Log in"]
        refused = type_in(browser, page, "aaaa-aaaa-aaaa")
        assert refused.status_code == 401
        assert read_text(refused) == ["EE-559 Deep Learning", asks, refuses, "Log in"]
        assert "Log in" not in read_text(type_in(browser, refused, CODE))


def test_who_types_it_gets_where_he_wanted_to_go(lab: Lab) -> None:
    (lab.home / "a.txt").write_text("")
    with open_browser(lab) as browser:
        opened = type_in(browser, browser.get("lab/tree/a.txt"), CODE)
        assert (opened.url.path, opened.status_code) == ("/lab/tree/a.txt", 200)
        assert browser.get("api/contents").status_code == 200


def test_all_of_the_page_is_found(lab: Lab) -> None:
    with open_browser(lab) as browser:
        linked = re.findall(r'(?:src|href)="([^"]+)"', browser.get("login").text)
        assert linked and {browser.get(link).status_code for link in linked} == {200}


def test_it_works_behind_a_prefix(tmp_path: Path) -> None:
    environ = {"NB_PREFIX": "/notebook/a", "JUPYTER_TOKEN": CODE}
    with Lab(tmp_path, environ=environ, base="/notebook/a/") as lab, open_browser(lab) as browser:
        page = browser.get("lab")
        assert page.url.path == "/notebook/a/login"
        opened = type_in(browser, page, CODE)
        assert (opened.url.path, opened.status_code) == ("/notebook/a/lab", 200)


def test_it_asks_for_a_password_where_there_is_no_token(tmp_path: Path) -> None:
    arguments = (f"--PasswordIdentityProvider.hashed_password={passwd('secret', 'sha1')}",)
    with Lab(tmp_path, arguments) as lab, open_browser(lab) as browser:
        page = browser.get("lab")
        assert read_text(page)[1] == "Type your password"
        assert "This is not the password." in read_text(type_in(browser, page, "wrong"))
        assert type_in(browser, page, "secret").url.path == "/lab"
