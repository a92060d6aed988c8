"""The course's page as JupyterLab serves it."""

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("jupyterlab", reason="JupyterLab is not installed beside pytest: no page of it is asked for here")

from lab_server import Lab


def test_the_page_is_served_and_nothing_else_of_the_course(tmp_path: Path) -> None:
    """The role `course` makes these folders. No credential is asked for the page: it holds what everybody may know."""
    lab = Lab(tmp_path)
    course = lab.root / "opt/course"
    for name in ("static/docs/index.html", "static/docs/assets/course.css", "content/solution.py"):
        (course / name).parent.mkdir(parents=True, exist_ok=True)
        (course / name).write_text("text")
    with lab:
        assert lab.get("static/docs/index.html") == 200
        assert lab.get("static/docs/assets/course.css") == 200
        assert lab.get("static/content/solution.py") == 404
        assert lab.get("static/docs/../../content/solution.py") in (403, 404)


TOKEN = "a-token-of-a-test"
LANDING = "# Welcome\n[The course's page](/static/docs/index.html) and [a file](a.md)\n"


@pytest.mark.parametrize("base", ["/user/ann/", "/"])
@pytest.mark.parametrize("product", ["appliance", "cpu"])
def test_the_landing_page_leads_to_the_page_behind_a_prefix(tmp_path: Path, product: str, base: str) -> None:
    """As JupyterLab reads it, and leaves it where the student saves it."""
    arguments = (f"--ServerApp.base_url={base}",)
    lab = Lab(tmp_path, arguments, environ={"JUPYTER_TOKEN": TOKEN}, base=base, product=product)
    page, landing = lab.root / "opt/course/static/docs/index.html", lab.home / "ee559/index.md"
    for path, text in ((page, "the page"), (landing, LANDING)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with lab:
        told = json.loads(lab.ask("api/contents/ee559/index.md?content=1", token=TOKEN)[1])
        (link, other) = re.findall(r"\]\(([^)]+)\)", told["content"])
        assert (link, other) == (f"{base}static/docs/index.html", "a.md")
        assert lab.ask(link.removeprefix(base)) == (200, "the page")
        body = {"type": "file", "format": "text", "content": told["content"] + "mine\n"}
        assert (
            lab.ask("api/contents/ee559/index.md", token=TOKEN, data=json.dumps(body).encode(), method="PUT")[0] == 200
        )
    assert landing.read_text() == LANDING + "mine\n"
