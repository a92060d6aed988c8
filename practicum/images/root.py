"""A minimal Debian as a docker image, made by mmdebstrap."""

import hashlib
import io
import json
import os
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

from practicum.engine.progress import Console
from practicum.engine.run import read, run
from practicum.images.debs import RELEASED, mirror_line

PACKAGES = ("ca-certificates", "python3", "python3-apt")
"""What Ansible and its apt module need to start work in a container, and the network to be trusted."""

SOURCES = "/etc/apt/sources.list"

PRIORITIES = "priorities.txt"
"""What the archive says of each package, name=priority. The package itself may say otherwise, and mmdebstrap installs
those whose priority is required."""

_DESCRIBE = 'dpkg-query --show --showformat="\\${Package}\\n" | xargs apt-cache show --no-all-versions'


@dataclass(frozen=True)
class Root:
    """What a root file system is made from.

    suite: Debian's name of the release. trim: the settings of dpkg. epoch: seconds since 1970, which no file is younger
    than. architecture: in Debian's words. variant: of the architecture, in docker's words, "" for none.
    """

    suite: str
    trim: Path
    epoch: int
    architecture: str
    variant: str


def mmdebstrap_argv(root: Root, out: Path, given: Path | None = None, *, foreign: bool = False) -> list[str]:
    """Return the command that writes the root to base.tar, in the folder `out`, and the packages to debs/.

    given: a folder with the packages and apt's index of them, which then has a sources.list for the root, too. Without
    it no mirror is named: mmdebstrap takes Debian's own, with updates and security, and their list comes out, too.
    foreign: whether the architecture is not that of this machine.
    """
    list_of_sources = out / "sources.list"
    hook = f"upload {list_of_sources} {SOURCES}" if given else f"download {SOURCES} {list_of_sources}"
    return [
        "mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}",
        *([f"--architectures={root.architecture}"] if foreign else []),
        f"--dpkgopt={os.fspath(root.trim)}", "--skip=essential/unlink", f"--customize-hook={hook}",
        f"--customize-hook=sync-out /var/cache/apt/archives {out / 'debs'}",
        f"--customize-hook=chroot \"$1\" sh -c '{_DESCRIBE}' >'{out / 'described'}'",
        root.suite, os.fspath(out / "base.tar"), *([mirror_line(given, "copy")] if given else []),
    ]  # fmt: skip


def make_root(root: Root, tag: str, out: Path, console: Console, given: Path | None = None) -> None:
    """Make the image `tag`; leave its packages and the list of their sources in the folder `out`.

    given: as of mmdebstrap_argv. The programs of a foreign architecture run in an emulator that binfmt_misc names.
    """
    log, foreign = out / "base.log", is_foreign(root.architecture)
    (out / "debs").mkdir()
    if given:
        (out / "sources.list").write_text((given / RELEASED).read_text())
    # The root grows where the next build sweeps: a killed mmdebstrap leaves it behind.
    run(
        mmdebstrap_argv(root, out, given, foreign=foreign), step="base", log=log, tmp=out, on_line=console.say,
        env={"SOURCE_DATE_EPOCH": str(root.epoch)},
    )  # fmt: skip
    if foreign:
        # `docker import --platform` says nothing and makes an image of this machine's architecture (docker 20.10).
        write_docker_archive(out / "base.tar", out / "image.tar", tag, root)
        run(["docker", "load", f"--input={out / 'image.tar'}"], step="base", log=log)
        (out / "image.tar").unlink()
    else:
        run(["docker", "import", os.fspath(out / "base.tar"), tag], step="base", log=log)
    (out / "base.tar").unlink()
    priorities = find_priorities((out / "described").read_text())
    (out / PRIORITIES).write_text("".join(f"{name}={priority}\n" for name, priority in sorted(priorities.items())))
    (out / "described").unlink()


def find_priorities(described: str) -> dict[str, str]:
    """Return the priority of each package, by what `apt-cache show` printed."""
    return dict(re.findall(r"(?ms)^Package: (\S+)$.*?^Priority: (\S+)$", described))


def is_foreign(architecture: str) -> bool:
    """Whether `architecture`, in Debian's words, is not that of this machine."""
    return read(["dpkg", "--print-architecture"], step="base").strip() != architecture


def write_docker_archive(layer: Path, archive: Path, tag: str, root: Root) -> None:
    """Write what `docker load` reads: an image of one layer, the tar `layer`, that says which architecture it has.

    Docker Image Specification 1.2: the configuration names the digest of the layer, manifest.json both.
    """
    with layer.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    config = {"architecture": root.architecture, "os": "linux", "config": {}}
    config |= {"rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}}
    if root.variant:
        config["variant"] = root.variant
    text = json.dumps(config, sort_keys=True).encode()
    name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [tag], "Layers": [f"{digest}/layer.tar"]}]
    with tarfile.open(archive, "w") as written:
        written.add(layer, f"{digest}/layer.tar")
        for path, data in ((name, text), ("manifest.json", json.dumps(manifest).encode())):
            member = tarfile.TarInfo(path)
            member.size = len(data)
            written.addfile(member, io.BytesIO(data))
