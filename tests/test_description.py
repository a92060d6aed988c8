"""semester.toml: what is accepted, and how several mistakes are told; single ones are in test_bad_descriptions.py."""

import json
import subprocess
from pathlib import Path

import pytest
from pydantic import BaseModel

from practicum.architecture import AMD64, ARCHITECTURES, ARM64, KERNEL
from practicum.engine.errors import PracticumError
from practicum.semester.description import (
    Appliance,
    Content,
    Course,
    Data,
    Debian,
    OfArchitecture,
    Python,
    Release,
    Semester,
    load,
)
from practicum.semester.find import find_semester
from practicum.semester.settings import describe_solutions

ROOT = Path(__file__).parents[1]
GOOD = """
[course]
code = "EE-559"
title = "Deep Learning"
institution = "EPFL"
semester = "2027-spring"

[debian]
suite = "bookworm"
packages = ["git", "less"]
appliance_packages = ["sudo"]

[python]
requires = ["torch==2.13.0", "torchvision==0.28.0", "numpy"]

[appliance]
cpus = 2
memory_mb = 4096
disk_gb = 64
user = "student"
jupyter_port = 8888
ssh_port = 2022
access = "code"

[content]
include = ["practicals"]
solutions = false
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "course_content/practicals").mkdir(parents=True)
    (tmp_path / "course_content/practicals/task.md").touch()
    (tmp_path / "course_content/tools/src/course_tools/datasets").mkdir(parents=True)
    folder = tmp_path / "semesters/2027-spring"
    folder.mkdir(parents=True)
    (folder / "semester.toml").write_text(GOOD)
    return folder


def spoil(folder: Path, old: str, new: str) -> str:
    """The one line of the mistake made by writing `new` for `old`, without the file's name."""
    assert GOOD.count(old) == 1
    (folder / "semester.toml").write_text(GOOD.replace(old, new))
    with pytest.raises(PracticumError) as caught:
        load(folder)
    start = "semesters/2027-spring/semester.toml: "
    message = str(caught.value)
    assert message.startswith(start) and "\n" not in message
    return message.removeprefix(start)


def test_good_file(folder: Path) -> None:
    semester = load(folder)
    assert semester.product_name == "ee559-2027-spring"
    assert semester.course.slug == "ee559"
    assert semester.debian.python_version == "3.11"
    assert semester.folder == folder
    assert semester.content_root == folder.parents[1] / "course_content"
    assert semester.python.requires == ("torch==2.13.0", "torchvision==0.28.0", "numpy")
    with pytest.raises(ValueError):
        semester.appliance.cpus = 4  # type: ignore[misc]


def test_defaults(folder: Path) -> None:
    start, end = GOOD.index("[appliance]"), GOOD.index("[content]")
    (folder / "semester.toml").write_text(GOOD[:start] + GOOD[end:].replace("solutions = false", ""))
    semester = load(folder)
    assert semester.appliance.model_dump() == {
        **{"cpus": 2, "memory_mb": 4096, "disk_gb": 64, "user": "student"},
        **{"jupyter_port": 8888, "ssh_port": 2022, "access": "code"},
    }
    assert semester.content.solutions is False
    assert (semester.data.sets, semester.data.source) == ((), "real-or-stand-in")
    assert (semester.content.release, semester.release.address, semester.release.updates) == (1, "", True)


def test_solutions_have_a_day_for_each_practical_project_and_lecture(folder: Path) -> None:
    content = folder.parents[1] / "course_content"
    for name in ("practicals/practical-1", "projects/pairs", "lectures/solutions"):
        (content / name).mkdir(parents=True)
    (content / "lectures/lecture-01-tensors.nb.py").touch()
    table = "{practical-1 = 2027-03-01, pairs = 2027-05-30, lecture-01-tensors = 2027-02-22}"
    (folder / "semester.toml").write_text(GOOD.replace("solutions = false", f"solutions = {table}"))
    assert describe_solutions(load(folder).content.solutions) == {
        "practical-1": "2027-03-01",
        "pairs": "2027-05-30",
        "lecture-01-tensors": "2027-02-22",
    }


def test_address_has_no_slash_at_its_end(folder: Path) -> None:
    (folder / "semester.toml").write_text(f'{GOOD}[release]\naddress = "https://example.org/releases/"\n')
    assert load(folder).release.address == "https://example.org/releases"


def test_architectures_are_one_unless_the_file_says_otherwise(folder: Path) -> None:
    assert load(folder).built_for == (AMD64,)
    (folder / "semester.toml").write_text(f'architectures = ["arm64", "amd64"]\n{GOOD}')
    assert load(folder).built_for == (ARM64, AMD64), "in the order of the file"


@pytest.mark.parametrize(
    ("products", "variants", "images"),
    [
        ((), ("cpu", "cuda"), ("cpu", "cuda")),
        (("cuda",), ("cuda",), ("cuda",)),
        (("appliance",), ("cpu",), ()),
        (("cuda", "appliance"), ("cpu", "cuda"), ("cuda",)),
    ],
    ids=str,
)
def test_products_are_all_unless_the_file_says_otherwise(
    folder: Path, products: tuple[str, ...], variants: tuple[str, ...], images: tuple[str, ...]
) -> None:
    if products:
        (folder / "semester.toml").write_text(f"products = {[*products]}\n{GOOD}")
    semester = load(folder)
    assert semester.products == (products or ("appliance", "cpu", "cuda"))
    assert (semester.variants, semester.images) == (variants, images)


def test_kernel_is_that_of_the_architecture(folder: Path) -> None:
    (folder / "semester.toml").write_text(GOOD.replace('["sudo"]', f'["sudo", "{KERNEL}"]'))
    debian = load(folder).debian
    for architecture in ARCHITECTURES:
        assert debian.list_appliance_packages(architecture) == ("sudo", architecture.kernel)
    (folder / "semester.toml").write_text(GOOD.replace('["sudo"]', f'["{AMD64.kernel}"]'))
    assert load(folder).debian.list_appliance_packages(AMD64) == (AMD64.kernel,), "as before there were others"


def test_pins_of_an_architecture(folder: Path) -> None:
    pins = '[python.arm64]\nrequires = ["torch==2.10.0", "torchvision==0.25.0"]\n[appliance]'
    text = f'architectures = ["amd64", "arm64"]\n{GOOD.replace("[appliance]", pins)}'
    (folder / "semester.toml").write_text(text)
    semester = load(folder)
    assert semester.list_pins(ARM64) == ("torch==2.10.0", "torchvision==0.25.0") and semester.list_pins(AMD64) == ()
    assert semester.python.requires == ("torch==2.13.0", "torchvision==0.28.0", "numpy")


def test_stand_ins_need_what_makes_them(folder: Path) -> None:
    line = spoil(folder, "[content]", '[data]\nsets = ["mnist"]\n[content]')
    assert line.startswith('data.source = "real-or-stand-in": a stand-in is made from scikit-learn')


def test_every_mistake_is_told_at_once(folder: Path) -> None:
    text = GOOD.replace("cpus = 2", "cpus = 0").replace("disk_gb = 64", "disk = 64").replace('"EE-559"', "559")
    (folder / "semester.toml").write_text(text)
    with pytest.raises(PracticumError) as caught:
        load(folder)
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1].split(" ")[0] for line in lines] == ["course.code", "appliance.cpus", "appliance.disk"]
    assert all(line.startswith("semesters/2027-spring/semester.toml: ") and "; " in line for line in lines)


def test_table_with_a_wrong_name(folder: Path) -> None:
    (folder / "semester.toml").write_text(GOOD.replace("[content]", "[contents]"))
    with pytest.raises(PracticumError) as caught:
        load(folder)
    assert [line.partition(": ")[2] for line in str(caught.value).splitlines()] == [
        "content: missing (what of course_content/ is included); add the table [content]",
        "contents: unknown key; did you mean content?",
    ]


def test_missing_file_names_the_nearest_semester(folder: Path) -> None:
    with pytest.raises(
        PracticumError, match=r"^semesters/2027-sprin/semester.toml: no such file; did you mean 2027-spr"
    ):
        load(folder.with_name("2027-sprin"))
    with pytest.raises(PracticumError, match=r"^semesters/x/semester.toml: no such file; semesters here: 2027-spring$"):
        load(folder.with_name("x"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16"])
def test_cure_of_another_encoding_can_be_typed_as_it_stands(folder: Path, encoding: str) -> None:
    file = folder / "semester.toml"
    file.write_text(GOOD.replace("EPFL", "École"), encoding=encoding)
    line = 5 if encoding == "latin-1" else 1
    with pytest.raises(PracticumError, match=rf"^semesters/2027-spring/semester.toml: line {line}: ") as caught:
        load(folder)
    cure = str(caught.value).partition(" it: ")[2]
    subprocess.run(["bash", "-c", cure], cwd=folder.parents[1], check=True)
    assert load(folder).course.institution == "École"


def test_real_description_with_its_content() -> None:
    semester = find_semester("")
    assert semester.product_name == f"ee559-{semester.id}"
    assert semester.has_torch and "cuda" in semester.products


TABLES: dict[str, type[BaseModel]] = {
    "course": Course,
    "debian": Debian,
    "python": Python,
    "appliance": Appliance,
    "content": Content,
    "data": Data,
    "release": Release,
}


def test_tables_are_all_known() -> None:
    assert set(Semester.model_fields) - {"folder", "architectures", "products", "environment"} == set(TABLES)
    assert set(Python.model_fields) == {"requires", *(architecture.name for architecture in ARCHITECTURES)}


FIELDS = {
    **{key: Semester.model_fields[key] for key in ("architectures", "products")},
    **{f"{table}.{key}": field for table, model in TABLES.items() for key, field in model.model_fields.items()},
    "python.ARCHITECTURE.requires": OfArchitecture.model_fields["requires"],
}
for architecture in ARCHITECTURES:
    del FIELDS[f"python.{architecture.name}"]  # a table, whose key is documented


@pytest.mark.parametrize("key", FIELDS)
def test_every_key_is_documented(key: str) -> None:
    field = FIELDS[key]
    rows = [line for line in (ROOT / "docs/semester.md").read_text().splitlines() if line.startswith(f"| `{key}` |")]
    assert len(rows) == 1, f"docs/semester.md needs one row for {key}"
    unit, default, allowed, purpose = (cell.strip() for cell in rows[0].strip("|").split(" | ")[1:])
    assert unit and allowed and purpose and field.description
    lists = json.dumps(field.default) if isinstance(field.default, tuple) else ""
    written = lists or (str(field.default).lower() if isinstance(field.default, bool) else str(field.default))
    assert default.removeprefix("`").removesuffix("`").strip('"') == ("*required*" if field.is_required() else written)


def test_epoch_is_past_and_follows_from_the_description_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    epoch = load(folder).epoch
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "5")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert load(folder).epoch == epoch == 1_767_225_600  # 2026-01-01 00:00 UTC


@pytest.mark.parametrize("name", ["2031", "2031-fall", "2027-w1", "2027-spring-lausanne-2"])
def test_a_semester_has_any_name_that_begins_with_a_year(folder: Path, name: str) -> None:
    named = folder.rename(folder.with_name(name))
    (named / "semester.toml").write_text(GOOD.replace("2027-spring", name))
    assert load(named).product_name == f"ee559-{name}"
