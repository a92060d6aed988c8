"""practicum.images: what Packer and docker are told, and containers that end with their builder."""

import json
import re
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from docker_clients import list_clients, name_client, path_with
from survivors import is_free

from practicum.engine import tools
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.images import docker, packer
from practicum.images.packer import Play, Step

ROOT = Path(__file__).parent.parent
PACKER = ROOT / "packer"
ANSIBLE = ROOT / "ansible/ansible.cfg"
PLAY = Play(ROOT, "appliance", ("jupyter", "appliance"))
STEP = Step(PLAY, "practicum-base:aa", "practicum-appliance:bb", {"product": "appliance"})


def give(step: Step) -> dict[str, Any]:
    """What Packer is given for a step, by the names of its variables."""
    return packer.packer_variables(step, Path("/w/alive"), Path("/w/vars.json"), Path("/w/roles"))


def read_templates() -> str:
    return "".join(path.read_text() for path in sorted(PACKER.glob("*.pkr.hcl")))


# ---- Packer --------------------------------------------------------------------------------------------------------


def test_packer_is_given_the_variables_it_declares_and_no_other() -> None:
    declared = set(re.findall(r'^variable "(\w+)"', read_templates(), re.MULTILINE))
    given = give(STEP)
    assert set(given) == declared
    assert declared == set(re.findall(r"\bvar\.(\w+)", read_templates())), "declared, but used by nothing"


def test_packer_variables_have_the_declared_types() -> None:
    given = give(STEP)
    kinds = {"string": str, "list(string)": list, "map(string)": dict}
    for name, kind in re.findall(r'^variable "(\w+)" {\n +type += (\S+)$', read_templates(), re.MULTILINE):
        assert isinstance(given.pop(name), kinds[kind]), name
    assert not given


def test_packer_variables_name_folders_by_their_place_in_the_container() -> None:
    step = Step(
        Play(ROOT, "course", ("course",)),
        "b:1",
        "registry.example:5000/made:2",
        {},
        {"wheels": Path("/host/wheels")},
        ("USER 1000",),
    )
    given = give(step)
    assert given["mounts"] == {"/run/practicum/wheels": "/host/wheels", "/run/practicum/roles": "/w/roles"}
    assert (given["repository"], given["tag"]) == ("registry.example:5000/made", "2")
    assert given["changes"] == ["USER 1000"] and given["alive"] == "/w/alive"


def network_of(step: Step) -> object:
    return give(step)["network"]


def test_only_a_step_that_installs_from_the_mirror_has_a_network() -> None:
    plain = Step(PLAY, "b:1", "made:2", {})
    installing = replace(plain, archives=Path("/w/debs"))
    offline = replace(installing, given=Path("/cache/inputs/1/debs/system"))
    assert [network_of(step) for step in (plain, installing, offline)] == ["none", "bridge", "none"]
    given = give(offline)
    assert given["mounts"]["/run/practicum/debs"] == "/cache/inputs/1/debs/system" and given["archives"] == "/w/debs"
    assert packer.role_variables(offline)["apt_config"] == "/run/practicum/debs/apt.conf"
    assert "apt_config" not in packer.role_variables(installing)


def test_packer_argv_reads_a_folder_with_one_variable_file() -> None:
    argv = packer.packer_argv(Path("/r/packer"), Path("/w/p.json"))
    assert argv == ["packer", "build", "-color=false", "-var-file=/w/p.json", "/r/packer"]


def test_build_containers_wait_for_the_lock_and_are_removed() -> None:
    """Packer's and ours alike: `--rm`, one process that waits for the host file, and no port."""
    assert '"--rm"' in read_templates() and '"/usr/bin/flock", "--shared", "/run/alive"' in read_templates()
    assert "--publish" not in read_templates()
    argv = docker.container_argv("image:1", Path("/w/alive"), "none")
    assert {"--rm", "/w/alive:/run/alive:ro"} < set(argv) and "--publish" not in argv
    assert argv[argv.index("--network") + 1] == "none"
    assert argv[argv.index("image:1") :] == ["image:1", "--shared", "/run/alive", "/bin/true"]


def test_all_that_a_build_container_is_lent_lies_on_its_tmpfs() -> None:
    """docker makes a mount point for each mount, and whatever is not on a tmpfs stays in the image."""
    templates = read_templates()
    assert '"--tmpfs", "/run"' in templates
    places = re.findall(r'container_dir += "(.+)"', templates) + re.findall(r"}:(/.+?):ro", templates)
    assert len(places) == 2, "Packer's own folder, and the lock"
    for place in (*places, packer.MOUNT, re.findall(r"^remote_tmp = (.+)$", ANSIBLE.read_text(), re.MULTILINE)[0]):
        assert place.startswith("/run/"), place


class FakePacker:
    """Notes how Packer is called; the image is there afterwards, or not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, makes_image: bool) -> None:
        self.argv: list[str] = []
        self.options: dict[str, object] = {}
        self.locked = False
        monkeypatch.setattr(packer, "run", self)
        monkeypatch.setattr(packer, "image_exists", lambda tag: makes_image)

    def __call__(self, argv: list[str], **options: object) -> None:
        self.argv, self.options = argv, options
        given = json.loads(Path(argv[3].removeprefix("-var-file=")).read_text())
        self.locked = not is_free(Path(given["alive"]))
        checkout = Path(argv[-1]).parent
        self.seen = {str(path.relative_to(checkout)) for path in checkout.glob("ansible/*/*")}
        assert json.loads(Path(given["ansible_vars"]).read_text()) == {
            "product": "appliance",
            "build_mount": "/run/practicum",
            "epoch": 0,
        }


def test_build_image_holds_the_lock_while_packer_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePacker(monkeypatch, makes_image=True)
    packer.build_image(STEP, tmp_path, Console(plain=True))
    assert fake.locked and is_free(tmp_path / "alive")
    assert fake.argv[-1] == str(tmp_path / "checkout/packer") and fake.options["log"] == tmp_path / "appliance.log"


def test_packer_sees_what_the_play_declares_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePacker(monkeypatch, makes_image=True)
    packer.build_image(STEP, tmp_path, Console(plain=True))
    assert fake.seen == {"ansible/roles/jupyter", "ansible/roles/appliance"}
    assert not (tmp_path / "checkout").exists()


def test_droppings_of_packer_and_ansible_fall_into_the_work_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakePacker(monkeypatch, makes_image=True)
    packer.build_image(STEP, tmp_path, Console(plain=True))
    environment = fake.options["env"]
    assert isinstance(environment, dict) and environment["CHECKPOINT_DISABLE"] == "1"
    assert fake.options["tmp"] == fake.options["cwd"] == tmp_path / "scratch"
    for name in ("PACKER_CACHE_DIR", "PACKER_CONFIG_DIR", "ANSIBLE_HOME"):
        assert Path(environment[name]).is_relative_to(tmp_path) and Path(environment[name]).is_dir()


def test_packer_that_leaves_no_image_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakePacker(monkeypatch, makes_image=False)
    with pytest.raises(PracticumError, match=rf"left no image {STEP.tag} \(log: {tmp_path}/appliance\.log\)$"):
        packer.build_image(STEP, tmp_path, Console(plain=True))


def test_progress_shows_the_tasks_alone(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(plain=True)
    for line in (
        "    docker.root: TASK [system : Install the Debian packages] ****",
        "    docker.root: ok: [default]",
        "==> docker.root: Provisioning with Ansible...",
    ):
        packer.report_task(line, console)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1 and told[0].endswith("] system : Install the Debian packages")


# ---- docker --------------------------------------------------------------------------------------------------------


def test_container_ends_even_when_what_was_done_in_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []

    def answer(argv: Sequence[str], **_options: object) -> str:
        asked.append(argv)
        if argv[1] == "exec":
            raise PracticumError("asking image:1", "no such program")
        return "c0ffee\n"

    monkeypatch.setattr(docker, "read", answer)
    with pytest.raises(PracticumError, match="no such program"):
        docker.ask_image("image:1", {"a.txt": ["dpkg-query", "--show"]}, tmp_path)
    assert [argv[1] for argv in asked] == ["run", "exec", "kill"]
    assert asked[1] == ["docker", "exec", "c0ffee", "dpkg-query", "--show"] and asked[2][-1] == "c0ffee"


def test_answers_are_named_as_the_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "read", lambda argv, **_: "c0ffee\n" if argv[1] == "run" else " ".join(argv[3:]))
    assert docker.ask_image("i:1", {"a": ["x", "1"], "b": ["y"]}, tmp_path) == {"a": "x 1", "b": "y"}


@pytest.mark.parametrize("client", list_clients(), ids=name_client)
@pytest.mark.parametrize("left", ["a dead socket", "no socket"])
def test_docker_that_does_not_answer_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Path, left: str
) -> None:
    """Whatever docker's client: its own words, then the cure. A daemon that crashed leaves its socket behind."""
    path = tmp_path / "docker.sock"
    if left == "a dead socket":
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    monkeypatch.setenv("PATH", path_with(client))
    assert tools.find("docker") == str(client)
    with pytest.raises(PracticumError) as caught:
        docker.ensure_docker()
    message = str(caught.value)
    assert message.startswith("docker: not reachable (") and message.endswith("; start it with: make docker-daemon")
    assert "Cannot connect to the Docker daemon" in message and "\n" not in message


def test_missing_docker_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("practicum.engine.tools.search_path", lambda env=None: str(tmp_path))
    with pytest.raises(PracticumError, match=r"^missing: docker.*; install with: apt-get install .*docker\.io"):
        docker.ensure_docker()
