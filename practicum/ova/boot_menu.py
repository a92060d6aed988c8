"""The boot menu, which GRUB reads from the root file system: it starts the newest kernel that is complete.

A power cut may end a kernel's upgrade at any moment. So the machine keeps a list of its complete kernels, which
`course-kernels`, a program of the appliance's role, writes. Without that list the menu starts the links that
Debian's kernel package keeps. The package moves these to the new kernel before it writes the kernel's initrd.
"""

from practicum.architecture import Boot

PATIENCE = "panic=60 fsck.repair=yes udev.event_timeout=1800"
"""Kernel arguments for a boot that is slow or meets trouble.

A panic, that of the initramfs too, starts the machine again after 60 s; else the initramfs would open a shell for root.
fsck repairs what it would else ask root about, who cannot log in. A device's event may take 1800 s, ten times udev's
own limit: some machines get a tenth of a core.
"""

CHOOSE_KERNEL = """\
# The complete kernels, newest first; course-kernels keeps this list.
if test -s /boot/grub/kernels.cfg; then
    source /boot/grub/kernels.cfg
fi
for version in $kernels; do
    if test -s /boot/vmlinuz-$version -a -s /boot/initrd.img-$version; then
        if test -z "$newest"; then
            set newest=$version
        elif test -z "$previous"; then
            set previous=$version
        fi
    fi
done
if test -n "$newest"; then
    set kernel=/boot/vmlinuz-$newest
    set initrd=/boot/initrd.img-$newest
else
    set kernel=/vmlinuz
    set initrd=/initrd.img
fi
"""
"""GRUB's `test -s` follows links and tells a file that is empty or gone."""


def boot_menu(title: str, label: str, boot: Boot) -> str:
    """Return grub.cfg for the root file system named `label`; on the screen and a serial line if any.

    The entries are the system, the system with the keyboard menu, and the previous kernel where there is one.
    """
    consoles = f"console={boot.serial} console=tty0"
    arguments = f"root=LABEL={label} ro quiet {consoles} {PATIENCE} {boot.arguments}".rstrip()
    old_kernel, old_initrd = "/boot/vmlinuz-$previous", "/boot/initrd.img-$previous"
    previous = entry(f"{title} - the previous kernel", f"{old_kernel} {arguments}", old_initrd)
    parts = [
        "set timeout=1\nset default=0\n",
        CHOOSE_KERNEL,
        entry(title, f"$kernel {arguments}", "$initrd"),
        entry(f"{title} - choose the keyboard", f"$kernel {arguments} forcekbd", "$initrd"),
        f'if test -n "$previous"; then\n{previous}fi\n',
    ]
    return "\n".join(parts)


def entry(title: str, kernel: str, initrd: str) -> str:
    """Return an entry of the menu; `kernel` is a file and its arguments."""
    return f"menuentry '{quote(title)}' {{\n    linux {kernel}\n    initrd {initrd}\n}}\n"


def quote(text: str) -> str:
    """Return `text` fit to stand between GRUB's single quotes."""
    return text.replace("'", "'\\''")
