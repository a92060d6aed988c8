"""practicum.ova.boot_menu: which files the entries of the menu start."""

import re
from pathlib import Path

import pytest
from grub_script import check_grub_script

from practicum.architecture import AMD64, ARCHITECTURES, Architecture
from practicum.ova import disk
from practicum.ova.boot_menu import boot_menu, quote

ENTRY = re.compile(r"^menuentry '(.*)' \{\n    linux (.*)\n    initrd (.*)\n\}$", re.MULTILINE)
TITLE = "EE-559 Deep Learning"


@pytest.mark.parametrize(
    ("text", "quoted"), [("plain", "plain"), ("L'été", r"L'\''été"), ("'", r"'\''"), ('a "b" $c', 'a "b" $c')]
)
def test_quote_ends_and_reopens_the_string(text: str, quoted: str) -> None:
    assert quote(text) == quoted


@pytest.mark.parametrize("title", [TITLE, "L'intro à {l'IA}; $HOME `x` \\ \"q\" #1 & more"])
def test_menu_is_a_script_grub_reads(tmp_path: Path, title: str) -> None:
    menu = boot_menu(title, disk.LABEL, AMD64.boot)
    check_grub_script(menu, tmp_path)
    assert [name for name, _, _ in ENTRY.findall(menu)] == [
        quote(title),
        quote(f"{title} - choose the keyboard"),
        quote(f"{title} - the previous kernel"),
    ]


def test_entries_differ_in_kernel_and_keyboard_alone() -> None:
    menu = boot_menu(TITLE, disk.LABEL, AMD64.boot)
    entries = [(*kernel.split(maxsplit=1), initrd) for _, kernel, initrd in ENTRY.findall(menu)]
    arguments = entries[0][1]
    assert entries == [
        ("$kernel", arguments, "$initrd"),
        ("$kernel", f"{arguments} forcekbd", "$initrd"),
        ("/boot/vmlinuz-$previous", arguments, "/boot/initrd.img-$previous"),
    ]
    assert f"root=LABEL={disk.LABEL}" in arguments.split()


def test_newest_whole_kernel_starts_after_a_second() -> None:
    menu = boot_menu(TITLE, disk.LABEL, AMD64.boot)
    assert "set timeout=1\n" in menu and "set default=0\n" in menu
    assert "if test -s /boot/vmlinuz-$version -a -s /boot/initrd.img-$version; then\n" in menu
    assert menu.index("source /boot/grub/kernels.cfg\n") < menu.index("for version in $kernels; do\n")
    assert menu.index("set initrd=/boot/initrd.img-$newest\n") < menu.index("menuentry ")


def test_without_a_list_the_links_start() -> None:
    menu = boot_menu(TITLE, disk.LABEL, AMD64.boot)
    assert "else\n    set kernel=/vmlinuz\n    set initrd=/initrd.img\nfi\n" in menu


def test_previous_kernel_has_an_entry_only_where_there_is_one() -> None:
    menu = boot_menu(TITLE, disk.LABEL, AMD64.boot)
    last = menu[menu.rindex("\nif ") + 1 :]
    assert last.startswith('if test -n "$previous"; then\nmenuentry ') and last.endswith("}\nfi\n")


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda architecture: architecture.name)
def test_kernel_speaks_on_the_serial_line_of_the_architecture_and_on_the_screen(architecture: Architecture) -> None:
    for _, kernel, _ in ENTRY.findall(boot_menu(TITLE, disk.LABEL, architecture.boot)):
        arguments = kernel.split()
        consoles = [word for word in arguments if word.startswith("console=")]
        assert consoles == [f"console={architecture.boot.serial}", "console=tty0"], "the last is /dev/console"
        assert set(architecture.boot.arguments.split()) <= set(arguments)
