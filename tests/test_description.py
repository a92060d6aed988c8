"""semester.toml: what is accepted, and one complete line for every mistake."""

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


@pytest.mark.parametrize("value", ["[]", '["cuda", "cuda"]', '["gpu"]'])
def test_products_that_are_none(folder: Path, value: str) -> None:
    (folder / "semester.toml").write_text(f"products = {value}\n{GOOD}")
    with pytest.raises(PracticumError, match=r"semester.toml: products.*; "):
        load(folder)


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


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "memory_mb = 4096",
            "memory_mb = 12",
            "appliance.memory_mb = 12: memory in MB, must be 1024 to 65536; the default is 4096",
        ),
        ("memory_mb = 4096", "memory_mb = 65537", "appliance.memory_mb = 65537: memory in MB, must be 1024 to 65536; "),
        ("cpus = 2", "cpus = 0", "appliance.cpus = 0: virtual processors, must be 1 to 32; "),
        ("cpus = 2", "cpus = 33", "appliance.cpus = 33: virtual processors, must be 1 to 32; "),
        ("disk_gb = 64", "disk_gb = 7", "appliance.disk_gb = 7: "),
        ("disk_gb = 64", "disk_gb = 2001", "appliance.disk_gb = 2001: "),
        ("cpus = 2", 'cpus = "2"', 'appliance.cpus = "2": must be a whole number, not text; write it without'),
        ("cpus = 2", "cpus = true", "appliance.cpus = true: must be a whole number, not true/false; "),
        ("cpus = 2", "cpus = 2.0", "appliance.cpus = 2.0: must be a whole number, not a decimal number; "),
        ("solutions = false", "solutions = 0", "content.solutions = 0: must be true, false or a table of dates; "),
        (
            "solutions = false",
            'solutions = {"practical-1" = "2027-03-01"}',
            'content.solutions: "practical-1" = "2027-03-01" is no date; write it without quotes, like "practical-1" =',
        ),
        (
            "solutions = false",
            "solutions = {practical-1 = 2027-03-01T08:00:00}",
            'content.solutions: "practical-1" = "2027-03-01 08:00:00" is no date; ',
        ),
        (
            "solutions = false",
            "solutions = {practical-1 = true}",
            'content.solutions: "practical-1" = true is no date; ',
        ),
        (
            "solutions = false",
            "solutions = {practical-9 = 2027-03-01}",
            'content.solutions: "practical-9" is no practical, project or lecture of course_content/; what is there: ',
        ),
        ('title = "Deep Learning"', "title = 5", "course.title = 5: must be text, not a number; "),
        (
            'title = "Deep Learning"',
            'title = ""',
            'course.title = "": must be one line of 1 to 80 visible characters; ',
        ),
        ('title = "Deep Learning"', 'title = "a\\u001bb"', 'course.title = "a\\u001bb": must be one line of 1'),
        ('title = "Deep Learning"', f'title = "{"x" * 81}"', 'course.title = "xxx'),
        ('title = "Deep Learning"', "", 'course.title: missing (title of the course); add title = "Deep Learning"'),
        ("memory_mb = 4096", "memory = 4096", "appliance.memory = 4096: unknown key; did you mean memory_mb?"),
        ("cpus = 2", "colour = 2", "appliance.colour = 2: unknown key; keys here: cpus, memory_mb, disk_gb, user, "),
        ("[appliance]", "[appliances]", "appliances: unknown key; did you mean appliance?"),
        ("[course]", 'folder = "x"\n[course]', 'folder = "x": unknown key; '),
        ("[appliance]", "[appliance.cpus]", "appliance.cpus: must be a whole number, not a table; "),
        ('code = "EE-559"', 'code = "EE/559"', 'course.code = "EE/559": must be letters and digits'),
        ('code = "EE-559"', 'code = "../x"', 'course.code = "../x": must be letters and digits'),
        (
            'semester = "2027-spring"',
            'semester = "spring"',
            'course.semester = "spring": must be a year and words of ',
        ),
        (
            'semester = "2027-spring"',
            'semester = "2027-fall"',
            'course.semester = "2027-fall": the folder is called 2027-spring; ',
        ),
        (
            'semester = "2027-spring"',
            'semester = "2028-spring"',
            'course.semester = "2028-spring": the folder is called 2027-spring; give both the same name',
        ),
        ('"bookworm"', '"buster"', "debian.suite = \"buster\": unknown value; use 'bookworm' or 'trixie'"),
        ('"git", "less"', '"Git"', 'debian.packages[0] = "Git": is not a Debian package name'),
        ('"git", "less"', '"git; reboot"', 'debian.packages[0] = "git; reboot": is not a Debian package name'),
        ('"git", "less"', '"--help"', 'debian.packages[0] = "--help": is not a Debian package name'),
        ('"git", "less"', '"git", "git"', 'debian.packages = ["git", "git"]: names git twice; keep one'),
        ('"git", "less"', '"git", 3', "debian.packages[1] = 3: must be text, not a number; "),
        (
            'packages = ["git", "less"]',
            'packages = "git"',
            'debian.packages = "git": must be a list of texts, not text; ',
        ),
        ('["sudo"]', '["sudo", "git"]', "debian: appliance_packages repeats git of packages; keep them in packages"),
        ('"torch==2.13.0"', '"torch"', 'python.requires[0] = "torch": must be pinned to one version; write it like'),
        ('"torch==2.13.0"', '"torch>=2.13.0"', 'python.requires[0] = "torch>=2.13.0": must be pinned to one version'),
        ('"torch==2.13.0"', '"torch==2.13.*"', 'python.requires[0] = "torch==2.13.*": must be pinned to one version'),
        ('"torch==2.13.0"', '"torch==2.13.0+cpu"', 'python.requires[0] = "torch==2.13.0+cpu": must not name a variant'),
        ('"torchvision==0.28.0"', '"Torchvision"', 'python.requires[1] = "Torchvision": must be pinned to one version'),
        ('"numpy"', '"numpy=>2"', 'python.requires[2] = "numpy=>2": is not a Python requirement ('),
        ('"numpy"', '"numpy==two"', 'python.requires[2] = "numpy==two": is not a Python requirement ('),
        ('"numpy"', '"numpy", "NumPy>2"', "python.requires = ["),
        (
            '"numpy"',
            '"numpy @ https://example.org/n.whl"',
            'python.requires[2] = "numpy @ https://example.org/n.whl": n',
        ),
        (
            'requires = ["torch==2.13.0", "torchvision==0.28.0", "numpy"]',
            "requires = []",
            "python.requires = []: names no package; name at least one",
        ),
        ("jupyter_port = 8888", "jupyter_port = 0", "appliance.jupyter_port = 0: is outside 1-65535; choose a port"),
        ("jupyter_port = 8888", "jupyter_port = 65536", "appliance.jupyter_port = 65536: is outside 1-65535; choose"),
        ("ssh_port = 2022", "ssh_port = -1", "appliance.ssh_port = -1: is outside 1-65535; choose a port"),
        ("ssh_port = 2022", "ssh_port = 22", "appliance.ssh_port = 22: a host port below 1024 needs administrator ri"),
        ("ssh_port = 2022", "ssh_port = 8888", "appliance: jupyter_port and ssh_port are both 8888; give each its own"),
        ('access = "code"', 'access = "none"', "appliance.access = \"none\": unknown value; use 'code' or 'open'"),
        ('user = "student"', 'user = "Student"', 'appliance.user = "Student": Linux refuses this user name'),
        ('user = "student"', 'user = "9lives"', 'appliance.user = "9lives": Linux refuses this user name'),
        ('user = "student"', 'user = "a b"', 'appliance.user = "a b": Linux refuses this user name'),
        ('user = "student"', f'user = "{"a" * 33}"', f'appliance.user = "{"a" * 33}": Linux refuses this user name'),
        ('user = "student"', 'user = "root"', 'appliance.user = "root": is a name Debian already uses itself; '),
        ('user = "student"', 'user = "www-data"', 'appliance.user = "www-data": is a name Debian already uses'),
        ('user = "student"', 'user = "sshd"', 'appliance.user = "sshd": is a name Debian already uses'),
        ('["practicals"]', '["/etc"]', 'content.include[0] = "/etc": leaves course_content/; '),
        ('["practicals"]', '["../secret"]', 'content.include[0] = "../secret": leaves course_content/; '),
        ('["practicals"]', '["a/../../b"]', 'content.include[0] = "a/../../b": leaves course_content/; '),
        ('["practicals"]', '["."]', 'content.include[0] = ".": is not a plain relative path; '),
        ('["practicals"]', '["practicals/"]', 'content.include[0] = "practicals/": is not a plain relative path; '),
        ('["practicals"]', '["practical"]', 'content.include[0] = "practical": not in course_content/; did you mean p'),
        ('["practicals"]', '["x"]', 'content.include[0] = "x": not in course_content/; what is there: practicals'),
        ("[content]", '[data]\nsets = ["imagenet"]\n[content]', 'data.sets[0] = "imagenet": unknown value; use '),
        ("[content]", '[data]\nsets = "mnist"\n[content]', 'data.sets = "mnist": must be a list of texts, not text; '),
        (
            "[content]",
            '[data]\nsets = ["mnist", "mnist"]\nsource = "real"\n[content]',
            'data.sets = ["mnist", "mnist"]: names mnist twice; keep one',
        ),
        ("[content]", '[data]\nsource = "fake"\n[content]', 'data.source = "fake": unknown value; use '),
        (
            "[content]",
            '[data]\nsets = ["mnist"]\n[content]',
            'data.source = "real-or-stand-in": a stand-in is made from scikit-learn',
        ),
        (
            "[course]",
            'architectures = ["riscv64"]\n[course]',
            'architectures[0] = "riscv64": is no architecture that products are built for; use "amd64" or "arm64"',
        ),
        ("[course]", "architectures = []\n[course]", "architectures = []: names no architecture; name at least one"),
        ("[course]", 'architectures = ["arm64", "arm64"]\n[course]', 'architectures = ["arm64", "arm64"]: names arm64'),
        ("[course]", 'architectures = "arm64"\n[course]', 'architectures = "arm64": must be a list of texts, not text'),
        (
            "[appliance]",
            '[python.arm64]\nrequires = ["torch==2.10.0"]\n[appliance]',
            'python.arm64: architectures does not name "arm64"; add it there, or remove the table',
        ),
        (
            "[appliance]",
            '[python.amd64]\nrequires = ["scipy==1.0"]\n[appliance]',
            'python.amd64.requires[0] = "scipy==1.0": python.requires does not name this package; name it there too',
        ),
        (
            "[appliance]",
            '[python.amd64]\nrequires = ["numpy>=2"]\n[appliance]',
            'python.amd64.requires = ["numpy>=2"]: must be pinned to one version; write it like "numpy==2.13.0"',
        ),
        (
            "[appliance]",
            '[python.amd64]\nrequires = ["torch==2.10.0+cpu"]\n[appliance]',
            'python.amd64.requires[0] = "torch==2.10.0+cpu": must not name a variant (+cpu); leave it out',
        ),
        ("[appliance]", "[python.arm46]\n[appliance]", "python.arm46: unknown key; did you mean arm64?"),
        (
            '["sudo"]',
            '["sudo", "linux-image-arm64"]',
            'debian.appliance_packages[1] = "linux-image-arm64": the kernel of arm64 alone; write "linux-image", which',
        ),
        ("solutions = false", "release = 0", "content.release = 0: number of the content release, must be 1 to 9999; "),
        *(
            (
                "[content]",
                f'[release]\naddress = "{address}"\n[content]',
                f'release.address = "{address}": is no web address; write it like "https://HOST/releases"',
            )
            for address in (
                *("releases", "ftp://host/x", "https://", "https://me@host/x", "https://host/x?y", "https://host/ x"),
                *("https://[::1", "https://host:99999/x", "https://h\u00f6st/x"),
            )
        ),
        (
            "[debian]",
            '[[course.sessions]]\nlecture = "lecture-1"\n[debian]',
            'course.sessions[0].lecture = "lecture-1": not in course_content/lectures; what is there: nothing',
        ),
        (
            "[debian]",
            '[[course.sessions]]\npractical = "practical-1"\n[debian]',
            'course.sessions[0].practical = "practical-1": not in course_content/practicals; what is there: nothing',
        ),
        ("[debian]", "[[course.sessions]]\ndate = 2027-02-22\n[debian]", "course.sessions[0]: a session of nothing; "),
        (
            "[debian]",
            '[[course.sessions]]\ntitle = "Guests"\ndate = "2027-02-22"\n[debian]',
            'course.sessions[0].date = "2027-02-22": is no date; write it without quotes, like 2027-02-22',
        ),
        (
            "[debian]",
            '[[course.sessions]]\ntitle = "Guests"\nslide = "https://host/1.pdf"\n[debian]',
            'course.sessions[0].slide = "https://host/1.pdf": unknown key; did you mean slides?',
        ),
        ("[debian]", '[course.links]\nforum = "here"\n[debian]', 'course.links.forum = "here": is no web address; '),
        ("[debian]", "[course.links]\nforum = 5\n[debian]", "course.links.forum = 5: is no web address; write it like"),
        (
            'institution = "EPFL"',
            'institution = "EPFL"\ninfo = "ftp://host/"',
            'course.info = "ftp://host/": is no web address; write it like "https://HOST/page"',
        ),
        (
            "[debian]",
            '[release]\nregistry = "https://host/ee559"\n[debian]',
            'release.registry = "https://host/ee559": is no name of an image in a registry; ',
        ),
        ("cpus = 2", "cpus = ", "line 17: not TOML (Invalid value); "),
        ("cpus = 2", "cpus = 2\ncpus = 3", "line 18: not TOML (Cannot overwrite a value); "),
    ],
)
def test_mistake(folder: Path, old: str, new: str, line: str) -> None:
    message = spoil(folder, old, new)
    assert message.startswith(line)
    assert "; " in message, "no cure"


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


@pytest.mark.parametrize(
    ("old", "new", "cure"),
    [
        ('title = "Deep Learning"', 'title = "Deep Learning', "a closing quote is missing in this line"),
        ('packages = ["git", "less"]', 'packages = ["git" "less"]', "a comma or a ] is missing"),
        ("cpus = 2", "cpus = 02", "only a comment may follow a value"),
        ("cpus = 2", "cpus", "write it like key = value"),
        ("[appliance]", "[content]\n[appliance]", "each table stands once"),
        ("cpus = 2", "cpus = yes", "texts need quotes, tables [brackets]"),
    ],
)
def test_cure_fits_what_is_no_toml(folder: Path, old: str, new: str, cure: str) -> None:
    assert cure in spoil(folder, old, new)


def test_file_that_is_no_text(folder: Path) -> None:
    (folder / "semester.toml").unlink()
    (folder / "semester.toml").mkdir()
    with pytest.raises(PracticumError, match="cannot be read"):
        load(folder)


def test_link_out_of_the_content(folder: Path) -> None:
    practicals = folder.parents[1] / "course_content/practicals"
    practicals.rmdir()
    practicals.symlink_to("/etc")
    with pytest.raises(PracticumError, match="leaves course_content/ through a link; "):
        load(folder)


def test_reading_changes_nothing(folder: Path) -> None:
    (folder / "semester.toml").write_text(GOOD.replace("cpus = 2", "cpus = 0"))
    before = {path: path.stat().st_mtime_ns for path in folder.parents[1].rglob("*")}
    with pytest.raises(PracticumError):
        load(folder)
    assert before == {path: path.stat().st_mtime_ns for path in folder.parents[1].rglob("*")}


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


@pytest.mark.parametrize("name", ["27-spring", "2027-", "2027-Fall", "2027--a", "2027_a", "2027-r2", "2027-a-content"])
def test_a_semester_has_no_other_name(folder: Path, name: str) -> None:
    assert spoil(folder, 'semester = "2027-spring"', f'semester = "{name}"').startswith(f'course.semester = "{name}": ')
