"""Descriptions with a mistake outside of values, and other files and folders of a course that hinder a build.

A line is about semester.toml, unless it follows a !.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

TOML: list[tuple[str, str, str]] = [
    ("cpus = 2", "cpus = ", "Invalid value); texts need quotes, tables [brackets]"),
    ("cpus = 2", "cpus = yes", "Invalid value); texts need quotes, tables [brackets]"),
    ("updates = true", "updates = True", "Invalid value); texts need quotes, tables [brackets],"),
    ("cpus = 2", "cpus", "Expected '=' after a key in a key/value pair); write it like key ="),
    ("cpus = 2", "cpus: 2", "Expected '=' after a key in a key/value pair); write it like key"),
    ("cpus = 2", "= 2", "Invalid statement); write it like key = value"),
    ("cpus = 2", "cpus = 02", "Expected newline or end of document after a statement); only a"),
    ("cpus = 2", "cpus = 2,5", "Expected newline or end of document after a statement); only a"),
    ("cpus = 2", "cpus = 2;", "Expected newline or end of document after a statement); only a"),
    ("cpus = 2", "cpus = 2\ncpus = 3", "+Cannot overwrite a value); each key stands once: remove"),
    ("cpus = 2", "cpus\xa0= 2", 'here is a NO-BREAK SPACE); write straight quotes (") and plain'),
    ("cpus = 2", "cpus = [2", "+Unclosed array); a comma or a ] is missing, here or in the line"),
    ('"git", "less"', '"git" "less"', "Unclosed array); a comma or a ] is missing, here or in the"),
    ('"git", "less"', '"git",, "less"', "Invalid value); texts need quotes, tables [brackets]"),
    ('["mnist"]', '["mnist"', "+Unclosed array); a comma or a ] is missing, here or in the line above"),
    ("date = 2027-02-22", "date = 2027-02-30", "Invalid date or datetime); write a day that the"),
    ("date = 2027-02-22", "date = 22.2.2027", "Expected newline or end of document after a"),
    ('"Deep Learning"', '"Deep Learning', "Illegal character '\\n'); a closing quote is missing in"),
    ('"Deep Learning"', "Deep Learning", "Invalid value); texts need quotes, tables [brackets]"),
    ('"Deep Learning"', "“Deep Learning”", "here is a LEFT DOUBLE QUOTATION MARK); write"),
    ('"Deep Learning"', '"Deep \x1b Learning"', "Illegal character '\\x1b'); a closing quote is"),
    ('"Deep Learning"', '"C:\\deep"', "Unescaped '\\' in a string); write each backslash twice, or"),
    ('"Deep Learning"', '"\\ud800"', "Escaped character is not a Unicode scalar value); write the"),
    ("[content]", "[content", "Expected ']' at the end of a table declaration); write the table's"),
    ("[content]", "[]", "Invalid initial character for a key part); a name is missing: no [] is empty"),
    ("[content]", "[content]]", "Expected newline or end of document after a statement); only a"),
    ("[content]", "[course]", "Cannot declare [course] twice); each table stands once: move its"),
    ("[content]", "[python.arm64]", "Cannot declare [python.arm64] twice); each table stands once"),
    ("solutions = false", "solutions = {a = 1,}", "Invalid initial character for a key part); a"),
    ("solutions = false", "solutions = {a = 1", "Unclosed inline table); a comma or a } is"),
    ("[data]", "<<<<<<< HEAD\n[data]", "git left both sides of a merge here); keep one side and"),
    ("[data]", "# \x07\n[data]", "Found invalid character '\\x07'); remove the control character"),
]
"""What is no TOML, and how Python says so; after a +, of the next line."""

TEXTS: list[tuple[str, str, str]] = [
    ('"Deep Learning"', '"""Deep Learning"', "its end: not TOML (Unterminated string); a closing quote is missing"),
    ('user = "student"', 'user = "student\x00"', "line 39: a NUL byte, as UTF-16 has them; save the file as UTF-8"),
    ("cpus = 2", f"cpus = {'9' * 5000}", "not TOML (Exceeds the limit (4300 digits) for integer string"),
    ("cpus = 2", f"cpus = {'[' * 20_000}", "not TOML (brackets inside brackets without end); close each"),
    ('"Deep Learning"', "'Deep Learning", 'its end: not TOML (Expected "\'"); a closing quote is missing'),
    # keys
    ("memory_mb = 4096", "memory = 4096", "appliance.memory = 4096: unknown key; did you mean memory_mb?"),
    (
        "cpus = 2",
        "colour = 2",
        "appliance.colour = 2: unknown key; keys here: cpus, memory_mb, disk_gb, user, jupyter_port",
    ),
    ("cpus = 2", '"cp\\nus" = 2', 'appliance."cp\\nus" = 2: unknown key; did you mean cpus?'),
    ("cpus = 2", '"\\u202e" = 2', 'appliance."\\u202e" = 2: unknown key; keys here: '),
    ("[appliance]", "[appliances]", "appliances: unknown key; did you mean appliance?"),
    ("[course]", 'folder = "x"\n[course]', 'folder = "x": unknown key; remove it'),
    ('title = "Deep Learning"', "", 'course.title: missing (title of the course); add title = "Deep Learning"'),
    ('suite = "bookworm"', "", 'debian.suite: missing (Debian release); add suite = "bookworm"'),
    (
        'include = ["pages"]',
        "",
        "content.include: missing (files and folders inside course_content/); add include",
    ),
    ("[python.arm64]", "[python.arm46]", "python.arm46: unknown key; did you mean arm64?"),
    (
        'slides = "https',
        'slide = "https',
        'course.sessions[0].slide = "https://host/1.pdf": unknown key; did you mean',
    ),
    (
        "COURSE_LEVEL",
        "course_level",
        "environment.course_level: is no name of a variable (capital letters, digits, _);",
    ),
    ("COURSE_LEVEL", "PATH", "environment.PATH: is a variable that the products set themselves; choose another name"),
    ("forum =", '"" =', 'course.links."": must be one line of 1 to 80 visible characters; shorten it'),
    (
        "forum =",
        '"{{ forum }}" =',
        'course.links."{{ forum }}": holds {{, which begins a template; write it without {{',
    ),
    # tables
    (
        "[course.links]\nforum",
        "links",
        'course.links = "https://host/forum": must be a table, not text; write',
    ),
    (
        "[[course.sessions]]",
        "[course.sessions]",
        "course.sessions: must be a list of tables, not a table; write",
    ),
    ("[appliance]", "[appliance.cpus]", "appliance.cpus: must be a whole number, not a table; "),
    (
        "[environment]",
        "[[environment]]",
        'environment = [{"COURSE_LEVEL": "first year"}]: must be a table, not a list;',
    ),
    # how keys fit each other
    (
        '["torch==2.13.0", "torchvision==0.28.0", "scikit-learn"]\n\n[python.arm64]\nrequires = ["torch==2.10.0"]',
        '["scikit-learn"]',
        'products = ["appliance", "cpu", "cuda"]: "cuda" needs torch; name torch in python.requires, or remove "cuda"',
    ),
    (
        'products = ["appliance", "cpu", "cuda"]',
        "products = 'cpu'",
        'products = "cpu": must be a list of texts, not text; ',
    ),
    *(
        (
            '"scikit-learn"]',
            f'"scikit-learn; {marker}"]',
            f'python.requires[2] = "scikit-learn; {marker}": the condition never holds for Python 3.11 on Linux (',
        )
        for marker in (
            *("python_version < '3'", "sys_platform == 'win32'", "extra == 'x'", "platform_machine == 'ppc64le'"),
            *("os_name == 'nt'", "python_full_version >= '3.12'", "platform_system in 'Darwin Windows'"),
        )
    ),
    (
        '"scikit-learn"]',
        "\"scikit-learn; sys_platform ~= 'a.b'\"]",
        "python.requires[2] = \"scikit-learn; sys_platform ~= 'a.b'\": the condition compares what has",
    ),
    (
        '"scikit-learn"]',
        '"scikit-learn", "RFC3987_syntax"]',
        'python.requires[3] = "RFC3987_syntax": no product has it, ansible/trim/packages.txt says why; remove it',
    ),
    # locks that are older than the description
    (
        '"scikit-learn"]',
        '"scikit-learn>=2"]',
        "!semesters/2027-spring/python-cpu.lock: semester.toml asks for scikit-learn>=2, the lock holds 1.9; run:",
    ),
    (
        '"scikit-learn"]',
        '"scikit-learn", "no-such-package"]',
        "!semesters/2027-spring/python-cpu.lock: semester.toml asks for no-such-package, the lock holds none; run:",
    ),
    (
        '"bookworm"',
        '"trixie"',
        "!semesters/2027-spring/python-cpu.lock: made for another Debian suite or architecture;",
    ),
    (
        '["git", "less"]',
        '["git", "less", "no-such-package", "htop"]',
        "!semesters/2027-spring/debian.lock: older than semester.toml, which asks for no-such-package, htop; run:",
    ),
    (
        '["sudo", ',
        '["sudo", "chrony", ',
        "!semesters/2027-spring/debian.lock: older than semester.toml, which asks for chrony; run: practicum lock",
    ),
]


Change = Callable[[Path], object]
"""What is done to the folder of a course, or to a file."""


def remove(path: Path) -> Path:
    """Remove a file or a folder; return its path."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return path


def link(target: str) -> Change:
    return lambda path: remove(path).symlink_to(target)


def write(text: str | bytes) -> Change:
    return lambda path: remove(path).write_bytes(text if isinstance(text, bytes) else text.encode())


def edit(old: str, new: str, encoding: str = "utf-8") -> Change:
    return lambda path: path.write_text(path.read_text().replace(old, new), encoding=encoding)


def make_pipe(path: Path) -> None:
    os.mkfifo(remove(path))


def make_folder(path: Path) -> None:
    remove(path).mkdir(parents=True)


def keep_only(name: str) -> Change:
    """Of a folder: one empty file."""

    def change(path: Path) -> None:
        make_folder(path)
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).touch()

    return change


KIND = "a folder, a pipe or a device, not a file; put a text file in its place"
CONTENT, PAGES = "course_content", 'semesters/2027-spring/semester.toml: content.include[0] = "pages": '
NOTHING = 'semesters/2027-spring/semester.toml: content.include = ["pages"]: selects no file; name a path'
AGAIN = "; run: practicum lock 2027-spring"
HASHED = "not name==version --hash=sha256:..." + AGAIN

FILES: list[tuple[str, Change, str]] = [
    # the description as a file; a blank stands for its path, as in the lines
    (" ", remove, " no such file; semesters here: none"),
    (" ", write(""), " holds no key; copy that of another semester, or see docs/semester.md"),
    (" ", write("# nothing yet\n"), " holds no key; "),
    (" ", make_folder, f" {KIND}"),
    (" ", make_pipe, f" {KIND}"),
    (" ", link("/dev/zero"), f" {KIND}"),
    (" ", link("nowhere.toml"), " a link to nowhere.toml, which is not there; put a text file in its place"),
    (" ", link("semester.toml"), " cannot be read (Too many levels of symbolic links); make it a readable file"),
    (" ", link("/proc/self/mem"), " cannot be read (Input/output error); make it a readable file"),
    (" ", write(bytes(range(256))), " line 2: not UTF-8, but perhaps ISO-8859-1; convert it: iconv -f ISO-8859-1"),
    (" ", edit("EPFL", "École", "utf-8-sig"), " line 1: a byte order mark, which TOML forbids; remove it: sed -i"),
    (" ", edit("EPFL", "École", "latin-1"), " line 8: not UTF-8, but perhaps ISO-8859-1; convert it: iconv -f"),
    (" ", edit("EPFL", "École", "utf-16"), " line 1: not UTF-8, but perhaps UTF-16; convert it: iconv -f UTF-16 -t"),
    (" ", edit("EPFL", "EPFL", "utf-16-le"), " line 2: a NUL byte, as UTF-16 has them; save the file as UTF-8"),
    # the content
    (f"{CONTENT}/pages", remove, f"{PAGES}not in course_content/; what is there: lectures, practicals"),
    (
        f"{CONTENT}/pages",
        link("/etc"),
        f"{PAGES}leaves course_content/ through a link; name a file or folder",
    ),
    (f"{CONTENT}/pages", link("pages"), f"{PAGES}a link that leads to itself; replace it by what it"),
    (
        f"{CONTENT}/pages",
        link("none"),
        f"{PAGES}a link to none, which is not there; replace it by what it",
    ),
    (f"{CONTENT}/pages", make_pipe, f"{PAGES}pages: only plain files can be content; replace it by a"),
    (f"{CONTENT}/pages/data", link("/etc"), f"{PAGES}pages/data: only plain files can be content;"),
    (f"{CONTENT}/pages/data", make_pipe, f"{PAGES}pages/data: only plain files can be content; replace"),
    (f"{CONTENT}/pages", make_folder, NOTHING),
    (f"{CONTENT}/pages", keep_only(".hidden"), NOTHING),
    (f"{CONTENT}/pages", keep_only("solutions/task.md"), NOTHING),
    # other files of the course
    (
        f"{CONTENT}/tools/src",
        remove,
        "semesters/2027-spring/semester.toml: data.sets:",
    ),
    (
        f"{CONTENT}/tools/pyproject.toml",
        write("[project"),
        "course_content/tools/pyproject.toml: its end: not TOML",
    ),
    (
        f"{CONTENT}/tools/pyproject.toml",
        write("project.scripts = 1"),
        "course_content/tools/pyproject.toml:",
    ),
    (f"{CONTENT}/tools/pyproject.toml", make_pipe, f"course_content/tools/pyproject.toml: {KIND}"),
    (
        "jupyterlab/overrides.json",
        write("{"),
        "semesters/2027-spring/semester.toml: jupyterlab/overrides.json: not JSON (",
    ),
    (
        "jupyterlab/overrides.json",
        write("[]"),
        "semesters/2027-spring/semester.toml: jupyterlab/overrides.json: settings",
    ),
    (
        "jupyterlab/overrides.json",
        make_folder,
        "semesters/2027-spring/semester.toml: jupyterlab/overrides.json: cannot be",
    ),
    (
        "semesters/allowed_signers",
        write(b"\xff"),
        "semesters/allowed_signers: line 1: not UTF-8, but perhaps ISO-8859-1;",
    ),
    ("semesters/allowed_signers", make_folder, f"semesters/allowed_signers: {KIND}"),
    # locks
    *(
        (f"semesters/2027-spring/{lock}", remove, f"semesters/2027-spring/{lock}: not there yet{AGAIN}")
        for lock in ("python-cpu.lock", "python-cuda-arm64.lock", "debian.lock", "debian-arm64.lock")
    ),
    *(
        (f"semesters/2027-spring/{lock}", change, f"semesters/2027-spring/{lock}: {told}")
        for lock in ("python-cpu.lock", "debian.lock")
        for change, told in (
            (make_folder, "a folder or a pipe, not a file; remove it, then run: practicum lock 2027-spring"),
            (make_pipe, "a folder or a pipe, not a file; remove it, then run: practicum lock 2027-spring"),
            (write(b"# \xff"), f"cannot be read as text{AGAIN}"),
        )
    ),
    *(
        ("semesters/2027-spring/python-cpu.lock", change, f"semesters/2027-spring/python-cpu.lock: {told}")
        for change, told in (
            (write(""), f"has no target line{AGAIN}"),
            (edit("x86_64", "aarch64"), f"made for another Debian suite or architecture{AGAIN}"),
            (edit("# Made", "<<<<<<< HEAD\n# Made"), f"line 1: {HASHED}"),
            (edit("torchvision==", "torchvision>="), f"line 4: {HASHED}"),
            (edit(f" --hash=sha256:{'a' * 64}", ""), f"line 3: {HASHED}"),
            (edit("sha256:aa", "sha256:"), f"line 3: {HASHED}"),
            (edit("scikit-learn==1.9", "scikit-learn==new"), f"scikit-learn==new names no version{AGAIN}"),
            (edit("scikit-learn", "torch"), f"names torch twice{AGAIN}"),
            (
                edit("torch==2.13.0", "torch==2.12.0"),
                "semester.toml asks for torch==2.13.0, the lock holds 2.12.0; run",
            ),
        )
    ),
    *(
        ("semesters/2027-spring/debian.lock", change, f"semesters/2027-spring/debian.lock: {told}")
        for change, told in (
            (edit("git=1", "git 1"), f"line 3: not name=version{AGAIN}"),
            (edit("git=1", "=======\ngit=1"), f"line 3: not name=version{AGAIN}"),
            (edit("git=1", "git="), f"line 3: not name=version{AGAIN}"),
            (edit("git=1\n", ""), f"older than semester.toml, which asks for git{AGAIN}"),
            (
                write(""),
                f"older than semester.toml, which asks for git, less, sudo, linux-image-amd64{AGAIN}",
            ),
        )
    ),
]
"""The path of a file or folder, what is done to it, and the line."""
