"""A TOML file that a person wrote, read; or what is wrong with it, where, and what mends it."""

import codecs
import re
import shlex
import stat
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

from practicum.engine.errors import PracticumError
from practicum.semester.toml_errors import suggest

BYTE_ORDER_MARK = "\ufeff"
WITHOUT_MARK = r"sed -i '1s/^\xef\xbb\xbf//'"
CONFLICT = re.compile(r"^(<<<<<<<|>>>>>>>) ", re.MULTILINE)
"""What git leaves where it could not merge."""

TOML_CURES = (
    ("Cannot overwrite a value", "each key stands once: remove the second"),
    ("Duplicate inline table key", "each key stands once: remove the second"),
    ("Cannot declare", "each table stands once: move its keys into the first"),
    ("Cannot mutate", "this table or list is complete already: write its keys in one place"),
    ("Expected '=' after a key", "write it like key = value"),
    ("Invalid statement", "write it like key = value"),
    ("Expected newline or end of document", "only a comment may follow a value; dates are like 2027-03-01"),
    ("Invalid date", "write a day that the calendar has, like 2027-03-01"),
    ("Unclosed array", "a comma or a ] is missing, here or in the line above"),
    ("Unclosed inline table", "a comma or a } is missing"),
    ("Unterminated string", "a closing quote is missing"),
    ('Expected "\'"', "a closing quote is missing"),
    ("Illegal character", "a closing quote is missing in this line, or it holds a control character"),
    ("Found invalid character", "remove the control character"),
    ("Unescaped '\\' in a string", "write each backslash twice, or use single quotes"),
    ("Escaped character is not", "write the letter itself"),
    ("Expected ']'", "write the table's name like [debian]"),
    ("Invalid initial character for a key", "a name is missing: no [] is empty, and no comma stands before a }"),
)
"""How the words of Python's reader begin, and what mends the file."""


def read_toml(file: Path, label: str) -> dict[str, Any]:
    """Return the file's keys and values; raise PracticumError, which names the file as `label`."""
    text = read_text(file, label)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise explain_toml(str(error), text, label) from None
    except RecursionError:
        raise PracticumError(label, "not TOML (brackets inside brackets without end)", "close each [ and {") from None
    except ValueError as error:  # Python reads no number of thousands of digits
        raise PracticumError(label, f"not TOML ({str(error).partition(';')[0]})", "write a shorter number") from None


def read_text(file: Path, label: str) -> str:
    """Return the text of a TOML file; raise PracticumError for what is no text, in the words of whoever wrote it."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):  # the end of a pipe or a device may never come
            raise PracticumError(label, "a folder, a pipe or a device, not a file", "put a text file in its place")
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        if file.is_symlink():
            reason = f"a link to {file.readlink()}, which is not there"
            raise PracticumError(label, reason, "put a text file in its place") from None
        known = sorted(path.parent.name for path in file.parent.parent.glob("*/semester.toml"))
        hint = suggest(file.parent.name, known, f"semesters here: {', '.join(known) or 'none'}")
        raise PracticumError(label, "no such file", hint) from None
    except UnicodeDecodeError as error:
        raise explain_encoding(error, label) from None
    except OSError as error:
        raise PracticumError(label, f"cannot be read ({error.strerror})", "make it a readable file") from None
    if text.startswith(BYTE_ORDER_MARK):
        cure = f"remove it: {WITHOUT_MARK} {shlex.quote(label)}"
        raise PracticumError(label, "line 1: a byte order mark, which TOML forbids", cure)
    if "\0" in text:
        line = text.partition("\0")[0].count("\n") + 1
        raise PracticumError(label, f"line {line}: a NUL byte, as UTF-16 has them", "save the file as UTF-8")
    return text


def explain_toml(told: str, text: str, label: str) -> PracticumError:
    """Return what a person can do about a file that is no TOML, by what tomllib `told` about its text."""
    if conflict := CONFLICT.search(text):
        line = text.count("\n", 0, conflict.start()) + 1
        reason = "not TOML (git left both sides of a merge here)"
        return PracticumError(label, f"line {line}: {reason}", "keep one side and remove the marks")
    # Python 3.11 gives the place only inside the message: "Invalid value (at line 3, column 5)".
    reason, _, place = told.rstrip(")").rpartition(" (at ")
    reason = re.sub(r"\('(.*?)',?\)", lambda key: f"[{key[1].replace(chr(39), '').replace(', ', '.')}]", reason)
    found = re.fullmatch(r"line (\d+), column (\d+)", place)
    if not found:
        return PracticumError(label, f"its end: not TOML ({reason})", find_toml_cure(reason))
    line, column = int(found[1]), int(found[2])
    letter = text.split("\n")[line - 1][column - 1 : column]
    if letter and not letter.isascii():
        name = unicodedata.name(letter, f"U+{ord(letter):04X}")
        cure = 'write straight quotes (") and plain blanks, and put other letters into quotes'
        return PracticumError(label, f"line {line}: not TOML (here is a {name})", cure)
    return PracticumError(label, f"line {line}: not TOML ({reason})", find_toml_cure(reason))


def find_toml_cure(reason: str) -> str:
    """Return what mends a file that is not TOML, by the `reason` that tomllib gives."""
    fitting = (cure for start, cure in TOML_CURES if reason.startswith(start))
    return next(fitting, "texts need quotes, tables [brackets], true and false small letters")


def explain_encoding(error: UnicodeDecodeError, label: str) -> PracticumError:
    """Return what a person can do about a file that is not UTF-8."""
    line = error.object.count(b"\n", 0, error.start) + 1
    is_utf16 = error.object[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding, name = "UTF-16" if is_utf16 else "ISO-8859-1", shlex.quote(label)
    cure = f"convert it: iconv -f {encoding} -t UTF-8 {name} >new.toml && mv new.toml {name}"
    return PracticumError(label, f"line {line}: not UTF-8, but perhaps {encoding}", cure)
