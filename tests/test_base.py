"""practicum.recipes.base: the command that makes the root, where it works, and what its trim list keeps."""

import hashlib
import json
import os
import tarfile
from pathlib import Path

import pytest
from trim_rules import TRIM, is_unpacked

from practicum.architecture import AMD64, ARCHITECTURES, ARM64, Architecture
from practicum.engine import run
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.images import docker
from practicum.images import root as base

EPOCH = 1_767_225_600
DESCRIBED = "Package: apt\nPriority: required\n\nPackage: b\nPriority: optional\n"


def make_plan(trim: Path = TRIM, architecture: Architecture = AMD64) -> base.Root:
    return base.Root("bookworm", trim, EPOCH, architecture.name, architecture.variant)


def test_command_names_no_mirror_and_writes_one_file() -> None:
    argv = base.mmdebstrap_argv(make_plan(Path("/a/trim.cfg")), Path("/b"))
    assert argv[0] == "mmdebstrap" and argv[-2:] == ["bookworm", "/b/base.tar"]
    assert {"--mode=root", "--variant=minbase", "--dpkgopt=/a/trim.cfg"} < set(argv)
    assert not [word for word in argv if "://" in word]
    assert f"--include={','.join(base.PACKAGES)}" in argv and "python3" in base.PACKAGES
    assert not [word for word in argv if word.startswith("--arch")], "mmdebstrap takes this machine's"
    assert "--architectures=arm64" in base.mmdebstrap_argv(make_plan(architecture=ARM64), Path("/b"), foreign=True)


def test_build_without_a_network_names_the_given_packages_alone(tmp_path: Path) -> None:
    argv = base.mmdebstrap_argv(make_plan(), tmp_path, Path("/cache/inputs/1/debs/base"))
    assert [word for word in argv if "://" in word] == ["deb [trusted=yes] copy:///cache/inputs/1/debs/base ./"]
    assert f"--customize-hook=upload {tmp_path}/sources.list /etc/apt/sources.list" in argv


class Tools:
    """Stands in for mmdebstrap and docker: notes how they are called, and writes the root's archive."""

    def __init__(self, failing: str = "") -> None:
        self.failing = failing
        self.calls: list[tuple[list[str], dict[str, object]]] = []

    def __call__(self, argv: list[str], **options: object) -> None:
        self.calls.append((argv, options))
        if argv[0] == self.failing:
            raise PracticumError("base", f"{argv[0]} ended with exit code 1")
        if argv[0] == "mmdebstrap":
            tar = next(Path(word) for word in argv if word.endswith("base.tar"))
            tar.write_bytes(b"root")
            tar.with_name("described").write_text(DESCRIBED)


def test_build_imports_the_root_and_leaves_no_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Tools()
    monkeypatch.setattr(base, "run", tools)
    monkeypatch.setattr(base, "is_foreign", lambda architecture: False)
    base.make_root(make_plan(), "practicum-base:1", tmp_path, Console(plain=True))
    (made, options), (imported, _) = tools.calls
    assert made == base.mmdebstrap_argv(make_plan(), tmp_path)
    assert imported == ["docker", "import", os.fspath(tmp_path / "base.tar"), "practicum-base:1"]
    assert {path.name for path in tmp_path.iterdir()} == {"debs", "priorities.txt"}
    assert (tmp_path / "priorities.txt").read_text() == "apt=required\nb=optional\n"
    assert options["env"] == {"SOURCE_DATE_EPOCH": str(EPOCH)}
    # Killed, mmdebstrap leaves a third of a gigabyte there: it must be swept with the work folder.
    assert options["tmp"] == tmp_path


def test_failure_of_mmdebstrap_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Tools(failing="mmdebstrap")
    monkeypatch.setattr(base, "run", tools)
    with pytest.raises(PracticumError, match="mmdebstrap ended"):
        base.make_root(make_plan(), "practicum-base:1", tmp_path, Console(plain=True))
    assert len(tools.calls) == 1


def test_root_of_another_architecture_is_loaded_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Tools()
    monkeypatch.setattr(base, "run", tools)
    monkeypatch.setattr(base, "is_foreign", lambda architecture: architecture == ARM64.name)
    base.make_root(make_plan(architecture=ARM64), "practicum-base-arm64:1", tmp_path, Console(plain=True))
    (made, _), (loaded, _) = tools.calls
    assert "--architectures=arm64" in made
    assert loaded == ["docker", "load", f"--input={tmp_path}/image.tar"]
    assert {path.name for path in tmp_path.iterdir()} == {"debs", "priorities.txt"}


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda architecture: architecture.name)
def test_docker_knows_the_architecture_of_what_it_loads(architecture: Architecture, tmp_path: Path) -> None:
    """The real docker, and a root of one file: nothing of it runs."""
    try:
        docker.ensure_docker()
    except PracticumError as error:
        pytest.skip(str(error))
    (tmp_path / "file").write_text("text")
    with tarfile.open(tmp_path / "layer.tar", "w") as layer:
        layer.add(tmp_path / "file", "file")
    tag = f"practicum-test-{os.getpid()}:{architecture.name}"
    plan = make_plan(architecture=architecture)
    base.write_docker_archive(tmp_path / "layer.tar", tmp_path / "image.tar", tag, plan)
    run.read(["docker", "load", f"--input={tmp_path}/image.tar"], step="test")
    try:
        told = run.read(["docker", "image", "inspect", tag], step="test")
        (image,) = json.loads(told)
        known = (image["Os"], image["Architecture"], image.get("Variant", ""))
        assert known == ("linux", architecture.name, architecture.variant)
        digest = hashlib.sha256((tmp_path / "layer.tar").read_bytes()).hexdigest()
        assert image["RootFS"]["Layers"] == [f"sha256:{digest}"]
    finally:
        run.read(["docker", "image", "rm", tag], step="test")


def test_native_is_what_dpkg_says() -> None:
    native = run.read(["dpkg", "--print-architecture"], step="test").strip()
    assert not base.is_foreign(native)
    assert all(base.is_foreign(other.name) for other in ARCHITECTURES if other.name != native)


# ---- the trim list -------------------------------------------------------------------------------------------------


MODULES = "/lib/modules/6.1.0-50-amd64/kernel"


@pytest.mark.parametrize(
    "path",
    [
        "/usr/share/doc/bash/copyright",
        "/usr/bin/python3.11",
        "/usr/share/zoneinfo/Europe/Zurich",
        "/usr/share/keymaps/i386/qwertz/fr_CH.kmap.gz",
        *(f"{MODULES}/drivers/ata/{name}.ko" for name in ("ahci", "libahci", "libata", "ata_piix", "ata_generic")),
        *(f"{MODULES}/drivers/scsi/{name}.ko" for name in ("scsi_mod", "sd_mod", "virtio_scsi", "hv_storvsc")),
        *(f"{MODULES}/drivers/message/fusion/{name}.ko" for name in ("mptspi", "mptsas")),
        *(f"{MODULES}/drivers/net/ethernet/intel/{name}.ko" for name in ("e1000/e1000", "e1000e/e1000e")),
        f"{MODULES}/drivers/net/ethernet/amd/pcnet32.ko",
        f"{MODULES}/drivers/net/virtio_net.ko",
        f"{MODULES}/drivers/gpu/drm/vmwgfx/vmwgfx.ko",
        f"{MODULES}/drivers/block/zram/zram.ko",
        f"{MODULES}/drivers/virt/vboxguest/vboxguest.ko",
        f"{MODULES}/drivers/hid/usbhid/usbhid.ko",
        f"{MODULES}/drivers/input/serio/i8042.ko",
        *(f"{MODULES}/fs/{name}.ko" for name in ("ext4/ext4", "squashfs/squashfs", "vboxsf/vboxsf", "fat/vfat")),
    ],
)
def test_trim_list_keeps_what_a_machine_needs(path: str) -> None:
    assert is_unpacked(path)


@pytest.mark.parametrize(
    "path",
    [
        "/usr/share/doc/bash/README",
        "/usr/share/man/man1/bash.1.gz",
        "/usr/share/locale/fr/LC_MESSAGES/bash.mo",
        "/lib/firmware/regulatory.db",
        *(f"{MODULES}/{name}.ko" for name in ("sound/soundcore", "net/wireless/cfg80211", "fs/ocfs2/ocfs2")),
        f"{MODULES}/drivers/gpu/drm/amd/amdgpu/amdgpu.ko",
        f"{MODULES}/drivers/net/wireless/ath/ath.ko",
        f"{MODULES}/drivers/scsi/qla2xxx/qla2xxx.ko",
        *(
            f"{MODULES}/{name}.ko"
            for name in ("drivers/scsi/hpsa", "drivers/md/raid456", "net/sctp/sctp", "fs/xfs/xfs")
        ),
        "/lib/udev/hwdb.d/20-OUI.hwdb",
    ],
)
def test_trim_list_leaves_out_what_none_has(path: str) -> None:
    assert not is_unpacked(path)


def test_trim_list_gives_a_reason_for_each_group() -> None:
    """And has no line that dpkg would not understand: it stops at the first."""
    for group in TRIM.read_text().strip().split("\n\n"):
        first, *others = group.splitlines()
        assert first.startswith("# "), group
        for line in others:
            assert line.startswith(("#", "path-exclude=/", "path-include=/")), line
