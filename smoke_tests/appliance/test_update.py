"""A machine follows the course: by itself once JupyterLab serves, after a power cut in the middle, and from files.

In QEMU's network the guest reaches this host's 127.0.0.1 as 10.0.2.2; VirtualBox forbids it that.
"""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from practicum.semester.description import Semester
from smoke_tests.appliance.identity import Identity, read_identity
from smoke_tests.content_releases import Publisher
from smoke_tests.guest import PATIENCE
from smoke_tests.qemu import BOOT_TIMEOUT, Machine
from smoke_tests.waiting import wait_until

pytestmark = pytest.mark.timeout(2 * BOOT_TIMEOUT)

HOST = "10.0.2.2"
EDITED, OTHER = "practicals/practical-1/practical-1.ipynb", "practicals/practical-2/practical-2.ipynb"
JOURNAL = "journalctl --boot --unit=course-update --output=cat --no-pager"


class Web:
    """Serves a folder on 127.0.0.1; of the file `held` it sends a part, and the rest when `end` is set."""

    def __init__(self, folder: Path) -> None:
        self.held, self.holding, self.end = "", threading.Event(), threading.Event()
        web = self

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                pass

            def copyfile(self, source: Any, outputfile: Any) -> None:
                with suppress(OSError):  # the machine lost its power
                    if self.path == web.held:
                        outputfile.write(source.read(10_000))
                        web.holding.set()
                        web.end.wait()
                    super().copyfile(source, outputfile)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.address = f"http://{HOST}:{self.server.server_port}"


@pytest.fixture(scope="module")
def publisher(semester: Semester, tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    return Publisher(semester, tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def web(publisher: Publisher) -> Iterator[Web]:
    made = Web(publisher.web)
    thread = threading.Thread(target=made.server.serve_forever, args=(0.1,))
    thread.start()
    yield made
    made.end.set()
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def following(machine: Machine, publisher: Publisher, web: Web) -> Machine:
    """Return the module's machine, made as one whose course has an address; the first content release is there."""
    publisher.publish(publisher.semester.content.release + 1, {OTHER: "\n"})
    course = json.loads(machine.run("cat /etc/course/course.json").stdout) | {"address": web.address, "updates": True}
    for text, path in (
        (json.dumps(course), "/etc/course/course.json"),
        (publisher.signers.read_text(), "/opt/course/signers"),
    ):
        machine.sudo(f"printf %s {shlex.quote(text)} >{path}")
    machine.run(f"echo mine >~/{publisher.semester.course.slug}/{EDITED}")
    machine.sudo("systemctl enable --now course-update.path; sync")
    return machine


def wait_for_line(machine: Machine, line: str) -> str:
    """Wait for a line of the service in this boot's journal; all of its lines."""
    wait_until(lambda: line in machine.run(JOURNAL).stdout, f"{line!r} in the journal", PATIENCE, pause=2)
    return machine.run(JOURNAL).stdout


def read(machine: Machine, semester: Semester, path: str) -> str:
    return machine.run(f"cat ~/{semester.course.slug}/{path}").stdout


def test_machine_without_an_address_asks_nobody(machine: Machine, semester: Semester) -> None:
    if semester.release.address:
        pytest.skip("this semester has an address")
    done = machine.run("course-update")
    assert done.returncode == 2 and "has no address from which content releases come" in done.stderr
    assert machine.run("systemctl is-enabled course-update.path").stdout == "disabled\n"
    assert machine.run("cat /run/course/content-release").stdout == f"{semester.content.release}\n"
    assert machine.run("stat --format=%a:%U /opt/course/signers").stdout == "644:root\n"


def test_content_release_comes_by_itself_and_the_window_shows_it(following: Machine, semester: Semester) -> None:
    number, shown = semester.content.release + 1, len(following.console)
    told = wait_for_line(following, "course-sync: ")
    assert f"course-update: content release {number} came\n" in told
    assert f"content release {number}" in " ".join(read(following, semester, "index.md").split())
    assert read(following, semester, EDITED) == "mine\n"
    following.wait_serial(rf"{semester.id}, content {number} \(", PATIENCE, since=shown - 1)
    assert "course-update" not in following.run("systemctl --failed --plain --no-legend").stdout


def test_power_cut_in_the_middle_is_harmless(
    following: Machine, identity: Identity, semester: Semester, publisher: Publisher, web: Web
) -> None:
    number = semester.content.release + 2
    web.held = publisher.publish(number, {EDITED: "\n", "index.md": "Corrected.\n"})
    following.sudo("systemctl start --no-block course-update.service")
    wait_until(web.holding.is_set, "the archive is on its way", PATIENCE)
    following.power_cut()
    web.end.set()
    web.held = ""
    following.power_on()
    following.wait_ready()
    wait_for_line(following, f"the course's new version is {EDITED.removesuffix('.ipynb')}.new.ipynb")
    assert read(following, semester, EDITED) == "mine\n"
    assert read(following, semester, "index.md").endswith("Corrected.\n")
    kept = following.run(f"ls -A ~/.local/share/course/content/{semester.product_name}").stdout
    assert kept == f"{number}\n", "what the cut left is removed, and the release before"


def test_second_start_keeps_the_code(following: Machine, identity: Identity) -> None:
    """As after `bye`, by which test_shutdown.py looks at the disk alone: a start takes the emulator a minute."""
    assert following.boots == 2
    assert following.issue["Access code"] == identity.code
    assert read_identity(following) == identity
    assert following.http("/api/contents", identity.code).status_code == 200
    assert following.http("/api/contents").status_code == 403
    assert following.run("systemctl --failed --plain --no-legend").stdout == ""


def test_files_that_were_handed_out_need_no_network(
    following: Machine, semester: Semester, publisher: Publisher
) -> None:
    number = semester.content.release + 3
    publisher.publish(number, {OTHER: "\n\n"})
    with following.ssh() as client, client.open_sftp() as files:
        files.mkdir("stick")
        for path in (publisher.folder / f"content-{number}").iterdir():
            files.put(str(path), f"stick/{path.name}")
    done = following.run("course-update --from ~/stick")
    assert done.returncode == 0 and f"content release {number} came" in done.stdout, done.output
    assert following.run("course-update --from ~/stick").stdout == (
        f"course-update: content release {number} is the newest\n"
    )
