"""`practicum check`: whether a build would take the files of a course, without a build and without a network."""

from practicum.semester.description import Semester
from practicum.semester.locks import check_locks
from practicum.semester.settings import list_signers, list_special_commands


def check_files(semester: Semester) -> bool:
    """Return whether `semester` has its locks; raise PracticumError where one does not fit, or another file is wrong.

    A semester without any lock is a new one, and not wrong.
    """
    list_signers(semester)
    list_special_commands(semester)
    return check_locks(semester)
