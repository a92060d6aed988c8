"""What the Ansible templates say for a machine with an access code, for an open one, and for a container."""

import ast
import configparser
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from survivors import HANG

from practicum.architecture import AMD64, ARCHITECTURES, ARM64, Architecture
from practicum.semester.settings import JUPYTER_PORT

ROLES = Path(__file__).parents[1] / "ansible" / "roles"
COURSE = {"code": "EE-559", "title": "Deep Learning", "slug": "ee559", "user": "student"}


def render(template: str, access: str, product: str = "appliance") -> str:
    # Ansible trims the line break behind a block, too.
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.from_string((ROLES / template).read_text()).render(
        course=COURSE | {"access": access}, product=product
    )


def render_for(template: str, architecture: Architecture) -> str:
    """The template as the appliance of the architecture has it."""
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return environment.from_string((ROLES / "appliance/templates" / template).read_text()).render(
        course=COURSE,
        keyboard_modules=list(architecture.boot.keyboard),
        shared_folders=architecture.hardware.shared_folders,
    )


def read_settings(access: str, product: str = "appliance") -> dict[str, Any]:
    """The assignments `c.Class.trait = literal` of Jupyter's configuration."""
    tree = ast.parse(render("jupyter/templates/jupyter_server_config.py.j2", access, product))
    assignments = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    return {
        ast.unparse(node.targets[0]).removeprefix("c."): ast.literal_eval(node.value)
        for node in assignments
        if isinstance(node.value, ast.Constant | ast.List | ast.Dict)
    }


def read_unit(access: str) -> configparser.RawConfigParser:
    """jupyter.service; of a key that stands twice, the values are joined by line breaks."""

    class Joined(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:
            if key in self and isinstance(value, list):
                value = self[key] + value
            super().__setitem__(key, value)

    unit = configparser.RawConfigParser(strict=False, dict_type=Joined)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(render("appliance/templates/systemd/system/jupyter.service.j2", access))
    return unit


@pytest.mark.parametrize("access", ["code", "open"])
def test_host_check_and_fixed_port_in_either_mode(access: str) -> None:
    settings = read_settings(access)
    assert settings["ServerApp.port_retries"] == 0
    assert settings["ServerApp.contents_manager_class"] == "course_runtime.files.contents.SafeContents"
    assert settings["PasswordIdentityProvider.allow_password_change"] is False
    assert not [key for key in settings if "xsrf" in key or "allow_origin" in key]


def test_jupyterlab_listens_where_the_products_forward_to() -> None:
    """The runtime names the port once; practicum cannot import it."""
    runtime = ROLES.parents[1] / "runtime/src/course_runtime"
    assert f"\nJUPYTER_PORT = {JUPYTER_PORT}\n" in (runtime / "machine/machine.py").read_text()


def test_code_mode_never_sets_a_token_itself() -> None:
    settings = read_settings("code")
    assert "IdentityProvider.token" not in settings
    assert settings["ServerApp.allow_unauthenticated_access"] is False
    unit = read_unit("code")["Service"]
    assert unit["ExecStartPre"].endswith("/machine/service.py access check")
    assert unit["LoadCredential"] == "token:/var/lib/course/access-code"
    assert unit["Environment"].splitlines()[-1] == "JUPYTER_TOKEN_FILE=%d/token"


def test_open_mode_asks_for_nothing() -> None:
    settings = read_settings("open")
    assert settings["IdentityProvider.token"] == ""
    unit = read_unit("open")["Service"]
    assert not unit.keys() & {"ExecStartPre", "LoadCredential"} and "JUPYTER_TOKEN_FILE" not in unit["Environment"]


@pytest.mark.parametrize("product", ["cpu", "cuda"])
def test_a_container_is_as_hard_as_the_machine(product: str) -> None:
    settings, machine = read_settings("code", product), read_settings("code")
    for key in (
        "ServerApp.port_retries",
        "ServerApp.allow_unauthenticated_access",
        "ServerApp.contents_manager_class",
        "IdentityProvider.cookie_options",
        "PasswordIdentityProvider.allow_password_change",
        "MappingKernelManager.cull_idle_timeout",
        "LabApp.extension_manager",
        "LabApp.check_for_updates_class",
    ):
        assert settings[key] == machine[key]
    assert settings["ServerApp.identity_provider_class"] == "course_runtime.start.identity.CourseIdentityProvider"
    assert "IdentityProvider.token" not in settings
    assert not [key for key in settings if "xsrf" in key or "allow_origin" in key]


@pytest.mark.parametrize("product", ["appliance", "cpu"])
def test_an_error_in_the_settings_ends_the_start(product: str) -> None:
    """Jupyter logs exceptions of its settings and starts without these settings; only an exit passes."""
    tree = ast.parse(render("jupyter/templates/jupyter_server_config.py.j2", "code", product))
    (guard,) = [node for node in tree.body if isinstance(node, ast.Try)]
    assert "configure(c)" in ast.unparse(guard.body[-1])
    assert ast.unparse(guard.handlers[0]).startswith("except Exception as error:\n    raise SystemExit(")


def test_the_machines_settings_know_nothing_of_containers() -> None:
    text = render("jupyter/templates/jupyter_server_config.py.j2", "code")
    assert "course_runtime.start.container" not in text and "course_runtime.start.identity" not in text


def test_a_dead_kernel_leaves_the_server_and_a_dead_server_comes_back() -> None:
    unit = read_unit("code")["Service"]
    assert (unit["OOMPolicy"], unit["Restart"]) == ("continue", "always")


CONSOLE = ROLES / "appliance/files/etc/systemd/system/course-console.service"


def test_the_consoles_service_writes_only_what_is_there_before_it() -> None:
    """It does not start where one of these paths is missing."""
    (paths,) = re.findall(r"^ReadWritePaths=(.*)$", CONSOLE.read_text(), re.MULTILINE)
    made = (ROLES / "appliance/templates/tmpfiles.d/course.conf.j2").read_text()
    assert paths.split() == ["/run/issue.d", "/run/agetty.reload"]
    assert all(re.search(rf"^[df] {path} ", made, re.MULTILINE) for path in paths.split())


def test_the_consoles_service_is_confined() -> None:
    """By systemd's own measure, of which 10.0 is the worst."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze on this machine")
    argv = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=30", str(CONSOLE)]
    done = subprocess.run(argv, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda architecture: architecture.name)
def test_initramfs_has_the_keyboards_of_the_architecture(architecture: Architecture, tmp_path: Path) -> None:
    hook = render_for("initramfs-tools/hooks/practicum.j2", architecture)
    added = [word for line in re.findall(r"^manual_add_modules (.*)$", hook, re.MULTILINE) for word in line.split()]
    assert {"ahci", "virtio_scsi", "ext4", "squashfs", *architecture.boot.keyboard} <= set(added)
    script = tmp_path / "practicum"
    script.write_text(hook)
    script.chmod(0o755)
    asked = subprocess.run([script, "prereqs"], capture_output=True, text=True, timeout=HANG, check=True)
    assert asked.stdout == asked.stderr == "", "initramfs-tools asks each hook, and passes over one it cannot run"


def test_machine_without_the_driver_says_where_to_put_files() -> None:
    with_driver, without = (
        render_for("systemd/system/course-shared.service.j2", architecture) for architecture in (AMD64, ARM64)
    )
    assert "mount -t vboxsf" in with_driver and "scp" not in with_driver
    assert "vboxsf" not in without and "scp" in without and "JupyterLab" in without


def render_task(role: str, name: str, **variables: Any) -> list[str] | None:
    """The command of a task, by Ansible's own rules for `when` and `vars`; None where it is left out."""
    tasks = yaml.safe_load((ROLES / role / "tasks/main.yml").read_text())
    (task,) = [task for task in tasks if task["name"] == name]
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    known = {"build_mount": "/m", **variables}
    if "when" in task and not environment.compile_expression(task["when"])(**known):
        return None
    known |= {
        key: [environment.from_string(word).render(**known) for word in words]
        for key, words in task.get("vars", {}).items()
    }
    command = task.get("ansible.builtin.command") or task["ansible.builtin.shell"]
    argv = command if isinstance(command, str) else command.get("argv") or command["cmd"]
    if isinstance(argv, str) and argv.startswith("{{") and argv.endswith("}}"):  # an expression that gives a list
        return list(environment.compile_expression(argv.strip("{} "))(**known))
    if isinstance(argv, str):
        return environment.from_string(argv).render(**known).split()
    return [environment.from_string(word).render(**known) for word in argv]


def test_wheels_for_another_processor_are_installed_by_the_same_command() -> None:
    name = "Install the locked wheels and compile them"
    own, other = (render_task("wheels", name, **given) for given in ({}, {"python_platform": "aarch64-manylinux_2_36"}))
    assert own and own[:4] == ["/m/bin/uv", "pip", "install", "--python=/opt/venv"] and "--compile-bytecode" in own
    assert other == [*own, "--python-platform=aarch64-manylinux_2_36"]


@pytest.mark.parametrize(
    ("role", "given", "own", "taken"),
    [
        (
            "python",
            "given_venv",
            "Create the virtual environment",
            "Take the empty virtual environment of another processor",
        ),
        (
            "course",
            "given_lib",
            "Install the student's commands",
            "Take the student's commands, which were installed outside",
        ),
    ],
)
def test_what_uv_makes_is_taken_where_uv_cannot_run(role: str, given: str, own: str, taken: str) -> None:
    wheels = {"course_wheels": ["r.whl", "t.whl"]}
    assert render_task(role, own, **wheels) and render_task(role, taken, **wheels) is None
    assert render_task(role, own, **wheels, **{given: True}) is None
    assert "cp" in (render_task(role, taken, **wheels, **{given: True}) or [])


UPDATE = ROLES / "appliance/files/etc/systemd/system"


def test_nothing_that_a_start_needs_waits_for_content_releases() -> None:
    """The service is started by a timer alone, and the timer once JupyterLab serves; no role switches the timer on."""
    service = render("appliance/templates/systemd/system/course-update.service.j2", "code")
    timer, path = ((UPDATE / f"course-update.{kind}").read_text() for kind in ("timer", "path"))
    assert "[Install]" not in service and "[Install]" not in timer and "Unit=course-update.timer\n" in path
    assert re.findall("^OnActiveSec=(.*)$", timer, re.MULTILINE) == ["5s", "5min"]
    assert not re.search("network.*target|Before=|Wants=", service + timer + path)
    defaults = yaml.safe_load((ROLES / "appliance/defaults/main.yml").read_text())
    assert not [unit for unit in defaults["appliance_services_on"] if "update" in unit]


@pytest.mark.parametrize(
    ("product", "address", "updates", "asks"),
    [
        ("appliance", "https://example.org", True, True),
        ("appliance", "https://example.org", False, False),
        ("appliance", "", True, False),
        ("cpu", "https://example.org", True, False),
    ],
)
def test_only_a_machine_with_an_address_looks_for_content_releases(
    product: str, address: str, updates: bool, asks: bool
) -> None:
    course = {"address": address, "updates": updates}
    argv = render_task("course", "Let the machine ask for content releases by itself", product=product, course=course)
    assert argv == (["systemctl", "enable", "course-update.path"] if asks else None)


def test_service_of_content_releases_is_confined(tmp_path: Path) -> None:
    """By systemd's own measure, of which 10.0 is the worst."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze on this machine")
    unit = tmp_path / "course-update.service"
    unit.write_text(render("appliance/templates/systemd/system/course-update.service.j2", "code"))
    argv = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=30", str(unit)]
    done = subprocess.run(argv, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
