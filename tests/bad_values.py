"""Values that keys of semester.toml cannot have, and how the line about each begins.

A value stands in place of a good one of GOOD. Its line is `KEY = VALUE: REASON; CURE`. A reason that begins with a
bracket, a colon or a blank follows the key at once; after a ! stands the whole line.
"""

GOOD = """
architectures = ["amd64", "arm64"]
products = ["appliance", "cpu", "cuda"]

[course]
code = "EE-559"
title = "Deep Learning"
institution = "EPFL"
semester = "2027-spring"
info = "https://host/course"
thanks = "Thanks to all."

[course.links]
forum = "https://host/forum"

[[course.sessions]]
date = 2027-02-22
title = "Tensors"
lecture = "lecture-1"
practical = "practical-1"
project = "pairs"
slides = "https://host/1.pdf"

[debian]
suite = "bookworm"
packages = ["git", "less"]
appliance_packages = ["sudo", "linux-image"]

[python]
requires = ["torch==2.13.0", "torchvision==0.28.0", "scikit-learn"]

[python.arm64]
requires = ["torch==2.10.0"]

[appliance]
cpus = 2
memory_mb = 4096
disk_gb = 64
user = "student"
jupyter_port = 8888
ssh_port = 2022
access = "code"

[content]
include = ["pages"]
solutions = false
release = 1

[data]
sets = ["mnist"]
source = "real"

[release]
address = "https://host/releases"
registry = "host/group/ee559"
updates = true

[environment]
COURSE_LEVEL = "first year"
"""

LINE = "must be one line of 1 to 80 visible characters; shorten it"
PAGE = 'is no web address; write it like "https://HOST/page"'
ADDRESS = 'is no web address; write it like "https://HOST/releases"'
NAME = "must be a year and words of small letters and digits"
PORT = "is outside 1-65535; choose a port from 1024 to 65535"
USER = "Linux refuses this user name"
TAKEN = 'is a name Debian already uses itself; choose another, for example "student"'
DEBIAN = "is not a Debian package name (small letters, digits, + . -); take the name"
PYTHON = "is not a Python requirement ("
PINNED = 'must be pinned to one version; write it like "torch==2.13.0"'
PLAIN = 'is not a plain relative path; write it like "practicals"'
LEAVES = "leaves course_content/; name a file or folder inside"
TEXT = "must be text, not a number; write it in quotes"
MARK = "which begins a template; write it without {{, {% and {#"
SCHEMA = "must be one line without $ % \" ' \\ and `; "
UNKNOWN = "unknown value; use "

WORDS = [
    ("5", TEXT),
    ('""', LINE),
    ('" Deep"', LINE),
    ('"a\\u001bb"', LINE),
    ('"a\\nb"', LINE),
    ('"a\\u202eb"', LINE),
    (f'"{"x" * 81}"', f' = "{"x" * 56}...: {LINE}'),
    ('"On {{ torch }}"', f"holds {{{{, {MARK}"),
    ('"100 {% done"', f"holds {{%, {MARK}"),
    ('"{# 1"', f"holds {{#, {MARK}"),
]

VALUES: dict[str, list[tuple[str, str]]] = {
    "architectures": [
        ('["riscv64"]', '[0] = "riscv64": is no architecture that products are built for; use "amd64" or "arm64"'),
        ("[]", "names no architecture; name at least one"),
        ('["arm64", "arm64"]', "names arm64 twice; keep one"),
        ('"arm64"', 'must be a list of texts, not text; write it like ["one", "two"]'),
        ("[64]", f"[0] = 64: {TEXT}"),
        ('["amd64"]', '!python.arm64: architectures does not name "arm64"; add it there, or remove the table'),
    ],
    "products": [
        ("[]", 'names no product; name at least one of "appliance", "cpu", "cuda"'),
        ('["cuda", "cuda"]', "names cuda twice; keep one"),
        ('["gpu"]', f"[0] = \"gpu\": {UNKNOWN}'appliance', 'cpu' or 'cuda'"),
        ("true", "must be a list of texts, not true/false; "),
    ],
    "course.code": [
        ("559", TEXT),
        ('"EE/559"', "must be letters and digits, joined by single hyphens, at most 20; write it like"),
        ('"../x"', "must be letters and digits"),
        ('"559"', "must be letters and digits"),
        ('"EE--559"', "must be letters and digits"),
        (f'"E{"5" * 20}"', "must be letters and digits"),
    ],
    "course.title": [*WORDS, ("2027-02-22", ' = "2027-02-22": must be text, not a date; write it in quotes')],
    "course.institution": WORDS[:2] + WORDS[-3:-2],
    "course.semester": [
        ("2027", TEXT),
        ('"spring"', NAME),
        ('"27-spring"', NAME),
        ('"2027-Fall"', NAME),
        ('"1999-fall"', NAME),
        ('"2027--a"', NAME),
        ('"2027_a"', NAME),
        (f'"2027-{"a" * 36}"', NAME),
        ('"2027-spring-r2"', 'ends like the name of a release; write it like "2027-spring" or "2027-w1"'),
        ('"2027-content"', "ends like the name of a release; "),
        ('"2028-spring"', "the folder is called 2027-spring; give both the same name"),
    ],
    "course.info": [
        ("5", PAGE),
        ('"ftp://host/"', PAGE),
        ('"host"', PAGE),
        ('"https://host/a b"', PAGE),
        ('"https://host/{{x}}"', f"holds {{{{, {MARK}"),
    ],
    "course.thanks": [
        ("5", TEXT),
        (f'"{"x" * 501}"', f' = "{"x" * 56}...: must be one line of 1 to 500 visible characters; shorten it'),
        ('"{{ x }}"', f"holds {{{{, {MARK}"),
    ],
    "course.links.forum": [("5", PAGE), ('"here"', PAGE), ('["https://host/"]', PAGE)],
    "course.sessions[0].date": [
        ('"2027-02-22"', "is no date; write it without quotes, like 2027-02-22"),
        ("2027-02-22T08:00:00", ' = "2027-02-22 08:00:00": is no date; write it without quotes'),
        ("20270222", "is no date; "),
    ],
    "course.sessions[0].title": WORDS[:2] + WORDS[-3:-2],
    "course.sessions[0].lecture": [
        ('"lecture-2"', "not in course_content/lectures; did you mean lecture-1?"),
        ("1", TEXT),
    ],
    "course.sessions[0].practical": [
        ('"x"', "not in course_content/practicals; what is there: practical-1"),
        ('"practicals/practical-1"', "not in course_content/practicals; did you mean practical-1?"),
        ('"../practicals"', "not in course_content/practicals; "),
    ],
    "course.sessions[0].project": [('"eeg"', "not in course_content/projects; what is there: pairs")],
    "course.sessions[0].slides": [('"1.pdf"', PAGE)],
    "debian.suite": [
        ('"buster"', f"{UNKNOWN}'bookworm' or 'trixie'"),
        ("12", f"{UNKNOWN}'bookworm' or 'trixie'"),
        ('"Bookworm"', f"{UNKNOWN}'bookworm' or 'trixie'"),
    ],
    "debian.packages": [
        ('["Git"]', f'[0] = "Git": {DEBIAN}'),
        ('["git; reboot"]', f'[0] = "git; reboot": {DEBIAN}'),
        ('["--help"]', f'[0] = "--help": {DEBIAN}'),
        ('["git=1:2.39"]', f'[0] = "git=1:2.39": {DEBIAN}'),
        ('["git", "git"]', "names git twice; keep one"),
        ('["git", 3]', f"[1] = 3: {TEXT}"),
        ('[["git"]]', '[0] = ["git"]: must be text, not a list; write it in quotes'),
        ('"git"', 'must be a list of texts, not text; write it like ["one", "two"]'),
        ('["linux-image"]', "names linux-image, which containers cannot have; move it to debian.appliance_packages"),
    ],
    "debian.appliance_packages": [
        ('["sudo", "linux-image-arm64"]', '[1] = "linux-image-arm64": the kernel of arm64 alone; write "linux-image"'),
    ],
    "python.requires": [
        ("[]", 'names no package; name at least one, for example "numpy"'),
        ('"numpy"', "must be a list of texts, not text; "),
        ('["numpy=>2"]', f'[0] = "numpy=>2": {PYTHON}'),
        ('["numpy==two"]', f'[0] = "numpy==two": {PYTHON}'),
        ('["numpy 2"]', f'[0] = "numpy 2": {PYTHON}'),
        ('["-r others.txt"]', f'[0] = "-r others.txt": {PYTHON}'),
        ('["./wheels/a.whl"]', f'[0] = "./wheels/a.whl": {PYTHON}'),
        ('["numpy; python > 3"]', f'[0] = "numpy; python > 3": {PYTHON}'),
        (
            '["numpy @ https://host/n.whl"]',
            '[0] = "numpy @ https://host/n.whl": names an address; name the package and its version',
        ),
        ('["numpy", "NumPy>2"]', "names numpy twice; keep one"),
        ('["python>=3.12"]', '[0] = "python>=3.12": is Python itself, which Debian brings; remove it'),
        ('["torch"]', f'[0] = "torch": {PINNED}'),
        ('["torch>=2.13.0"]', f'[0] = "torch>=2.13.0": {PINNED}'),
        ('["torch==2.13.*"]', f'[0] = "torch==2.13.*": {PINNED}'),
        ('["torch==2.13.0,!=2.12"]', f'[0] = "torch==2.13.0,!=2.12": {PINNED}'),
        ('["torch==2.13.0+cpu"]', '[0] = "torch==2.13.0+cpu": must not name a variant (+cpu); leave it out'),
        (
            "['torch==2.13.0; sys_platform == \"linux\"']",
            '[0] = "torch==2.13.0; sys_platform == \\"linux\\"": must hold everywhere; remove what follows the ;',
        ),
    ],
    "python.arm64.requires": [
        ('["numpy>=2"]', 'must be pinned to one version; write it like "numpy==2.13.0"'),
        ('["scipy==1.0"]', '[0] = "scipy==1.0": python.requires does not name this package; name it there too'),
        ('["torch==2.10.0+cpu"]', '[0] = "torch==2.10.0+cpu": must not name a variant (+cpu); leave it out'),
    ],
    "appliance.cpus": [
        ("0", "virtual processors, must be 1 to 32; the default is 2"),
        ("33", "virtual processors, must be 1 to 32; the default is 2"),
        ("-1", "virtual processors, must be 1 to 32; the default is 2"),
        ('"2"', "must be a whole number, not text; write it without quotes and point"),
        ("true", "must be a whole number, not true/false; "),
        ("2.0", "must be a whole number, not a decimal number; "),
        ("nan", " = NaN: must be a whole number, not a decimal number; "),
        ("[2]", "must be a whole number, not a list; "),
        ("2027-02-22", ' = "2027-02-22": must be a whole number, not a date; '),
        ("9" * 30, "virtual processors, must be 1 to 32; "),
    ],
    "appliance.memory_mb": [
        ("12", "memory in MB, must be 1024 to 65536; the default is 4096"),
        ("65537", "memory in MB, must be 1024 to 65536; "),
        ('"4 GB"', "must be a whole number, not text; "),
    ],
    "appliance.disk_gb": [("7", "virtual disk in GB, grown at"), ("2001", "virtual disk in GB, grown at")],
    "appliance.user": [
        ('"Student"', USER),
        ('"9lives"', USER),
        ('"a b"', USER),
        (f'"{"a" * 33}"', USER),
        ('"root"', TAKEN),
        ('"www-data"', TAKEN),
        ('"sshd"', TAKEN),
    ],
    "appliance.jupyter_port": [
        ("0", PORT),
        ("65536", PORT),
        ("2022", "!appliance: jupyter_port and ssh_port are both 2022; give each its own port"),
        ('"8888"', "must be a whole number, not text; "),
    ],
    "appliance.ssh_port": [("-1", PORT), ("22", "a host port below 1024 needs administrator rights; choose a port")],
    "appliance.access": [('"none"', f"{UNKNOWN}'code' or 'open'"), ("false", f"{UNKNOWN}'code' or 'open'")],
    "content.include": [
        ("[]", 'names nothing; name at least one file or folder, for example "practicals"'),
        ('"pages"', "must be a list of texts, not text; "),
        ('["pages", "pages"]', "names pages twice; keep one"),
        ('["/etc"]', f'[0] = "/etc": {LEAVES}'),
        ('["../secret"]', f'[0] = "../secret": {LEAVES}'),
        ('["a/../../b"]', f'[0] = "a/../../b": {LEAVES}'),
        ('["."]', f'[0] = ".": {PLAIN}'),
        ('["pages/"]', f'[0] = "pages/": {PLAIN}'),
        ('["a\\\\b"]', f'[0] = "a\\\\b": {PLAIN}'),
        ('["a\\u0000"]', f'[0] = "a\\u0000": {PLAIN}'),
        ('["page"]', '[0] = "page": not in course_content/; did you mean pages?'),
        ('["x"]', '[0] = "x": not in course_content/; what is there: lectures, pages, practicals,'),
        ('["tools"]', '[0] = "tools": is the package of the course\'s commands, which come without'),
        ('["tools/src"]', '[0] = "tools/src": is the package of the course\'s commands'),
        ('[".git"]', '[0] = ".git": is hidden, and hidden files never come; '),
        ('["manifest.json"]', '[0] = "manifest.json": is the name of the list of all files; rename the file'),
        (f'["{"x" * 300}"]', f'[0] = "{"x" * 56}...: cannot be found (File name too long); name a file or folder'),
        ('["a{{b"]', f'[0] = "a{{{{b": holds {{{{, {MARK}'),
    ],
    "content.solutions": [
        ("0", 'must be true, false or a table of dates; write it like {"practical-1" = 2027-03-01}'),
        ('"yes"', "must be true, false or a table of dates; "),
        ("[true]", "must be true, false or a table of dates; "),
        ('{practical-1 = "2027-03-01"}', ': "practical-1" = "2027-03-01" is no date; write it without quotes, like'),
        ("{practical-1 = 2027-03-01T08:00:00}", ': "practical-1" = "2027-03-01 08:00:00" is no date; '),
        ("{practical-1 = true}", ': "practical-1" = true is no date; '),
        (
            "{practical-9 = 2027-03-01}",
            ': "practical-9" is no practical, project or lecture of course_content/;',
        ),
    ],
    "content.release": [
        ("0", "number of the content release, must be 1 to 9999; the default is 1"),
        ("10000", "number of the content release, must be 1 to 9999; "),
        ("1.5", "must be a whole number, not a decimal number; "),
    ],
    "data.sets": [
        ('["imagenet"]', f"[0] = \"imagenet\": {UNKNOWN}'mnist' or 'cifar10'"),
        ('"mnist"', "must be a list of texts, not text; "),
        ('["mnist", "mnist"]', "names mnist twice; keep one"),
    ],
    "data.source": [('"fake"', f"{UNKNOWN}'real', 'stand-in' or 'real-or-stand-in'")],
    "release.address": [
        *(
            (f'"{address}"', ADDRESS)
            for address in (
                *("releases", "ftp://host/x", "https://", "https://me@host/x", "https://host/x?y", "https://host/ x"),
                *("https://[::1", "https://host:99999/x", "https://h\u00f6st/x", "https://host/x#y"),
            )
        ),
        ("5", TEXT),
        ('"https://host/{{"', f"holds {{{{, {MARK}"),
    ],
    "release.registry": [
        ('"https://host/ee559"', 'is no name of an image in a registry; write it like "HOST/GROUP/ee559"'),
        ('"host/ee559:tag"', "is no name of an image in a registry; "),
        ("5", TEXT),
    ],
    "release.updates": [
        ('"no"', "must be true or false, not text; write it without quotes"),
        ("1", "must be true or"),
    ],
    "environment.COURSE_LEVEL": [
        ("1", TEXT),
        *((value, f" = {value}: {SCHEMA}") for value in ('"$HOME"', '"50 %"', '"a`b"', '"a\\nb"')),
        ('"{{ x }}"', f"holds {{{{, {MARK}"),
    ],
}
