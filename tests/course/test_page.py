"""The course's page as JupyterLab serves it."""

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
