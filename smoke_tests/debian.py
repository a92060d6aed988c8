"""What a plain Debian has in its root folder and in /run: anything else there was left by the build."""

from __future__ import annotations

ROOT_FOLDER = {
    *("bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc"),
    *("root", "run", "sbin", "srv", "sys", "tmp", "usr", "var"),
}
KERNEL_LINKS = {"initrd.img", "initrd.img.old", "vmlinuz", "vmlinuz.old"}
"""Made by Debian's kernel package."""

RUN = {"lock"}
