"""Where things lie: a course is a folder anywhere, and practicum builds it with the files of its own checkout."""

from pathlib import Path

from practicum.engine import source
from practicum.engine.errors import PracticumError

COURSE = "PRACTICUM_COURSE"
"""The environment variable that names the folder of the course; `practicum --course` sets it."""

SEMESTERS = "semesters"
CONTENT = "course_content"
TOOLS = f"{CONTENT}/tools"
"""The package of the course's own commands, below the folder of the course; a course may do without."""

DATA_TOOLS = f"{TOOLS}/src/course_tools/datasets"
"""The package of the course that fetches and makes the data sets of `data.sets`."""

OVERRIDES = "jupyterlab/overrides.json"
"""The course's settings of JupyterLab, which win over those of practicum."""

FILES = "files"
"""A folder of files for the products, at the same paths: files/etc/motd becomes /etc/motd."""

TASKS = "ansible/tasks.yml"
"""Tasks of Ansible that run as root in each product, before the content comes."""

LEFT_OUT = "ansible/trim/packages.txt"
"""A file of the checkout with the packages that no product has though others ask for them, each with its reason."""

TEMPLATES = "packer/build.pkr.hcl"
"""A file by which a checkout of practicum is known."""


def find_checkout(course: Path) -> Path:
    """Return the checkout whose files build `course`: the folder itself if it is one, else that of this package.

    Raises PracticumError where this package does not lie in a checkout.
    """
    for folder in (course, source.ROOT.parent):
        if (folder / TEMPLATES).is_file():
            return folder
    reason = f"{TEMPLATES} is not beside the package: practicum is installed without its checkout"
    raise PracticumError(str(source.ROOT), reason, "install it so: pip install --editable CHECKOUT")


def is_course(folder: Path) -> bool:
    """Return whether `folder` describes semesters."""
    return (folder / SEMESTERS).is_dir()
