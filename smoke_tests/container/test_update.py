"""A container follows the course: content releases come at the start and by hand, and cost the student nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from practicum.semester.description import Semester
from smoke_tests.container.conftest import RunContainer
from smoke_tests.container.docker import Container, docker
from smoke_tests.content_releases import Publisher

PORT = 8900
HOOK = f"(python3 -m http.server --bind 127.0.0.1 --directory /web {PORT} >/dev/null 2>&1 &)\n"
EDITED, OTHER = "practicals/practical-1/practical-1.ipynb", "practicals/practical-2/practical-2.ipynb"
CORRECTION = "\n"  # a notebook stays one


@pytest.fixture
def publisher(tmp_path: Path, semester: Semester) -> Publisher:
    return Publisher(semester, tmp_path)


@pytest.fixture
def address(publisher: Publisher, cpu_image: str, tmp_path: Path) -> list[str]:
    """Give docker's options by which the course has an address: a web server of the container's own loopback."""
    described = docker("run", "--rm", "--entrypoint=cat", cpu_image, "/etc/course/course.json").stdout
    course = json.loads(described) | {"address": f"http://127.0.0.1:{PORT}", "updates": True}
    (tmp_path / "course.json").write_text(json.dumps(course))
    (tmp_path / "web.sh").write_text(HOOK)
    places = {
        publisher.web: "/web",
        publisher.signers: "/opt/course/signers",
        tmp_path / "course.json": "/etc/course/course.json",
        tmp_path / "web.sh": "/usr/local/bin/start-notebook.d/web.sh",
    }
    return [f"--volume={path}:{place}:ro" for path, place in places.items()]


def wait_for_line(container: Container, line: str) -> None:
    container.wait_until(lambda: line in container.stderr, line)


def read(container: Container, semester: Semester, path: str) -> str:
    return container.exec(["cat", f"/home/jovyan/{semester.course.slug}/{path}"]).stdout


def test_two_content_releases(
    volume: str, address: list[str], publisher: Publisher, run_container: RunContainer, semester: Semester
) -> None:
    home = f"--volume={volume}:/home/jovyan"
    number = semester.content.release
    publisher.publish(number + 1, {OTHER: CORRECTION})
    first = run_container(home, *address)
    wait_for_line(first, "course-sync: 2 files brought up to date")
    assert f"course-update: content release {number + 1} came\n" in first.stderr
    assert f"content release {number + 1}" in " ".join(read(first, semester, "index.md").split())
    assert "{{" not in read(first, semester, "index.md")

    first.exec(["sh", "-c", f"echo mine >~/{semester.course.slug}/{EDITED}"])
    publisher.publish(number + 2, {EDITED: CORRECTION, "index.md": "Corrected.\n"})
    told = first.exec(["course-update"]).stdout
    assert told.startswith(f"course-update: content release {number + 2} came\n")
    assert f"the course's new version is {EDITED.removesuffix('.ipynb')}.new.ipynb\n" in told
    assert read(first, semester, EDITED) == "mine\n" and read(first, semester, "index.md").endswith("Corrected.\n")
    assert first.exec(["course-update"]).stdout == f"course-update: content release {number + 2} is the newest\n"
    original = json.loads(first.exec(["cat", "/opt/course/content/manifest.json"]).stdout)
    assert original["release"] == number, "the image's own copy stays as it is"
    first.stop()

    second = run_container(home)
    assert read(second, semester, EDITED) == "mine\n" and read(second, semester, "index.md").endswith("Corrected.\n")
    assert "course-sync" not in second.stderr, "the image is older than the home, which changes nothing and is no news"


def test_unknown_user_and_a_root_that_cannot_be_written(
    address: list[str], publisher: Publisher, run_container: RunContainer, semester: Semester
) -> None:
    """ssh-keygen, which verifies, refuses a user id without a name."""
    publisher.publish(semester.content.release + 1, {OTHER: CORRECTION})
    places = ("--read-only", "--tmpfs=/tmp", "--tmpfs=/home/jovyan:mode=1777")
    container = run_container("--user=123456:0", *places, *address)
    wait_for_line(container, "course-sync: 2 files brought up to date")
    assert f"course-update: content release {semester.content.release + 1} came\n" in container.stderr


def test_lie_at_the_start_is_one_line_in_the_log(
    address: list[str], publisher: Publisher, run_container: RunContainer, semester: Semester
) -> None:
    """The product does not know the key."""
    publisher.publish(semester.content.release + 1, {OTHER: CORRECTION})
    publisher.signers.write_text(publisher.signers.read_text().replace("practicum-content", "practicum-release"))
    container = run_container(*address)
    wait_for_line(container, "course-update: ")
    lines = [line for line in container.stderr.splitlines() if line.startswith("course-")]
    assert len(lines) == 2 and "new files" in lines[0] and "is not signed with a key of this course" in lines[1]
    assert "nothing was changed" in lines[1]
    container.wait_healthy()


def test_image_whose_course_has_no_address_asks_nobody(server: Container, semester: Semester) -> None:
    if semester.release.address:
        pytest.skip("this semester has an address")
    done = server.exec(["course-update"], check=False)
    assert done.returncode == 2 and "has no address from which content releases come" in done.stderr
    assert "course-update" not in server.stderr
