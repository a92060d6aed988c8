"""The trim list against the files of Debian's own packages: both releases, both architectures.

What is known of them stays in the cache, so a second run downloads only what has changed since.
"""

import functools
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from itertools import product

import pytest
from trim_rules import Files, Release, is_unpacked, name_module, read_rules

from practicum.architecture import ARCHITECTURES, Architecture, find_architecture
from practicum.engine import cache

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
SUITES = ("bookworm", "trixie")
PRODUCTS = [*product(SUITES, (architecture.name for architecture in ARCHITECTURES))]

NEEDED = (
    *("ahci", "sd_mod", "sr_mod", "nvme", "virtio_blk", "virtio_scsi", "mptspi", "mptsas", "hv_storvsc"),
    *("ext4", "squashfs", "overlay", "vfat", "isofs", "dm_mod", "zram"),
    *("e1000", "e1000e", "virtio_net", "usbhid", "hid_generic", "xhci_pci", "virtio_gpu"),
)
"""Modules without which a machine does not boot, or misses its disk, network, keyboard, window or swap."""

NEEDED_ON = {
    "amd64": (
        *("ata_piix", "ata_generic", "vmw_pvscsi", "pcnet32", "vmxnet3", "crc32c_intel"),
        *("vmwgfx", "vboxvideo", "vboxguest", "vboxsf"),
    ),
    "arm64": (),
}

LEFT_OUT = ("/lib/firmware/", "/lib/linux-image-", "/kernel/sound/", "/kernel/net/wireless/", "/kernel/drivers/media/")

Lists = Callable[[str, str], dict[str, Files]]


@pytest.fixture(scope="module")
def lists() -> Iterator[Lists]:
    """The files of the packages of a release for an architecture."""

    @functools.cache
    def read_lists(suite: str, architecture: str) -> dict[str, Files]:
        folder = cache.root() / "trim" / f"{suite}-{architecture}"
        return Release(suite, find_architecture(architecture), folder).list_files()

    with cache.lock("trim", "listing the files of packages", wait=cache.patient):
        yield read_lists


@pytest.mark.parametrize(("suite", "architecture"), PRODUCTS)
def test_machine_keeps_the_modules_it_needs(suite: str, architecture: str, lists: Lists) -> None:
    """With all that they need themselves. What is no module at all is inside the kernel."""
    files = lists(suite, architecture)["kernel"]
    modules = {name_module(path): path for path in files if ".ko" in path}
    wanted = [*NEEDED, *NEEDED_ON[architecture]]
    assert not [name for name in wanted if name not in modules]
    for name in wanted:  # grows while it is walked
        wanted += [other for other in files[modules[name]] if other not in wanted]
    assert not [modules[name] for name in wanted if not is_unpacked(modules[name])]


@pytest.mark.parametrize(("suite", "architecture"), PRODUCTS)
def test_nothing_is_kept_for_hardware_that_no_machine_has(suite: str, architecture: str, lists: Lists) -> None:
    paths = [path for files in lists(suite, architecture).values() for path in files]
    assert any("/lib/firmware/" in path for path in paths), "no package with firmware: this test proves nothing"
    kept = [path for path in paths if any(name in path for name in LEFT_OUT) and is_unpacked(path)]
    assert not kept


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda architecture: architecture.name)
def test_releases_keep_as_many_files_of_their_kernels(architecture: Architecture, lists: Lists) -> None:
    """A list that knows where only one of them has its modules keeps thousands of the other."""
    counts = [sum(map(is_unpacked, lists(suite, architecture.name)["kernel"])) for suite in SUITES]
    assert max(counts) < 1.2 * min(counts), dict(zip(SUITES, counts, strict=True))


def test_each_rule_matches_a_file_of_some_release(lists: Lists) -> None:
    """Of those that name files of the kernel, or of another package that is read here."""
    found = {path for chosen in PRODUCTS for files in lists(*chosen).values() for path in files}
    useless = [
        pattern
        for _, pattern in read_rules()
        if not pattern.startswith("/usr/share/") and not any(fnmatchcase(path, pattern) for path in found)
    ]
    assert not useless
