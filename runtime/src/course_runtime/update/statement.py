"""What content.json states of a content release, once its signature is verified.

The file is {"payload": base64 of the statement, "signature": text of `ssh-keygen -Y sign`}. Format of the signers:
ALLOWED SIGNERS in ssh-keygen(1).
"""

import base64
import json
import re
import tempfile
from dataclasses import dataclass, fields
from typing import Any

from course_runtime.machine.machine import Course, CourseError, Machine
from course_runtime.update.answers import TELL, Untrue

STATEMENT = "content.json"
LIMIT = 64 << 10
"""The most bytes of content.json."""

ARCHIVE_LIMIT = 64 * 10**6
"""The most bytes of an archive."""

SIGNERS = "/opt/course/signers"
PRINCIPAL, NAMESPACE = "release", "practicum-content"
VERSION = 1


@dataclass(frozen=True)
class Statement:
    """Which content release this is; `file` is the name of its archive, `bytes` the size, `sha256` in hexadecimal."""

    course: str
    semester: str
    release: int
    file: str
    bytes: int
    sha256: str


def read_statement(text: bytes, machine: Machine, where: str) -> Statement:
    """Return what `text`, a content.json, states.

    Raise Untrue, naming `where`, when it is none or nobody of the course signed it, CourseError when this machine
    cannot tell.
    """
    try:
        signed = json.loads(text)
        payload, signature = base64.b64decode(signed["payload"], validate=True), str(signed["signature"])
        for part in (payload, signature.encode()):
            part.decode("ascii")
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Untrue(f"{where} is no statement about a content release", TELL) from None
    verify(payload.decode("ascii"), signature, machine, where)
    return parse(payload, where)


def verify(payload: str, signature: str, machine: Machine, where: str) -> None:
    """Raise Untrue unless a key of the course signed `payload`; see `read_statement`."""
    signers = machine.path(SIGNERS)
    if not signers.is_file() or not signers.stat().st_size:
        raise CourseError(f"{signers} names no key", "this course releases no content; ask your assistants")
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="course-", suffix=".sig") as file:
        file.write(signature)
        file.flush()
        argv = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", PRINCIPAL, "-n", NAMESPACE, "-s", file.name]
        done = machine.run(argv, stdin=payload, timeout=60)
    if done.status in (124, 127) or "No user exists" in done.output:
        raise CourseError(f"the signature cannot be verified ({done.output.strip()})", TELL)
    if done.status:
        raise Untrue(f"{where} is not signed with a key of this course", TELL)


def parse(payload: bytes, where: str) -> Statement:
    """Return the signed statement; raise Untrue when a value is not as it must be."""
    try:
        values: dict[str, Any] = json.loads(payload)
        if values["version"] != VERSION:
            cure = "nothing was changed; take the newest machine or image of the course"
            raise CourseError(f"{where} is for a later machine (version {values['version']})", cure)
        statement = Statement(**{field.name: values[field.name] for field in fields(Statement)})
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Untrue(f"{where} states too little", TELL) from None
    numbers = (statement.release, statement.bytes)
    texts = (statement.course, statement.semester, statement.file, statement.sha256)
    if not (
        all(type(number) is int and number > 0 for number in numbers)
        and all(type(text) is str for text in texts)
        and statement.release < 10**4
        and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", statement.file)
        and re.fullmatch(r"[0-9a-f]{64}", statement.sha256)
    ):
        raise Untrue(f"{where} states something impossible", TELL)
    if statement.bytes > ARCHIVE_LIMIT:
        raise Untrue(f"{where} announces {statement.bytes} bytes, {ARCHIVE_LIMIT} are the most", TELL)
    return statement


def require_own(statement: Statement, course: Course, where: str) -> None:
    """Raise Untrue when the content release is that of another course or semester."""
    if (statement.course, statement.semester) != (course.code, course.semester):
        theirs, ours = f"{statement.course} {statement.semester}", f"{course.code} {course.semester}"
        raise Untrue(f"{where} is of {theirs}, this machine of {ours}", TELL)
