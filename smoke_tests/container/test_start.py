"""The documented start interface of jupyter/docker-stacks, as docs/docker-stacks.md describes it here."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from practicum.semester.description import Semester
from smoke_tests.container.conftest import RunContainer
from smoke_tests.container.docker import Container, docker, idle, started

Start = Callable[..., CompletedProcess[str]]

ROOT = "--user=root"
HOOKS = "/usr/local/bin/{}-notebook.d"
START_SECONDS = 0.3
"""What hooks, home and content may cost before the command."""


@pytest.fixture
def start(run_container: RunContainer) -> Start:
    """Run one command to its end, without INFO lines: `start("--user=root", command="id")`; a string is for bash."""

    def run(*options: str, command: str | Sequence[str] = "true", status: int = 0) -> CompletedProcess[str]:
        argv = ["bash", "-c", command] if isinstance(command, str) else [*command]
        container = run_container("--env=JUPYTER_DOCKER_STACKS_QUIET=1", *options, command=argv, ready=False)
        done = CompletedProcess(argv, container.wait_ended(), container.stdout, container.stderr)
        assert done.returncode == status, f"status {done.returncode}: {done.stdout}{done.stderr}"
        return done

    return run


@pytest.fixture(scope="module")
def settled(cpu_image: str) -> Iterator[Container]:
    """Return a container whose start is done: what starts in it again, as the image's user, finds all in place."""
    with started(cpu_image, command=["sleep", "infinity"]) as container:
        container.wait_until(lambda: "runs sleep" in container.stderr, "the command")
        yield container


@pytest.fixture
def start_again(settled: Container) -> Start:
    """Like `start`, for what needs no container of its own: options are variables, `start_again(NB_UMASK="002")`."""

    def run(command: str | Sequence[str] = "true", status: int = 0, **variables: str) -> CompletedProcess[str]:
        argv = ["start.sh", *(["bash", "-c", command] if isinstance(command, str) else command)]
        done = settled.exec(argv, check=False, environment={"JUPYTER_DOCKER_STACKS_QUIET": "1", **variables})
        assert done.returncode == status, f"status {done.returncode}: {done.stdout}{done.stderr}"
        return done

    return run


def env(**variables: str) -> tuple[str, ...]:
    return tuple(f"--env={name}={value}" for name, value in variables.items())


# ---- who runs the command ------------------------------------------------------------------------------------------

WHO = 'id; echo "$HOME $USER $LOGNAME $(whoami) $PWD"; echo "$PATH"; touch "$HOME/written"'
RENAMED = env(NB_USER="callisto", NB_UID="1234", NB_GID="5678", CHOWN_HOME="yes")

USERS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "as it is": ((), "uid=1000(jovyan) gid=100(users) groups=100(users)", "jovyan"),
    "root": ((ROOT,), "uid=1000(jovyan) gid=100(users) groups=100(users)", "jovyan"),
    "NB_UID": ((ROOT, *env(NB_UID="1234")), "uid=1234(jovyan) gid=100(users) groups=100(users)", "jovyan"),
    "NB_UID of macOS": ((ROOT, *env(NB_UID="501", NB_GID="20")), "uid=501(jovyan) gid=20(dialout)", "jovyan"),
    "NB_GID": (
        (ROOT, *env(NB_GID="5678")),
        "uid=1000(jovyan) gid=5678(jovyan) groups=5678(jovyan),100(users)",
        "jovyan",
    ),
    "NB_GROUP": ((ROOT, *env(NB_GID="5678", NB_GROUP="lab")), "uid=1000(jovyan) gid=5678(lab)", "jovyan"),
    "NB_GROUP of others": ((ROOT, *env(NB_GID="5678", NB_GROUP="sudo")), "uid=1000(jovyan) gid=5678(jovyan)", "jovyan"),
    "NB_USER": ((ROOT, *env(NB_USER="callisto")), "uid=1000(callisto) gid=100(users)", "callisto"),
    "all": ((ROOT, "--workdir=/home/callisto", *RENAMED), "uid=1234(callisto) gid=5678(callisto)", "callisto"),
    "dots": ((ROOT, *env(NB_USER="first.last@epfl")), "uid=1000(first.last@epfl) gid=100(users)", "first.last@epfl"),
    "--group-add": ((ROOT, "--group-add=4242"), "uid=1000(jovyan) gid=100(users) groups=100(users),4242", "jovyan"),
    "--user": (
        ("--user=5000", "--group-add=users"),
        "uid=5000(jovyan) gid=0(root) groups=0(root),100(users)",
        "jovyan",
    ),
    "--user with a name": (
        ("--user=5000:0", *env(NB_USER="jdoe", NB_UID="5000")),
        "uid=5000(jdoe) gid=0(root)",
        "jdoe",
    ),
    "without CAP_CHOWN": (
        (ROOT, "--cap-drop=ALL", "--cap-add=SETUID", "--cap-add=SETGID"),
        "uid=1000(jovyan)",
        "jovyan",
    ),
}


@pytest.mark.parametrize("case", USERS)
def test_user(start: Start, semester: Semester, case: str) -> None:
    options, identity, name = USERS[case]
    done = start(*options, command=WHO)
    told, names, path = done.stdout.splitlines()
    assert told.startswith(identity)
    home = f"/home/{name}" if ROOT in options else "/home/jovyan"
    assert names == f"{home} {name} {name} {name} {home}"
    assert path.split(":")[:2] == ["/opt/venv/bin", f"{home}/.local/{semester.product_name}/bin"]
    assert "WARNING" not in done.stderr or "chown" in done.stderr


@pytest.mark.parametrize("names", [("NB_UID",), ("NB_USER",), ("NB_USER", "NB_UID", "NB_GID")])
def test_root_stays_root_when_asked(start: Start, names: Sequence[str]) -> None:
    """In the image's home, which may be mounted, not in root's own."""
    variables = {name: "root" if name == "NB_USER" else "0" for name in names}
    done = start(ROOT, *env(**variables), command='id -u; echo "$HOME $PWD $USER"')
    assert done.stdout.split() == ["0", "/home/jovyan", "/home/jovyan", "root"] and done.stderr == ""


def test_read_only_root_runs_the_wanted_user(start: Start) -> None:
    places = ("--read-only", "--tmpfs=/tmp", "--tmpfs=/home/callisto:uid=1234,mode=0700")
    done = start(ROOT, *places, *env(NB_USER="callisto", NB_UID="1234"), command=WHO)
    assert done.stdout.startswith("uid=1234(callisto) gid=100(users)")
    assert "/home/callisto callisto callisto callisto /home/callisto" in done.stdout


def test_home_is_open_to_group_0_and_not_to_users(start: Start) -> None:
    done = start("--user=1010:1010", "--group-add=users", command='id; echo "$HOME"')
    assert done.stdout == "uid=1010(jovyan) gid=1010(jovyan) groups=1010(jovyan),100(users)\n/tmp/home-1010\n"
    assert "run with group 0 (-u 1010:0)" in done.stderr


def test_root_that_may_not_change_users_says_so(start: Start) -> None:
    done = start(ROOT, "--cap-drop=ALL", "--security-opt=no-new-privileges", command="id -u")
    assert done.stdout == "0\n" and done.stderr.startswith("WARNING: root may not become jovyan")


def test_no_capability_and_nothing_of_root_is_left(start: Start) -> None:
    done = start(ROOT, *RENAMED, command="grep ^Cap /proc/self/status; env")
    masks = dict(line.split(":\t") for line in done.stdout.splitlines() if line.startswith("Cap"))
    assert {masks[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    assert "/root" not in done.stdout


def test_home_of_a_new_name_has_what_the_images_home_has(start: Start) -> None:
    listing = "cd ~ && find . ! -user callisto; ls -A; stat --format %u:%g ."
    first = start(command="ls -A").stdout.split()
    *names, owner = start(ROOT, *RENAMED, "--workdir=/home/callisto", command=listing).stdout.split()
    assert names == first and owner == "1234:5678"


@pytest.mark.usefixtures("sudo")
def test_same_container_starts_again(run_container: RunContainer, tmp_path: Path) -> None:
    """Every step finds what the start before left: user, group, home, rights."""
    options = (ROOT, *RENAMED, *env(NB_GROUP="lab", GRANT_SUDO="yes"), "--workdir=/home/callisto")
    told = 'id; sudo -n id -u; pwd; wc -l </etc/passwd; grep -c "" /etc/group; ls /home; ls ~'
    container = run_container(*options, command=["bash", "-c", told], ready=False)
    outputs: list[str] = []
    for _ in range(3):
        assert container.wait_ended() == 0, container.logs()
        outputs.append(container.stdout.removeprefix("".join(outputs)))
        docker("start", container.id)
    assert outputs[0] == outputs[1] == outputs[2]
    assert outputs[0].startswith("uid=1234(callisto) gid=5678(lab) groups=5678(lab),100(users)\n0\n/home/callisto\n")


# ---- ownership and rights ------------------------------------------------------------------------------------------


def make_tree(top: Path) -> list[Path]:
    """Return a folder of root with a file in it, and a link to a file outside."""
    inner = top / "inner"
    inner.mkdir(parents=True)
    outside = top.with_name(f"{top.name}-outside")
    outside.touch()
    (top / "link").symlink_to(outside)
    return [top, inner, outside]


@pytest.mark.parametrize(
    "options, owners",
    [
        ({}, [0, 0, 0]),
        ({"CHOWN_HOME": "yes"}, [1234, 0, 0]),
        ({"CHOWN_HOME": "1", "CHOWN_HOME_OPTS": "-R"}, [1234, 1234, 0]),
    ],
)
def test_chown_home(start: Start, tmp_path: Path, options: dict[str, str], owners: list[int]) -> None:
    tree = make_tree(tmp_path / "home")
    start(ROOT, f"--volume={tree[0]}:/home/jovyan", *env(NB_UID="1234", **options))
    assert [path.stat().st_uid for path in tree] == owners


@pytest.mark.parametrize("options, owners", [("", [1234, 0, 0]), ("-R", [1234, 1234, 0])])
def test_chown_extra(start: Start, tmp_path: Path, options: str, owners: list[int]) -> None:
    trees = [make_tree(tmp_path / name) for name in ("first", "second one")]
    mounts = [f"--volume={tree[0]}:/data/{tree[0].name}" for tree in trees]
    extra = env(NB_UID="1234", CHOWN_EXTRA="/data/first, /data/second one", CHOWN_EXTRA_OPTS=options)
    start(ROOT, *mounts, *extra)
    assert [[path.stat().st_uid for path in tree] for tree in trees] == [owners, owners]


def test_mounted_folders_keep_their_owner(start: Start, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    start(ROOT, f"--volume={work}:/home/callisto/work", *env(NB_USER="callisto", NB_UID="1234"), command="touch ~/new")
    assert work.stat().st_uid == os.getuid()


@pytest.mark.usefixtures("sudo")
@pytest.mark.parametrize("name", ["jovyan", "first.last"])
def test_grant_sudo(start: Start, name: str) -> None:
    rules = f"/etc/sudoers.d/course-{name.replace('.', '_')}"
    command = f"sudo -n id -u && sudo -n python -c 'import sys; print(sys.prefix)' && sudo -n stat --format %a {rules}"
    done = start(ROOT, *env(GRANT_SUDO="yes", NB_USER=name), command=command)
    assert done.stdout.split() == ["0", "/opt/venv", "440"]


@pytest.mark.parametrize(
    "options, reason",
    [
        ((), ""),
        ((ROOT,), ""),
        ((ROOT, *env(GRANT_SUDO="no")), ""),
        (env(GRANT_SUDO="yes"), "docker run --user root"),
        ((ROOT, *env(GRANT_SUDO="yes"), "--security-opt=no-new-privileges"), "no-new-privileges"),
        ((ROOT, *env(GRANT_SUDO="yes"), "--read-only", "--tmpfs=/tmp"), "--read-only"),
    ],
)
def test_no_sudo_unless_granted(start: Start, options: tuple[str, ...], reason: str) -> None:
    done = start(*options, command="sudo -n id -u", status=1)
    assert done.stdout == "" and ("WARNING" in done.stderr) == bool(reason) and reason in done.stderr


def test_umask(start: Start, start_again: Start) -> None:
    assert start_again("umask", NB_UMASK="002").stdout == "0002\n"
    assert start(ROOT, *env(NB_UMASK="077"), command="umask; stat --format %A ~").stdout == "0077\ndrwxrwxr-x\n"


# ---- wrong settings ------------------------------------------------------------------------------------------------

WRONG = [
    *[{"NB_UID": value} for value in ("abc", "-1", "010", "2147483648", "1 2")],
    *[{"NB_GID": value} for value in ("users", "1.5")],
    *[{"NB_USER": value} for value in ("a b", "../x", "-x", "1234", "x\nroot:0", "x:0:0", "daemon", "y" * 65)],
    *[{"NB_UMASK": value} for value in ("9", "u=rwx", "00222")],
    *[{"CHOWN_EXTRA": value} for value in ("/nowhere", "etc", "/etc/passwd", "/tmp,/nowhere")],
    *[{name: "maybe"} for name in ("CHOWN_HOME", "GRANT_SUDO", "GEN_CERT", "RESTARTABLE")],
    *[
        {name: value}
        for name in ("CHOWN_HOME_OPTS", "CHOWN_EXTRA_OPTS")
        for value in ("R", "-R /etc", "-R\n/etc", "-Z9")
    ],
    {"NB_GROUP": "a:b"},
    {"JUPYTER_ENV_VARS_TO_UNSET": "A,b-c"},
]


@pytest.fixture(scope="module")
def untouched(cpu_image: str) -> Iterator[Container]:
    """Return a container in which nothing was started and nothing may change."""
    with idle(cpu_image) as container:
        yield container
        assert docker("diff", container.id).stdout == "", "a start with a wrong setting did half of its work"


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_wrong_setting_is_one_line_and_changes_nothing(untouched: Container, wrong: dict[str, str]) -> None:
    done = untouched.exec(["start.sh", "echo", "started"], environment=wrong, check=False)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and done.stdout == ""
    assert line.startswith(f"ERROR: {next(iter(wrong))}")


@pytest.mark.parametrize(
    "variables, status, words",
    [
        ({"DOCKER_STACKS_JUPYTER_CMD": "retro"}, 127, "no jupyter-retro, but lab, notebook, server"),
        ({"NOTEBOOK_ARGS": "--name='open"}, 2, "NOTEBOOK_ARGS: No closing quotation"),
        ({"JUPYTERHUB_API_TOKEN": "x", "NOTEBOOK_ARGS": "'"}, 2, "NOTEBOOK_ARGS: No closing quotation"),
    ],
)
def test_wrong_server_is_one_line(start_again: Start, variables: dict[str, str], status: int, words: str) -> None:
    done = start_again(["start-notebook.py"], status, **variables)
    (line,) = done.stderr.splitlines()
    assert line.startswith("ERROR: ") and words in line


def test_command_that_is_not_there(start: Start) -> None:
    assert start(command=["nonesuch"], status=127).stderr == "ERROR: 'nonesuch' is no command of this image\n"


def test_variables_that_need_root_are_named(start_again: Start) -> None:
    needing = {"NB_USER": "callisto", "NB_UID": "1234", "NB_GID": "5678", "CHOWN_EXTRA": "/data"}
    done = start_again("id -un", **needing, CHOWN_HOME="yes", GRANT_SUDO="yes")
    (line,) = done.stderr.splitlines()
    assert line.startswith("WARNING: ") and line.endswith("docker run --user root")
    assert all(name in line for name in (*needing, "CHOWN_HOME", "GRANT_SUDO")) and done.stdout == "jovyan\n"


# ---- hooks and messages --------------------------------------------------------------------------------------------


def write_hooks(folder: Path, **texts: str) -> Path:
    """Hooks by name: a text that starts with "#!" becomes an executable, any other one NAME.sh."""
    folder.mkdir()
    for name, text in texts.items():
        path = folder / (name if text.startswith("#!") else f"{name}.sh")
        path.write_text(text + "\n")
        path.chmod(0o755 if text.startswith("#!") else 0o644)
    return folder


def mount_hooks(moment: str, folder: Path) -> str:
    return f"--volume={folder}:{HOOKS.format(moment)}:ro"


def test_hooks(start: Start, tmp_path: Path) -> None:
    early = write_hooks(
        tmp_path / "early", a="export NB_UID=1234 EARLY=$(id -u); set -eu; shopt -s nullglob; set -- x; cd /"
    )
    late = write_hooks(
        tmp_path / "late",
        a="export ORDER=$ORDER-a LATE=$(id -u) SECRET=in-$SECRET",
        b="#!/bin/sh\necho $ORDER-b >~/ran",
        c="export ORDER=$ORDER-c; false",
        d="#!/bin/sh\nexit 3",
        e="export ORDER=$ORDER-e",
    )
    (late / "readme.txt").write_text("no hook\n")
    unset = env(JUPYTER_ENV_VARS_TO_UNSET="SECRET, OTHER", SECRET="1", OTHER="2", ORDER="0")
    command = "echo $EARLY $LATE $ORDER $(cat ~/ran) ${SECRET-gone} ${OTHER-gone} $-"
    done = start(ROOT, mount_hooks("start", early), mount_hooks("before", late), *unset, command=command)
    assert done.stdout.split()[:-1] == ["0", "1234", "0-a-c-e", "0-a-b", "gone", "gone"]
    assert not {"e", "u"} & set(done.stdout.split()[-1])
    assert [line.split(" failed ")[0] for line in done.stderr.splitlines()] == [
        f"WARNING: {HOOKS.format('before')}/{name}" for name in ("c.sh", "d")
    ]


@pytest.mark.parametrize("text", ["exit 7", "set -e; (exit 7); echo passed", "set -e; f() { (exit 7); echo on; }; f"])
def test_hook_that_exits_ends_the_start_audibly(start: Start, tmp_path: Path, text: str) -> None:
    hooks = write_hooks(tmp_path / "hooks", stop=text)
    done = start(mount_hooks("start", hooks), command="echo started", status=7)
    assert (
        done.stdout == "" and done.stderr == f"ERROR: {HOOKS.format('start')}/stop.sh ended the start with status 7\n"
    )


def test_run_hooks_alone(start_again: Start) -> None:
    start_again("mkdir /tmp/hooks && echo 'echo from $0' >/tmp/hooks/a.sh")
    assert start_again(["run-hooks.sh", "/tmp/hooks"]).stdout == "from /usr/local/bin/run-hooks.sh\n"
    assert "run-hooks.sh: /nowhere is no folder" in start_again(["run-hooks.sh", "/nowhere"], 2).stderr


def test_messages_have_levels_and_can_be_silenced(start_again: Start) -> None:
    loud = start_again("echo out", JUPYTER_DOCKER_STACKS_QUIET="", NB_UID="1")
    assert loud.stdout == "out\n"  # a pipe gets what the command says and nothing else
    levels = [line.split(": ")[0] for line in loud.stderr.splitlines()]
    assert levels[0] == "WARNING" and levels[-1] == "INFO" and "jovyan (1000:100) runs bash" in loud.stderr
    assert [line.split(": ")[0] for line in start_again(NB_UID="1").stderr.splitlines()] == ["WARNING"]
    assert start_again().stderr == ""


@pytest.mark.usefixtures("natively")
def test_start_costs_little(start_again: Start) -> None:
    """In processor time: one step follows the other, so on a machine that is not busy it is the time they take."""
    laps = start_again("TIMEFORMAT='%U %S'; for lap in {1..5}; do time start.sh true; done").stderr.splitlines()
    assert len(laps) == 5 and min(sum(map(float, lap.split())) for lap in laps) < START_SECONDS


# ---- the server ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["start.sh", "id", "-un"], ["/usr/local/bin/start.sh", "start.sh", "id", "-un"]])
def test_start_sh_as_a_command(start_again: Start, command: list[str]) -> None:
    assert start_again(command).stdout == "jovyan\n"


SERVERS: dict[str, tuple[dict[str, str], list[str], str]] = {
    "arguments alone": ({}, [], "jupyterlab"),
    "its older name": ({}, ["start-notebook.sh"], "jupyterlab"),
    "classic": ({"DOCKER_STACKS_JUPYTER_CMD": "notebook"}, ["start-notebook.py"], "notebook"),
    "no frontend": ({"DOCKER_STACKS_JUPYTER_CMD": "server"}, ["start-notebook.py"], "jupyter_server"),
    "of a hub": ({"JUPYTERHUB_API_TOKEN": "x"}, ["start-notebook.py"], "jupyterhub"),
    "of a hub, by name": ({}, ["start-singleuser.sh"], "jupyterhub"),
}


@pytest.fixture(scope="module")
def versions(settled: Container) -> dict[str, str]:
    names = [package for _, _, package in SERVERS.values()]
    code = f"import json, importlib.metadata as m; print(json.dumps({{name: m.version(name) for name in {names}}}))"
    told: dict[str, str] = json.loads(settled.exec(["python", "-c", code]).stdout)
    return told


@pytest.mark.parametrize("case", SERVERS)
def test_which_server_starts(start_again: Start, versions: dict[str, str], case: str) -> None:
    variables, command, package = SERVERS[case]
    assert start_again([*command, "--version"], **variables).stdout.strip() == versions[package]


def test_notebook_args(start_again: Start) -> None:
    arguments = "--ServerApp.custom_display_url='http://a b' --show-config-json"
    done = start_again(["start-notebook.py", "--ServerApp.quit_button=False"], NOTEBOOK_ARGS=arguments)
    server = json.loads(done.stdout)["ServerApp"]
    assert server["custom_display_url"] == "http://a b" and server["quit_button"] is False


@pytest.mark.parametrize("program", ["start-notebook.py", "start-singleuser.py"])
def test_entry_point_left_out(start: Start, tmp_path: Path, program: str) -> None:
    """As a pod's `command` does: the start interface is there all the same."""
    hooks = write_hooks(tmp_path / "hooks", a="echo as $(id -u):$HOME")
    options = (ROOT, f"--entrypoint={program}", mount_hooks("before", hooks), *env(NB_USER="callisto", NB_UID="1234"))
    assert start(*options, command=["--version"]).stdout.startswith("as 1234:/home/callisto\n")


def test_signals_reach_the_server_itself(run_container: RunContainer) -> None:
    container = run_container(ROOT, *RENAMED)
    processes = container.exec("ps -o pid=,ppid=,user=,args= -A | grep -v ' ps -o'").stdout.splitlines()
    tini, server, *others = [line.split(maxsplit=3) for line in processes]
    assert tini[0] == "1" and "/usr/bin/tini" in tini[3].split()[:2], "an emulator may stand before it"
    assert server[1:3] == ["1", "callisto"] and "jupyter-lab" in server[3], "no shell and no sudo in between"
    assert not [line for line in others if line[1] == "1"]
    assert container.stop()[1] in (0, 143)


def test_restartable_stops_between_two_servers(run_container: RunContainer) -> None:
    container = run_container(*env(RESTARTABLE="yes"), command=["--no-such-option"], ready=False)
    container.wait_until(lambda: container.stderr.count("is started again") > 1, "a second server")
    assert container.stop()[1] != 137, "docker had to kill it"


# ---- the missing compiler ------------------------------------------------------------------------------------------


def test_compiler_that_was_installed_later_is_used(start: Start, tmp_path: Path) -> None:
    mounts = []
    for name in ("gcc", "g++"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho {name} "$@"\n')
        program.chmod(0o755)
        mounts.append(f"--volume={program}:/usr/local/bin/{name}:ro")
    assert start(*mounts, command='$CC -c a.c "b c"; $CXX a.cpp; $CXX --version').stdout.splitlines() == [
        "gcc -c a.c b c",
        "g++ a.cpp",
        "g++ --version",
    ]


def test_missing_compiler_names_a_cure_without_root(start_again: Start) -> None:
    """That it is one, is in test_student.py."""
    assert 'backend="aot_eager"' in start_again("$CC x.c", 1).stderr


# ---- what is ready before the command ------------------------------------------------------------------------------

PLOT = """python -c 'import logging; logging.basicConfig(level="INFO"); import matplotlib.pyplot'"""
LISTED = "generated new fontManager"  # what matplotlib logs when it has made its list of fonts


def test_matplotlib_finds_its_list_of_fonts(start: Start) -> None:
    done = start(command=f"{PLOT}; cmp ~/.cache/matplotlib/fontlist-*.json /opt/course/matplotlib/fontlist-*.json")
    assert LISTED not in done.stderr, done.stderr
    done = start(*env(MPLCONFIGDIR="/tmp/mine"), command=f"{PLOT}; ls -A ~")
    assert LISTED in done.stderr and ".cache" not in done.stdout.split()
