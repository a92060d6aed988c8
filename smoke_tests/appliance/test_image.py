"""The disk of the .ova as it is handed out, read without booting it: every machine made from it starts with this."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from practicum.architecture import Architecture
from practicum.semester.description import Semester
from smoke_tests.debian import KERNEL_LINKS, list_root
from smoke_tests.ext4 import FileSystem
from smoke_tests.squashfs import list_environment

# What must be made by each machine for itself, or was needed by the build only.
FORBIDDEN = (
    r"/etc/ssh/ssh_host_.*",
    r"/var/lib/course/.+",
    r"/var/lib/systemd/(random-seed|credential\.secret)",
    r".*/jupyter_cookie_secret",
    r".*/(notebook_secret|nbsignatures\.db)",
    r".*/\.(bash|python|sqlite)_history",
    r".*/\.(ipython|jupyter|ansible)",
    r".*/authorized_keys",
    r"/etc/ssl/private/.+",
    r"/etc/(passwd|shadow|group|gshadow)-",
    r"/var/lib/apt/lists/.*_(Packages|InRelease|Release)",
    r"/var/cache/apt/archives/.*\.deb",
    r"/usr/sbin/policy-rc\.d",
    r"/(tmp|var/tmp|var/crash)/.+",
    r"/(root|home/[^/]+)/\.cache/.+",
)

# Programs that lend root's rights, each from Debian's own package of that name.
SETUID = {
    "/usr/bin/chfn": "passwd",
    "/usr/bin/chsh": "passwd",
    "/usr/bin/gpasswd": "passwd",
    "/usr/bin/mount": "mount",
    "/usr/bin/newgrp": "passwd",
    "/usr/bin/passwd": "passwd",
    "/usr/bin/su": "util-linux",
    "/usr/bin/sudo": "sudo",
    "/usr/bin/umount": "mount",
    "/usr/lib/dbus-1.0/dbus-daemon-launch-helper": "dbus",
    "/usr/lib/openssh/ssh-keysign": "openssh-client",
}

DRIVERS = {"AHCI": ("ahci",), "VirtioSCSI": ("virtio_scsi",), "VMSVGA": ("vmwgfx",), "QemuRamFB": ()}
"""Modules of Debian's kernel for what the .ova asks of VirtualBox; the kernel itself has the driver of QemuRamFB."""

PRIVATE_KEY = re.compile(rb"^-----BEGIN ([A-Z]+ )?PRIVATE KEY-----", re.MULTILINE)


@pytest.fixture(scope="module")
def files(disk: Path) -> FileSystem:
    system = FileSystem(disk)
    system.entries.update(list_environment(disk, "/opt/venv"))
    return system


def find(files: FileSystem, patterns: tuple[str, ...]) -> list[str]:
    wanted = re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
    return sorted(path for path in files.entries if wanted.fullmatch(path))


def test_the_listing_sees_the_whole_disk(files: FileSystem) -> None:
    """Without this, an empty listing would pass every test below."""
    assert len(files.entries) > 20_000
    assert find(files, (r"/etc/passw.", r"/opt/venv/lib/.*/torch/__init__\.py"))
    assert files.read("/etc/passwd").startswith(b"root:x:0:0:")


def test_nothing_of_one_machine_is_in_the_image(files: FileSystem) -> None:
    assert find(files, FORBIDDEN) == []
    assert files.entries["/etc/machine-id"].size == 0
    logs = {path: entry for path, entry in files.entries.items() if path.startswith("/var/log/") and entry.is_file}
    assert [path for path, entry in logs.items() if entry.size] == []


def test_no_mount_point_of_the_build_is_left(files: FileSystem, architecture: Architecture) -> None:
    top = {path.removeprefix("/") for path in find(files, (r"/[^/]+",))}
    assert top - KERNEL_LINKS == list_root(architecture) | {"lost+found"}
    assert find(files, (r"/run/.+",)) == []


def test_no_private_key_in_any_small_file(files: FileSystem) -> None:
    places = ("/etc/", "/root/", "/home/", "/var/", "/opt/course/", "/srv/")
    suspects = [
        path
        for path, entry in files.entries.items()
        if path.startswith(places)
        and entry.is_file
        and 100 < entry.size < 10_000
        and not path.startswith("/var/lib/dpkg/")
    ]
    assert len(suspects) > 100
    assert [path for path in suspects if PRIVATE_KEY.search(files.read(path))] == []


def test_passwords_are_locked(files: FileSystem) -> None:
    fields = [line.split(":") for line in files.read("/etc/shadow").decode().splitlines()]
    assert {name: password for name, password, *_ in fields if password not in ("*", "!", "!*")} == {}


def test_rights_are_lent_by_known_programs_only(files: FileSystem) -> None:
    setuid = {path for path, entry in files.entries.items() if entry.is_file and entry.permissions & 0o4000}
    assert setuid <= SETUID.keys(), f"unknown setuid programs: {setuid - SETUID.keys()}"
    assert "/usr/bin/sudo" in setuid


def test_nobody_can_write_what_others_run(files: FileSystem) -> None:
    """World-writable is only what has the sticky bit; and the course's own files belong to root."""
    open_to_all = {
        path
        for path, entry in files.entries.items()
        if entry.permissions & 0o002 and (entry.is_file or (entry.is_folder and not entry.permissions & 0o1000))
    }
    assert open_to_all == set()
    ours = ("/opt/", "/etc/course", "/etc/jupyter", "/usr/local/")
    assert [path for path, entry in files.entries.items() if path.startswith(ours) and entry.uid != 0] == []


def test_both_boot_loaders_are_there(files: FileSystem) -> None:
    assert find(files, (r"/boot/vmlinuz-.*",)) and find(files, (r"/boot/initrd\.img-.*",))
    assert len(find(files, (r"/lib/modules/[^/]+", r"/usr/lib/modules/[^/]+"))) == 1, "modules of one kernel only"


def test_the_boot_menu_has_a_list_with_the_kernel(files: FileSystem) -> None:
    (kernel,) = find(files, (r"/boot/vmlinuz-.*",))
    listed = files.read("/boot/grub/kernels.cfg").decode()
    assert listed.rstrip() == f'set kernels="{kernel.removeprefix("/boot/vmlinuz-")}"'
    assert len(listed) == 512, "one sector"


def test_drivers_of_every_hypervisor_are_kept(files: FileSystem, architecture: Architecture) -> None:
    asked = architecture.hardware
    wanted = {"ahci", "e1000", "virtio_blk", "nvme", "zram", *DRIVERS[asked.controller], *DRIVERS[asked.graphics]}
    wanted |= {"vboxguest", "vboxsf"} if asked.shared_folders else set()
    wanted |= set(architecture.boot.keyboard) if asked.usb else set()  # the drivers of PS/2 are in the kernel itself
    paths = [path.rpartition("/")[2] for path in find(files, (r"/(usr/)?lib/modules/.*\.ko(\.xz)?",))]
    kept = {name.partition(".")[0].replace("-", "_") for name in paths}
    assert wanted <= kept, f"kernel modules are not in the image: {', '.join(sorted(wanted - kept))}"


def test_python_is_compiled(files: FileSystem) -> None:
    """On a disk the student cannot write to, Python could not do it later and imports cost three times as much."""
    modules = find(files, (r"/opt/venv/lib/python3\.\d+/site-packages/(torch|numpy|pandas|jupyterlab)/.+\.py",))
    assert len(modules) > 1000
    cache = re.compile(r"(.*)/__pycache__/(.*)\.cpython-\d+\.pyc")
    compiled = {f"{match[1]}/{match[2]}.py" for path in files.entries if (match := cache.fullmatch(path))}
    # torch's tests are written for newer Pythons too, whose syntax this one does not know.
    assert [path for path in modules if path not in compiled and "/torch/testing/_internal/" not in path] == []


def test_landing_page_names_the_torch_that_is_installed(files: FileSystem) -> None:
    installed = re.compile(r"/opt/venv/lib/python3\.\d+/site-packages/torch-([^/+]+)(\+[^/]+)?\.dist-info")
    (torch,) = [match[1] for path in files.entries if (match := installed.fullmatch(path))]
    assert f"this is PyTorch {torch} with" in files.read("/opt/course/content/index.md").decode()


def test_course_content_is_described_by_its_manifest(files: FileSystem, semester: Semester) -> None:
    told = json.loads(files.read("/opt/course/content/manifest.json"))
    named = (semester.course.code, semester.id, semester.content.release)
    assert tuple(told[key] for key in ("course", "semester", "release")) == named
    manifest = told["files"]
    assert manifest, "no course content in the image"
    for path, digest in manifest.items():
        assert hashlib.sha256(files.read(f"/opt/course/content/{path}")).hexdigest() == digest, path
    course = json.loads(files.read("/etc/course/course.json"))
    assert (course["name"], course["user"]) == (semester.product_name, semester.appliance.user)
