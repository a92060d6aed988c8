"""A TOML file that a person wrote, read; or what is wrong with it, where, and what mends it."""

import codecs
import shlex
import tomllib
from pathlib import Path
from typing import Any

from practicum.engine.errors import PracticumError
from practicum.semester.toml_errors import suggest

BYTE_ORDER_MARK = "\ufeff"
WITHOUT_MARK = r"sed -i '1s/^\xef\xbb\xbf//'"

TOML_CURES = (
    ("Cannot overwrite a value", "each key stands once: remove the second"),
    ("Duplicate inline table key", "each key stands once: remove the second"),
    ("Cannot declare", "each table stands once: move its keys into the first"),
    ("Cannot mutate", "this table or list is complete already: write its keys in one place"),
    ("Expected '=' after a key", "write it like key = value"),
    ("Invalid statement", "write it like key = value"),
    ("Expected newline or end of document", "only a comment may follow a value; dates are like 2027-03-01"),
    ("Unclosed array", "a comma or a ] is missing"),
    ("Unclosed inline table", "a comma or a } is missing"),
    ("Unterminated string", "a closing quote is missing"),
    ("Illegal character", "a closing quote is missing in this line, or it holds a control character"),
    ("Unescaped '\\' in a string", "write each backslash twice, or use single quotes"),
    ("Expected ']'", "write the table's name like [debian]"),
    ("Invalid initial character for a key", "a name between the brackets is missing"),
)
"""How the words of Python's reader begin, and what mends the file."""


def read_toml(file: Path, label: str) -> dict[str, Any]:
    """Return the file's keys and values; raise PracticumError, which names the file as `label`."""
    try:
        text = file.read_text(encoding="utf-8")
        if text.startswith(BYTE_ORDER_MARK):
            cure = f"remove it: {WITHOUT_MARK} {shlex.quote(label)}"
            raise PracticumError(label, "line 1: a byte order mark, which TOML forbids", cure)
        return tomllib.loads(text)
    except FileNotFoundError:
        known = sorted(path.parent.name for path in file.parent.parent.glob("*/semester.toml"))
        hint = suggest(file.parent.name, known, f"semesters here: {', '.join(known) or 'none'}")
        raise PracticumError(label, "no such file", hint) from None
    except tomllib.TOMLDecodeError as error:
        # Python 3.11 gives the place only inside the message: "Invalid value (at line 3, column 5)".
        reason, _, place = str(error).rstrip(")").rpartition(" (at ")
        line = place.split(",")[0]
        raise PracticumError(label, f"{line}: not TOML ({reason})", find_toml_cure(reason)) from None
    except UnicodeDecodeError as error:
        raise explain_encoding(error, label) from None
    except OSError as error:
        raise PracticumError(label, f"cannot be read ({error.strerror})", "make it a readable file") from None


def find_toml_cure(reason: str) -> str:
    """Return what mends a file that is not TOML, by the `reason` that tomllib gives."""
    fitting = (cure for start, cure in TOML_CURES if reason.startswith(start))
    return next(fitting, "texts need quotes, tables [brackets]")


def explain_encoding(error: UnicodeDecodeError, label: str) -> PracticumError:
    """Return what a person can do about a file that is not UTF-8."""
    line = error.object.count(b"\n", 0, error.start) + 1
    is_utf16 = error.object[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding, name = "UTF-16" if is_utf16 else "ISO-8859-1", shlex.quote(label)
    cure = f"convert it: iconv -f {encoding} -t UTF-8 {name} >new.toml && mv new.toml {name}"
    return PracticumError(label, f"line {line}: not UTF-8, but perhaps {encoding}", cure)
