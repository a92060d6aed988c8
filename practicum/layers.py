"""The docker images that the products grow from: Debian, then the wheels in groups, one image layer each.

    base ─▶ system ─▶ python ─▶ data ─┬▶ torch-cpu
                                      └▶ cuda-cudnn ─▶ cuda-math ─▶ cuda-rest ─▶ torch-cuda

What the CPU and the CUDA set have in common lies below both, so that the products share it, on disk and on the wire.
"""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import uv

from practicum import base, datasets, images, lock, stages, torchvision, wheelhouse
from practicum.cache import hash_tree
from practicum.cache import root as cache_root
from practicum.description import PINNED, Semester
from practicum.lock import Kind, LockedPackage
from practicum.progress import Console
from practicum.publish import write_text
from practicum.stages import Stage

GB = 10**9
HERE = Path(__file__).parent

CUDA_GROUPS = (
    ("cuda-cudnn", r"nvidia-cudnn-.*"),
    ("cuda-math", r"nvidia-(cublas|cufft|curand|cusolver|cusparse|nvjitlink)"),
    ("cuda-rest", r"(nvidia|cuda)-.*"),
)
"""Layers of the CUDA libraries: none above 1 GB packed, so that docker's parallel downloads share the work."""

SPACE = {"cuda-cudnn": 5, "cuda-math": 3, "torch-cuda": 3}
"""GB that a layer's build wants, where it is not 2; the first one of CUDA downloads the wheels of all."""

FREEZE = ("/opt/venv/bin/python", "-m", "pip", "freeze", "--all")
CHECK = ("/opt/venv/bin/python", "-m", "pip", "check")
TORCH = (
    "/opt/venv/bin/python", "-c",
    "import json\n"
    "try:\n"
    "    import torch\n"
    "except ImportError:\n"
    "    print(json.dumps({'torch': None, 'cuda': None, 'architectures': []}))\n"
    "else:\n"
    # torch.cuda.get_arch_list() is empty where there is no GPU, as in a build.
    "    flags = torch._C._cuda_getArchFlags() if torch.version.cuda else None\n"
    "    print(json.dumps({'torch': torch.__version__, 'cuda': torch.version.cuda,"
    " 'architectures': (flags or '').split()}))\n",
)  # fmt: skip
"""What a product knows of its torch without importing it: written to /etc/course/torch.json."""


def chain(semester: Semester, kind: Kind) -> tuple[Stage, ...]:
    """Returns the stages up to the complete Python environment of `kind`, in the order they run."""
    first = _base_stage(semester)
    done = [first, _system_stage(semester, first)]
    groups = split_wheels(semester, kind)
    for name, packages in groups.items():
        done.append(_wheels_stage(semester, done[-1], kind, name, packages, last=name == list(groups)[-1]))
        if name == "python" and semester.data.sets:
            done.append(_data_stage(semester, done[-1]))
    return tuple(done)


def split_wheels(semester: Semester, kind: Kind) -> dict[str, tuple[LockedPackage, ...]]:
    """Returns the packages of the `kind` lock by the layer they go to, in the order of the layers; none is empty."""
    mine, other = (lock.read_lock(lock.find_lock(semester, one)) for one in _kind_and_other(kind))
    # One wheel of torchvision may be locked for both, yet the CPU's is repacked.
    common = [package for package in mine if package in other and package.name not in PINNED]
    groups: dict[str, list[LockedPackage]] = {"python": common}
    for package in mine:
        if package not in common:
            matching = (name for name, pattern in CUDA_GROUPS if re.fullmatch(pattern, package.name))
            groups.setdefault(next(matching, f"torch-{kind}"), []).append(package)
    order = ("python", *(name for name, _ in CUDA_GROUPS), f"torch-{kind}")
    return {name: tuple(groups[name]) for name in order if groups.get(name)}


def _kind_and_other(kind: Kind) -> tuple[Kind, Kind]:
    return ("cpu", "cuda") if kind == "cpu" else ("cuda", "cpu")


def trim_list(root: Path) -> Path:
    return root / "ansible/trim/debian.dpkg.cfg"


def play_inputs(root: Path, play: str, *roles: str) -> dict[str, str]:
    """Returns the inputs of a stage that runs `ansible/<play>.yml` with `roles`."""
    names = ["packer", "ansible/ansible.cfg", f"ansible/{play}.yml", *(f"ansible/roles/{role}" for role in roles)]
    return {name: hash_tree(root / name) for name in names}


def source_inputs(*names: str) -> dict[str, str]:
    """Returns the inputs of a stage that depends on modules of this package, or on a folder of them."""
    return {f"practicum/{name}": hash_tree(HERE / name) for name in names}


def image_stage(
    name: str,
    inputs: Mapping[str, str],
    build: Callable[[Path, Console], None],
    outputs: tuple[str, ...],
    *,
    space: int = GB // 2,
    tools: tuple[str, ...] = ("packer", "docker", "ansible-playbook"),
) -> Stage:
    """Returns a stage that leaves a docker image named by the stage's key."""
    tag = stages.tag_of(name, inputs)
    return Stage(
        name, inputs, build, outputs, space=space, tools=tools, keeps_image=True,
        still_there=lambda _: images.image_exists(tag),
    )  # fmt: skip


def _base_stage(semester: Semester) -> Stage:
    trim = trim_list(semester.root)
    debian_lock = semester.folder / "debian.lock"
    inputs = {
        "suite": semester.debian.suite,
        "ansible/trim/debian.dpkg.cfg": hash_tree(trim),
        "debian.lock": hash_tree(debian_lock) if debian_lock.exists() else "none",
        **source_inputs("base.py"),
    }
    tag = stages.tag_of("base", inputs)

    def build(out: Path, console: Console) -> None:
        base.build_base(semester.debian.suite, trim, tag, out, console)

    return image_stage("base", inputs, build, ("base.log",), space=GB, tools=("mmdebstrap", "docker"))


def _system_stage(semester: Semester, before: Stage) -> Stage:
    """Debian's packages that every product has, and an empty virtual environment."""
    variables = {"debian_suite": semester.debian.suite, "debian_packages": list(semester.debian.packages)}
    inputs = {
        "base": before.key,
        "semester.toml": json.dumps(variables, sort_keys=True),
        **play_inputs(semester.root, "system", "system", "python"),
    }
    tag = stages.tag_of("system", inputs)

    def build(out: Path, console: Console) -> None:
        step = images.Step("system", before.tag, tag, variables, {"bin": lend_uv(out)})
        images.build_image(step, semester.root, out, console)
        shutil.rmtree(out / "bin")

    return image_stage("system", inputs, build, ("system.log",))


def _wheels_stage(
    semester: Semester, before: Stage, kind: Kind, name: str, packages: tuple[LockedPackage, ...], *, last: bool
) -> Stage:
    """One group of wheels; the last one of a product proves that the set is complete and tells of its torch."""
    root, python_lock = semester.root, lock.find_lock(semester, kind)
    inputs = {
        "before": before.key,
        "packages": lock.hash_packages(packages),
        "torchvision": torchvision.RECIPE,
        "ansible/trim/python.txt": hash_tree(root / "ansible/trim/python.txt"),
        "last": str(last),
        **play_inputs(root, "wheels", "wheels"),
    }
    tag = stages.tag_of(name, inputs)
    questions = {"python.txt": FREEZE, "check.txt": CHECK, "torch.json": TORCH} if last else {"python.txt": FREEZE}

    def build(out: Path, console: Console) -> None:
        console.say("collecting the wheels")
        with console.paused():
            house = wheelhouse.prepare(python_lock, cache_root(), progress=True)
        for note in house.notes if last else ():
            console.say(note)
        (out / "lists").mkdir()
        write_text(out / "lists/requirements.txt", house.select(package.name for package in packages))
        mounts = {
            "bin": lend_uv(out),
            "lists": out / "lists",
            "wheels": house.folder,
            "trim": root / "ansible/trim",
        }
        images.build_image(images.Step("wheels", before.tag, tag, {}, mounts), root, out, console)
        shutil.rmtree(out / "bin")
        for file, text in images.ask_image(tag, questions, out).items():
            write_text(out / file, text)

    return image_stage(name, inputs, build, tuple(questions), space=SPACE.get(name, 2) * GB)


def _data_stage(semester: Semester, before: Stage) -> Stage:
    """The data sets: the real ones were fetched on the host, a stand-in is made inside, by the products' own Python."""
    root, wanted = semester.root, semester.data
    tools = root / "course_content/tools/src/course_tools"
    inputs = {
        "before": before.key,
        "semester.toml": wanted.model_dump_json(),
        "course_tools/datasets": hash_tree(tools / "datasets"),
        **source_inputs("datasets.py"),
        **play_inputs(root, "data", "data"),
    }
    tag = stages.tag_of("data", inputs)

    def build(out: Path, console: Console) -> None:
        real = datasets.fetch(wanted.sets, wanted.source, tools.parent, cache_root() / "datasets", out, console)
        made = [name for name in wanted.sets if name not in real]
        mounts = {"tools": tools.parent, "real": cache_root() / "datasets"}
        step = images.Step("data", before.tag, tag, {"real_sets": list(real), "stand_in_sets": made}, mounts)
        images.build_image(step, root, out, console)
        write_text(out / "data.json", json.dumps({"real": list(real), "stand-in": made}, indent=1))

    return image_stage("data", inputs, build, ("data.json",), space=GB)


def lend_uv(out: Path) -> Path:
    """Returns a folder with uv for a build container to see."""
    tools = out / "bin"
    tools.mkdir()
    shutil.copy(uv.find_uv_bin(), tools / "uv")
    return tools
