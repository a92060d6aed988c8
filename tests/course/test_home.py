"""A home that can be written is found wherever a runtime puts the container."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cost import measure_least
from course_runtime.files import home

PROGRAM = Path(home.__file__)
PATH = "/opt/venv/bin:/usr/bin:/bin"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that every user may enter, as TMPDIR; pytest's own is closed to others."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o711)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1777)
    return tmp_path


def set_environment(place: Path, **environ: str) -> tuple[str, dict[str, str]]:
    values = {"TMPDIR": str(place / "tmp"), "PATH": PATH, **environ}
    return home.set_environment(values), values


def run(place: Path, *, uid: int | None = None, gid: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
    """home.py as the start commands run it, as another user where that is asked for."""
    become = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"] if uid is not None else []
    # Through its standard input: the checkout need not be readable for others.
    code = f"__file__ = 'home.py'\n{PROGRAM.read_text()}"
    return subprocess.run(
        [*become, "/usr/bin/python3", "-I", "-S", "-"],
        input=code,
        env={"TMPDIR": str(place / "tmp"), "PATH": PATH, **environ},
        text=True,
        capture_output=True,
        check=True,
    )


def evaluate(exports: str, *names: str) -> list[str]:
    """What a shell makes of the printed lines."""
    shown = " ".join(f'"${name}"' for name in names)
    done = subprocess.run(
        ["sh", "-c", f"{exports}\nprintf '%s\\n' {shown}"], text=True, capture_output=True, check=True
    )
    return done.stdout.splitlines()


def test_a_good_home_stays(place: Path) -> None:
    message, values = set_environment(place, HOME=str(place))
    assert message == ""
    assert values["HOME"] == str(place)


@pytest.mark.parametrize("bad", [None, "", "/", "/nowhere/at/all", "relative", "/etc/passwd"])
def test_a_bad_home_is_replaced_by_a_private_folder_and_told(place: Path, bad: str | None) -> None:
    message, values = set_environment(place, **({} if bad is None else {"HOME": bad}))
    folder = Path(values["HOME"])
    assert folder == place / f"tmp/home-{os.geteuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert str(folder) in message and "lost" in message and "mount" in message
    assert "\n" not in message


def test_the_places_that_a_cluster_names_come_first(place: Path) -> None:
    for name in ("scratch", "work"):
        (place / name).mkdir()
    both = {"SCRATCH_HOME": str(place / "scratch"), "WORKING_DIR": str(place / "work")}
    assert set_environment(place, **both)[1]["HOME"] == both["SCRATCH_HOME"]
    message, values = set_environment(place, SCRATCH_HOME="/nowhere", WORKING_DIR=both["WORKING_DIR"])
    assert values["HOME"] == both["WORKING_DIR"]
    assert "$WORKING_DIR" in message


def test_the_same_folder_is_found_again(place: Path) -> None:
    assert set_environment(place)[1]["HOME"] == set_environment(place)[1]["HOME"]


@pytest.mark.parametrize("kind", ["link", "file", "open"])
def test_a_name_that_somebody_else_took_is_not_used(place: Path, kind: str) -> None:
    taken, elsewhere = place / f"tmp/home-{os.geteuid()}", place / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    if kind == "link":
        taken.symlink_to(elsewhere)
    elif kind == "file":
        taken.write_text("")
    else:
        taken.mkdir()
        taken.chmod(0o755)
    folder = Path(set_environment(place)[1]["HOME"])
    assert folder.name.startswith(f"{taken.name}-")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not [*elsewhere.iterdir()]


def test_a_folder_of_another_user_is_not_used(place: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can play another user")
    taken = place / "tmp/home-0"
    taken.mkdir(mode=0o700)
    os.chown(taken, 4711, 4711)
    assert set_environment(place)[1]["HOME"] != str(taken)


def test_nowhere_to_write_is_told_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str, mode: int) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("os.mkdir", full)
    values = {"HOME": "/nowhere", "COURSE_NAME": "c"}
    message = home.set_environment(values)
    assert "--tmpfs /tmp" in message
    assert values["HOME"] == "/nowhere"
    assert "JUPYTER_RUNTIME_DIR" not in values


def test_packages_of_another_semester_are_not_seen(place: Path) -> None:
    _, values = set_environment(place, HOME=str(place), COURSE_NAME="ee559-2027-spring")
    base = f"{place}/.local/ee559-2027-spring"
    assert values["PYTHONUSERBASE"] == base
    assert values["PATH"] == f"/opt/venv/bin:{base}/bin:/usr/bin:/bin"
    home.set_environment(values)
    assert values["PATH"].count(base) == 1


@pytest.mark.parametrize(("path", "expected"), [("", "/b/bin"), ("/usr/bin:/bin", "/b/bin:/usr/bin:/bin")])
def test_a_path_without_the_environment_gets_the_users_programs_first(place: Path, path: str, expected: str) -> None:
    _, values = set_environment(place, HOME=str(place), PYTHONUSERBASE="/b", PATH=path)
    assert values["PATH"] == expected


def test_what_the_user_chose_is_kept(place: Path) -> None:
    chosen = {"JUPYTER_RUNTIME_DIR": "/r", "PYTHONUSERBASE": "/b", "USER": "ada", "LOGNAME": "ada"}
    _, values = set_environment(place, HOME=str(place), COURSE_NAME="c", **chosen)
    assert {name: values[name] for name in chosen} == chosen


def test_the_runtime_folder_is_private(place: Path) -> None:
    _, values = set_environment(place, HOME=str(place))
    folder = Path(values["JUPYTER_RUNTIME_DIR"])
    assert folder == place / f"tmp/jupyter-{os.geteuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(("nb_user", "expected"), [({}, "jovyan"), ({"NB_USER": "ada"}, "ada")])
def test_an_unknown_user_gets_a_name(place: Path, nb_user: dict[str, str], expected: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can play another user")
    done = run(place, uid=123456, HOME="/", **nb_user)
    assert evaluate(done.stdout, "USER", "LOGNAME") == [expected, expected]


@pytest.mark.parametrize(("uid", "gid", "usable"), [(1000, 100, True), (54321, 0, True), (54321, 54321, False)])
def test_the_images_home_is_writable_for_its_user_and_for_group_0(
    place: Path, uid: int, gid: int, usable: bool
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can play another user")
    folder = place / "jovyan"
    folder.mkdir()
    os.chown(folder, 1000, 0)
    folder.chmod(0o775)
    done = run(place, uid=uid, gid=gid, HOME=str(folder))
    if usable:
        assert done.stderr == ""
        assert "HOME=" not in done.stdout
    else:
        (chosen,) = evaluate(done.stdout, "HOME")
        assert chosen == f"{place}/tmp/home-{uid}"
        assert (Path(chosen).stat().st_uid, stat.S_IMODE(Path(chosen).stat().st_mode)) == (uid, 0o700)
        assert f"-u {uid}:0" in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_home_on_a_read_only_mount_is_replaced(place: Path) -> None:
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    folder = place / "mounted"
    folder.mkdir()
    command = (
        f"mount --bind '{folder}' '{folder}' && mount -o remount,ro,bind '{folder}' && "
        f"exec /usr/bin/python3 -I -S '{PROGRAM}'"
    )
    environment = {"TMPDIR": str(place / "tmp"), "HOME": str(folder), "PATH": PATH}
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", command], text=True, capture_output=True, check=True, env=environment
    )
    assert evaluate(done.stdout, "HOME") == [f"{place}/tmp/home-0"]
    assert "cannot be written" in done.stderr


def test_a_shell_reads_any_name_as_it_is(place: Path) -> None:
    odd = place / 'it\'s $HOME `id` \\ "x"'
    odd.mkdir()
    done = run(place, SCRATCH_HOME=str(odd))
    assert evaluate(done.stdout, "HOME") == [str(odd)]


def test_only_changes_are_printed(place: Path) -> None:
    values = set_environment(place, HOME=str(place), COURSE_NAME="c")[1]
    done = run(place, **values)
    assert (done.stdout, done.stderr) == ("", "")


def test_an_error_is_one_line_and_no_failure(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from course_runtime.files import home\n"
        "home.set_environment = None\nhome.main()\nhome.set_environment_quietly()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        text=True,
        capture_output=True,
        check=True,
        env={"PYTHONPATH": str(PROGRAM.parents[2])},
    )
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1


def test_every_start_of_python_can_afford_it(place: Path) -> None:
    """In a process of its own, as a .pth file runs it: the import, then again what each start does."""
    code = (
        "import os, sys, time; sys.dont_write_bytecode = True; before = set(sys.modules)\n"
        "import course_runtime.files.home; new = set(sys.modules) - before\n"
        "def cost():\n    start = time.process_time(); course_runtime.files.home.set_environment_quietly()\n"
        "    return time.process_time() - start\n"
        "print(min(cost() for _ in range(20))); print(*sorted(new))"
    )
    environment = {"PYTHONPATH": str(PROGRAM.parents[2]), "TMPDIR": str(place / "tmp"), "COURSE_NAME": "c"}
    done = subprocess.run(
        ["/usr/bin/python3", "-S", "-c", code], text=True, capture_output=True, check=True, env=environment
    )
    cost, modules = done.stdout.splitlines()
    assert float(cost) < 0.001
    assert modules == "course_runtime course_runtime.files course_runtime.files.home"


def test_as_a_program_it_takes_a_moment(place: Path) -> None:
    seconds = measure_least(lambda: run(place, HOME=str(place)))
    assert seconds < 0.3, "of the processor: the limit of the whole start; this is 0.02 s"


# ---- what comes along from a host ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*home.GIVEN, *home.MADE])
def test_a_folder_of_the_host_is_ignored_and_told(place: Path, name: str) -> None:
    (place / "file").write_text("")
    folder = str(place / "file/below")  # not even root can make it
    message, values = set_environment(place, **{"HOME": str(place), name: folder})
    assert values.get(name) != folder
    assert message == f"{name}={folder} cannot be written here and is ignored"


@pytest.mark.parametrize("name", home.MADE)
def test_a_folder_that_programs_make_stays(place: Path, name: str) -> None:
    folder = str(place / "not/there/yet")
    message, values = set_environment(place, **{"HOME": str(place), name: folder})
    assert (message, values[name]) == ("", folder)


def test_shells_forget_the_host_s_folders(place: Path) -> None:
    (place / "file").write_text("")
    a, b = str(place / "file/a"), str(place / "file/b")
    done = run(place, HOME=str(place), JUPYTER_CONFIG_DIR=a, XDG_RUNTIME_DIR=b)
    assert evaluate(f"export JUPYTER_CONFIG_DIR={a}\n{done.stdout}", "{JUPYTER_CONFIG_DIR-gone}") == ["gone"]
    told = f"course: XDG_RUNTIME_DIR={b}, JUPYTER_CONFIG_DIR={a} cannot be written here and are ignored\n"
    assert done.stderr == told


@pytest.mark.parametrize(
    ("ids", "container", "cure"),
    [
        (
            "         0       1000          1",
            "podman",
            "start with --userns=keep-id:uid=1000,gid=100 and without --user",
        ),
        ("         0       1000          1", "", "start with --user root -e NB_USER=root -e NB_UID=0 -e NB_GID=0"),
        ("         0          0 4294967295", "", "mount a folder that this user can write and name it in HOME"),
    ],
)
def test_a_rootless_start_gets_a_cure_that_works_there(
    place: Path, monkeypatch: pytest.MonkeyPatch, ids: str, container: str, cure: str
) -> None:
    (place / "uid_map").write_text(f"{ids}\n")
    monkeypatch.setattr(home, "UID_MAP", str(place / "uid_map"))
    monkeypatch.setattr(
        home, "explain_home", lambda folder: f"HOME={folder} cannot be written by user 1000, group 1000"
    )
    message = set_environment(place, HOME="/nowhere", container=container)[0]
    assert f"are lost with the container; {cure}" in message
