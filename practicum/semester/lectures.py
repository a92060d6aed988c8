"""The lectures of a semester, and whether they were run with its packages, prologue and data sets."""

import json
from hashlib import sha256

from practicum.engine import cache
from practicum.recipes.course import Executed, find_executed
from practicum.semester.description import Semester
from practicum.semester.locks import place_lock

READ = ("prologue", "tools/src/course_tools/datasets")
"""What of course_content/ a lecture reads besides its own text."""


def find_lectures(semester: Semester) -> Executed:
    """Return the lectures of the semester.

    They run with the packages of its first variant for its first architecture, whichever products show them.
    """
    root = semester.content_root
    lock = place_lock(semester, semester.variants[0], semester.built_for[0])
    files = [lock, *(path for name in READ if (path := root / name).exists())]
    digests = [cache.hash_tree(path) for path in files if path.exists()]
    environment = json.dumps([digests, semester.data.sets, semester.data.source])
    return find_executed(root, semester.content.include, sha256(environment.encode()).hexdigest())
