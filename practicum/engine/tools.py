"""The programs that a build calls: where they are, and which Debian package brings each."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from practicum.engine.errors import MissingTool

PACKAGES = {
    "apt-get": "apt",
    "arch-test": "arch-test",
    "bash": "bash",
    "debugfs": "e2fsprogs",
    "docker": "docker.io",
    "dpkg-deb": "dpkg",
    "dumpe2fs": "e2fsprogs",
    "dockerd": "docker.io",
    "e2fsck": "e2fsprogs",
    "git": "git",
    "grub-mkimage": "grub-common",
    "ip": "iproute2",
    "make": "make",
    "mcopy": "mtools",
    "mke2fs": "e2fsprogs",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.vfat": "dosfstools",
    "mksquashfs": "squashfs-tools",
    "mmd": "mtools",
    "mmdebstrap": "mmdebstrap",
    "packer": "packer",
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
    "sfdisk": "fdisk",
    "shellcheck": "shellcheck",
    "skopeo": "skopeo",
    "ssh-keygen": "openssh-client",
    "tar": "tar",
    "tune2fs": "e2fsprogs",
    "unshare": "util-linux",
    "unsquashfs": "squashfs-tools",
    "zstd": "zstd",
}
"""The Debian package that brings each program."""

VERSION_FLAGS = {"mksquashfs": "-version"}
"""How a program is asked for its version, where it is not by --version."""

FILES = {
    "/usr/lib/grub/i386-pc/modinfo.sh": "grub-pc-bin",
    "/usr/lib/grub/x86_64-efi/modinfo.sh": "grub-efi-amd64-bin",
    "/usr/share/OVMF/OVMF_CODE.fd": "ovmf",
}
"""Required files that are no programs, named by their absolute path on Debian, and their package."""


def require(*tools: str) -> None:
    """Raise one PracticumError naming every absent tool (or absolute path) and the command that installs them."""
    absent = [tool for tool in tools if not find(tool)]
    if not absent:
        return
    packages = sorted({PACKAGES.get(tool) or FILES.get(tool) or tool for tool in absent})
    raise MissingTool("missing", ", ".join(absent), f"install with: apt-get install {' '.join(packages)}")


def find(tool: str) -> str | None:
    """Return the path of a program, or of a file given by its absolute path; None when it is absent."""
    if tool.startswith("/"):
        return tool if Path(tool).exists() else None
    return shutil.which(tool, path=search_path())


def version_argv(tool: str) -> list[str]:
    """Return the command that prints the version of a program."""
    flag = "-V" if PACKAGES.get(tool) == "e2fsprogs" else VERSION_FLAGS.get(tool, "--version")
    return [tool, flag]


def search_path(env: Mapping[str, str] | None = None) -> str:
    """Return a PATH with our own environment's programs (ansible-playbook, uv) and root's, whatever started us."""
    inherited = (env or {}).get("PATH") or os.environ.get("PATH", os.defpath)
    return os.pathsep.join([os.path.dirname(sys.executable), inherited, "/usr/sbin", "/sbin"])  # noqa: PTH120
