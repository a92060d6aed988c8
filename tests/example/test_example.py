"""examples/cs-101, a course of a few files without torch: outside the checkout practicum builds all that it needs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from smoke_tests.browser import open_page
from smoke_tests.container.docker import Container, inspect
from smoke_tests.jupyter import Jupyter
from smoke_tests.qemu import Machine

ROOT = Path(__file__).parents[2]
ANSWER = r"sed -i 's/return 0.0  # replace this line/return sum(values) \/ len(values)/' ~/cs101/*/week-1/*.ipynb"
EXTENSION = r"cs101-menu v1\.0\.0 \S*enabled\S* \S*OK"


def test_the_image_says_nothing_of_torch(image: str) -> None:
    labels = inspect(image)["Config"]["Labels"]
    assert not [name for name, value in labels.items() if "torch" in f"{name} {value}".lower()]


def test_the_course_is_in_the_image_and_jupyterlab_answers(container: Container) -> None:
    assert container.get("/api/status").status_code == 200
    settings = container.get("/lab/api/settings/@jupyterlab/notebook-extension:tracker").json()
    assert settings["schema"]["properties"]["codeCellConfig"]["default"]["lineNumbers"] is True
    assert container.exec("ls ~/cs101/practicals/week-2").stdout.split() == ["trees.csv", "week_2.ipynb"]
    assert container.exec("python -c 'import barchart; print(barchart.draw({\"a\": 1}, 3))'").stdout == "a ### 1\n"
    assert container.exec("tree --version").stdout.startswith("tree v")
    assert container.exec("git config --system init.defaultBranch").stdout == "main\n"
    assert "values in order" in container.exec("cat /usr/local/share/cs101/words.txt").stdout
    assert container.exec("printenv CS101_LEVEL").stdout == "first year\n"


def test_its_extension_of_jupyterlab_opens_a_page(container: Container) -> None:
    assert re.search(EXTENSION, container.exec("jupyter labextension list 2>&1").stdout)
    with open_page(container.url) as page:
        page.goto(f"{container.url}/lab/tree/cs101/practicals?token={container.token}", wait_until="commit")
        page.get_by_role("menuitem", name="Help", exact=True).click()
        page.get_by_role("menuitem", name="CS-101: First Page").click()
        expect(page.locator(".jp-MarkdownViewer h1", has_text="Introduction to Python")).to_be_visible()


def test_its_own_command_judges_a_student(container: Container) -> None:
    assert container.exec("cs101-check 1", check=False).stdout == "average: not right yet\n"
    container.exec(ANSWER)
    assert container.exec("cs101-check 1").stdout == "average: right\n"


def test_commands_of_torch_are_absent_and_the_doctor_does_not_ask_for_it(container: Container) -> None:
    absent = ("course-verify", "course-check", "course-data", "course-submit")
    assert container.exec(f"command -v {' '.join(absent)}", check=False).stdout == ""
    told = container.exec("course-doctor").stdout
    assert "jupyterlab" in told and "torch" not in told.replace("torch.compile", "")


def test_what_the_course_tests_itself(course: Path, image: str) -> None:
    argv = ["-m", "pytest", "-q", "-p", "smoke_tests.conftest", "-p", "smoke_tests.container.conftest"]
    where = ["-c", "pyproject.toml", "--rootdir=.", str(course / "smoke_tests")]
    own = {**os.environ, "PRACTICUM_COURSE": str(course)}
    done = subprocess.run([sys.executable, *argv, *where], cwd=ROOT, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_appliance_boots_to_the_course(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    spent = machine.cpu_seconds
    assert machine.issue["Status"] == "ready"
    assert machine.run("ls ~/cs101/practicals/week-2").stdout.split() == ["trees.csv", "week_2.ipynb"]
    assert machine.run("tree --version; git config --system init.defaultBranch").stdout.splitlines()[1] == "main"
    assert "values in order" in machine.run("cat /usr/local/share/cs101/words.txt").stdout
    assert machine.run("command -v course-verify course-check course-data").stdout == ""
    assert machine.run("systemctl --failed --plain --no-legend").stdout == ""
    with Jupyter(machine.url, machine.code).start_kernel() as kernel:
        done = kernel.execute("import os, barchart; print(barchart.draw({'a': 1}, 3), os.environ['CS101_LEVEL'])")
        assert done.text == "a ### 1 first year\n"
        assert re.search(EXTENSION, kernel.execute("!jupyter labextension list 2>&1").text)
    with capsys.disabled():
        print(f"\n  ready after {spent:.0f} CPU s of QEMU")


def test_its_command_judges_a_student_of_the_appliance(machine: Machine) -> None:
    assert machine.run("cs101-check 1").stdout == "average: not right yet\n"
    assert machine.run(f"{ANSWER}; cs101-check 1").stdout == "average: right\n"
