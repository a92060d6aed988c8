"""JupyterLab's settings in a container follow from how it was started."""

import json
import os
import re
import socket
import stat
import sys
from pathlib import Path

import pytest

pytest.importorskip("jupyterlab", reason="JupyterLab is not installed beside pytest: its settings are not tested here")

from content_releases import list_files
from course_runtime.files import sync
from course_runtime.files.manifest import KEPT
from course_runtime.files.sync import STATE
from course_runtime.machine.machine import CourseError, Machine, load_course
from course_runtime.start import container
from fake_machine import COURSE, write_content
from jupyter_client import BlockingKernelClient
from lab_server import ROLE, Lab, run_to_the_end
from traitlets.config import Config
from waiting import DEADLINE

TOKEN = "a-token-of-a-test"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the course's content, in a container."""
    folder = tmp_path / "home"
    (folder / "ee559").mkdir(parents=True)
    (folder / "ee559/a.py").write_text("")
    (tmp_path / "etc/course").mkdir(parents=True)
    (tmp_path / "etc/course/course.json").write_text(json.dumps({**COURSE, "product": "cpu"}))
    monkeypatch.setattr(container, "Machine", lambda: Machine(root=tmp_path))
    monkeypatch.setenv("HOME", str(folder))
    return folder


def configure(**environ: str) -> Config:
    c = Config()
    container.configure(c, {"JUPYTER_RUNTIME_DIR": "/run/x", **environ})
    return c


def test_a_plain_start(home: Path) -> None:
    c = configure()
    assert c.ServerApp.port == 8888
    assert c.ServerApp.allow_remote_access is False
    assert c.ServerApp.local_hostnames == ["localhost", socket.gethostname()]
    assert c.ServerApp.root_dir == str(home)
    assert c.FileContentsManager.preferred_dir == str(home / "ee559")
    assert c.KernelManager.transport == "ipc"
    assert c.ServerApp.allow_root is (os.geteuid() == 0)
    assert "base_url" not in c.ServerApp
    assert "certfile" not in c.ServerApp


def test_another_port_and_base(home: Path) -> None:
    c = configure(JUPYTER_PORT="9999", NB_PREFIX="/run/ai")
    assert (c.ServerApp.port, c.ServerApp.base_url) == (9999, "/run/ai")


@pytest.mark.parametrize("port", ["x", "0", "65536", "-1", "8888 ", "٣", "1e3"])
def test_no_port_is_one_line(port: str) -> None:
    with pytest.raises(CourseError, match="is no port: give a number") as caught:
        container.read_port({"JUPYTER_PORT": port})
    assert "\n" not in str(caught.value)


def test_names_of_the_server(home: Path) -> None:
    own = ["localhost", socket.gethostname()]
    assert container.read_hosts({"COURSE_HOSTS": " gpu1.example.org,,gpu2 ,localhost"}) == [
        *own,
        "gpu1.example.org",
        "gpu2",
    ]
    assert configure(COURSE_HOSTS="*").ServerApp.allow_remote_access is True
    assert configure(COURSE_HOSTS="a,*").ServerApp.allow_remote_access is True
    assert configure(KUBERNETES_SERVICE_HOST="10.0.0.1").ServerApp.allow_remote_access is True


def test_sockets_only_where_their_path_is_short_enough(home: Path) -> None:
    limit = container.SOCKET_PATH - container.SOCKET_NAME
    assert "transport" in configure(JUPYTER_RUNTIME_DIR="/" + "x" * (limit - 1)).KernelManager
    assert "transport" not in configure(JUPYTER_RUNTIME_DIR="/" + "x" * limit).KernelManager
    with socket.socket(socket.AF_UNIX) as probe, pytest.raises(OSError, match="too long"):
        probe.bind("/" + "x" * container.SOCKET_PATH)


def test_a_home_without_the_course_shows_the_courses_own_copy(tmp_path: Path) -> None:
    home, content = tmp_path / "home", tmp_path / "content"
    assert container.choose_folders(home, "ee559", content) == (home, home)
    content.mkdir()
    assert container.choose_folders(home, "ee559", content) == (content, content)
    (home / "ee559/p").mkdir(parents=True)
    assert container.choose_folders(home, "ee559", content) == (content, content), "a full disk takes empty folders"
    (home / "ee559/p/a.py").write_text("")
    assert container.choose_folders(home, "ee559", content) == (home, home / "ee559")


def test_a_start_past_the_start_commands_brings_the_course(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "CONTENT", str(write_content(home.parent / "content")))
    configure(COURSE_START_PID="1")
    assert not (home / "ee559/index.md").exists(), "start.sh has done it, or a hook has decided against it"
    configure()
    assert (home / "ee559/index.md").read_text() == "welcome\n"


def test_a_start_past_the_start_commands_takes_the_newest_content(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "CONTENT", str(write_content(home.parent / "content")))
    kept = home / KEPT / COURSE["name"] / "2"
    kept.mkdir(parents=True)
    (kept / "index.md").write_text("corrected\n")
    (kept / "manifest.json").write_bytes(list_files({"index.md": "corrected\n"}, 2))
    configure()
    assert (home / "ee559/index.md").read_text() == "corrected\n"


@pytest.mark.parametrize(
    ("variables", "told"), [({}, "course-sync: 1 new files\n"), ({"JUPYTER_DOCKER_STACKS_QUIET": "1"}, "")]
)
def test_the_server_prepares_the_home_where_start_sh_asks_for_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], variables: dict[str, str], told: str
) -> None:
    """What it says goes to the log, not to the output."""
    content = write_content(home.parent / "content")
    monkeypatch.setattr(container, "prepare", lambda home: sync.run(home, "ee559", content))
    configure(COURSE_START_PID="1", COURSE_PREPARE_HOME="1", **variables)
    assert (home / "ee559/index.md").read_text() == "welcome\n"
    assert capfd.readouterr() == ("", told)


def test_no_mistake_in_it_keeps_the_server_from_starting(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(container, "prepare", lambda home: {}[home.name])
    configure(COURSE_START_PID="1", COURSE_PREPARE_HOME="1")
    assert capfd.readouterr().err == f"course-sync: KeyError({home.name!r})\n"


def test_a_home_that_takes_nothing_does_not_keep_it_from_starting(home: Path, tmp_path: Path) -> None:
    content, course = write_content(tmp_path / "content"), load_course(Machine(root=tmp_path))
    container.bring_course(content, tmp_path / "etc/course/course.json", course)
    container.bring_course(tmp_path / "missing", home, course)
    assert not (home / "ee559/index.md").exists()


def test_who_deleted_everything_gets_no_copy(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    (tmp_path / STATE).parent.mkdir(parents=True)
    (tmp_path / STATE).write_text("{}")
    assert container.choose_folders(tmp_path, "ee559", tmp_path / "content") == (tmp_path, tmp_path)


def test_a_certificate_is_private_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "runtime"
    path = container.ensure_certificate(folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [file.name for file in folder.iterdir()] == [path.name]
    before = path.read_bytes()
    assert b"PRIVATE KEY" in before and b"BEGIN CERTIFICATE" in before
    assert container.ensure_certificate(folder).read_bytes() == before
    path.write_bytes(before[:300])
    assert container.ensure_certificate(folder).read_bytes() != before


def test_no_openssl_is_one_line_and_no_plain_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CourseError, match="openssl made no certificate") as caught:
        container.ensure_certificate(tmp_path / "runtime")
    assert "\n" not in str(caught.value)
    assert not [*(tmp_path / "runtime").iterdir()]


def test_a_server_behind_a_prefix_with_a_certificate(tmp_path: Path) -> None:
    environ = {"GEN_CERT": "yes", "NB_PREFIX": "/notebook/a", "JUPYTER_TOKEN": TOKEN}
    with Lab(tmp_path, environ=environ, scheme="https", base="/notebook/a/") as lab:
        assert lab.get("api") == 200
        assert lab.get("api/contents", token=TOKEN) == 200
        assert f"https://127.0.0.1:{lab.port}/notebook/a/lab" in lab.read_log().splitlines()[-1]


def test_the_host_check_is_on_and_names_can_be_added(tmp_path: Path) -> None:
    with Lab(tmp_path, environ={"JUPYTER_TOKEN": TOKEN, "COURSE_HOSTS": "gpu1.example.org"}) as lab:
        for host in ("localhost", f"127.0.0.1:{lab.port}", socket.gethostname(), "gpu1.example.org:80"):
            assert lab.get("api/contents", token=TOKEN, host=host) == 200
        assert lab.get("api/contents", token=TOKEN, host="evil.example") == 403
        assert lab.get("lab", host="evil.example") == 403


def test_a_home_that_took_nothing_shows_the_courses_own_copy(tmp_path: Path) -> None:
    lab = Lab(tmp_path, environ={"JUPYTER_TOKEN": TOKEN})
    (lab.root / "opt/course/content/practical.py").write_text("print()")
    with lab:
        status, body = lab.ask("api/contents", token=TOKEN)
        assert status == 200
        assert [file["path"] for file in json.loads(body)["content"]] == ["practical.py"]


def test_another_root_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work/mine.py").write_text("")
    lab = Lab(tmp_path, (f"--ServerApp.root_dir={tmp_path / 'work'}",), {"JUPYTER_TOKEN": TOKEN})
    (lab.home / "ee559").mkdir()
    (lab.home / "ee559/a.py").write_text("")
    with lab:
        assert "mine.py" in lab.ask("api/contents", token=TOKEN)[1]


@pytest.mark.parametrize(
    ("environ", "reason"),
    [({"JUPYTER_PORT": "http"}, "JUPYTER_PORT='http' is no port"), ({"GEN_CERT": "perhaps"}, "neither yes nor no")],
)
def test_a_wrong_setting_ends_the_start(tmp_path: Path, environ: dict[str, str], reason: str) -> None:
    status, last = run_to_the_end(Lab(tmp_path, environ=environ))
    assert status == 1
    assert reason in last


def test_a_missing_description_ends_the_start(tmp_path: Path) -> None:
    """Jupyter goes on after an error in its settings, with its own: without our Host check, for one."""
    lab = Lab(tmp_path)
    (lab.root / "etc/course/course.json").unlink()
    status, last = run_to_the_end(lab)
    assert status == 1
    assert "not a course description" in last


def test_a_busy_kernel_does_not_hold_the_stop_and_goes_first_when_memory_runs_out(tmp_path: Path) -> None:
    """With the image's own kernel.json, but for the Python it starts.

    The server waits for its kernels so long as its settings say, and no longer; the seconds are in the benchmark.
    """
    kernel = json.loads((ROLE / "files/kernel.json").read_text())
    kernel["argv"] = [sys.executable if word == "/opt/venv/bin/python" else word for word in kernel["argv"]]
    folder = tmp_path / "share/kernels/course"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(kernel))
    arguments = ("--ServerApp.disable_check_xsrf=True", "--ServerApp.log_level=DEBUG")
    with Lab(tmp_path, arguments, {"JUPYTER_TOKEN": TOKEN}) as lab:
        status, body = lab.ask("api/kernels", token=TOKEN, data=b'{"name": "course"}')
        assert status == 201
        client = BlockingKernelClient()
        client.load_connection_file(str(lab.runtime / f"kernel-{json.loads(body)['id']}.json"))
        assert client.transport == "ipc"
        client.start_channels(hb=False)  # a busy machine may leave out a heartbeat
        client.wait_for_ready(timeout=DEADLINE)
        client.execute("import os; print(os.getpid(), flush=True)\nwhile True: pass")
        printed = ""
        while not printed:
            message = client.get_iopub_msg(timeout=DEADLINE)
            printed = message["content"].get("text", "") if message["msg_type"] == "stream" else ""
        process = Path(f"/proc/{int(printed)}")
        assert (process / "oom_score_adj").read_text() == "300\n"
        lab.stop()
        client.stop_channels()
        assert lab.process.returncode == 0, "it ended by itself, in order"
        assert not process.exists()
        waited = re.findall(r"'shutdown_wait_time': ([\d.]+)", lab.read_log())
        assert waited[-1] == "1.0", "seconds; docker stop gives 10 in all"
