"""What a plain Debian has in its root folder and in /run: anything else there was left by the build."""

from __future__ import annotations

from practicum.architecture import AMD64, ARM64, Architecture

LOADER = {AMD64: {"lib64"}, ARM64: set[str]()}
"""The folder of the loader of programs, where the architecture's ABI names another than /lib."""


def list_root(architecture: Architecture) -> set[str]:
    """Return the names in the root folder."""
    return LOADER[architecture] | {
        *("bin", "boot", "dev", "etc", "home", "lib", "media", "mnt", "opt", "proc"),
        *("root", "run", "sbin", "srv", "sys", "tmp", "usr", "var"),
    }


KERNEL_LINKS = {"initrd.img", "initrd.img.old", "vmlinuz", "vmlinuz.old"}
"""Made by Debian's kernel package."""

RUN = {"lock"}
