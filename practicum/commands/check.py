"""`practicum check`: whether a build would take the files of a course, without a build and without a network."""

from practicum.course.content import list_files
from practicum.engine.errors import PracticumError
from practicum.semester.description import Semester
from practicum.semester.locks import check_locks
from practicum.semester.settings import list_signers, list_special_commands
from practicum.semester.toml_errors import quote


def check_files(semester: Semester) -> bool:
    """Return whether `semester` has its locks; raise PracticumError where one does not fit, or another file is wrong.

    A semester without any lock is a new one, and not wrong.
    """
    check_content(semester)
    list_signers(semester)
    list_special_commands(semester)
    return check_locks(semester)


def check_content(semester: Semester) -> None:
    """Raise PracticumError unless each included file can be given to students, and there is one."""
    root, solutions = semester.content_root.resolve(), semester.content.solutions
    dated = solutions if isinstance(solutions, bool) else {name: str(day) for name, day in solutions.items()}
    file, names = f"semesters/{semester.id}/semester.toml", semester.content.include
    selected = 0
    for index, name in enumerate(names):
        try:
            selected += len([*list_files(root, name, solutions=dated)])
        except PracticumError as error:
            where = f"{file}: content.include[{index}] = {quote(name)}: {error.where.removeprefix(f'{root}/')}"
            raise PracticumError(where, error.reason, error.cure) from None
    if not selected:
        where = f"{file}: content.include = {quote([*names])}"
        raise PracticumError(where, "selects no file", "name a path that has one")
