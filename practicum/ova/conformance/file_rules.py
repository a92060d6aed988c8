"""Rules about the file as a whole. Where one is broken, the others have nothing to judge."""

from collections.abc import Iterator
from functools import partial

from practicum.ova.conformance.kind import name_kind
from practicum.ova.conformance.rules import IMPORT, Rule, rule
from practicum.ova.conformance.subject import Ova

RULES: list[Rule] = []
_rule = partial(rule, RULES)
_MAX_NAMES = 3  # of an archive's members that are spelled out


@_rule("file.kind", IMPORT, "the file is a tar archive with an .ovf", prevents="OVA '%s' does not contain an .ovf-file")
def check_kind(ova: Ova) -> Iterator[str]:
    names = [member.name for member in ova.archive.members]
    if not ova.size:
        yield "it is empty: download it again"
    elif not names:
        yield f"it is {name_kind(ova.head)}"
    elif not any(name.endswith(".ovf") for name in ova.files) and not ova.archive.cut:
        more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
        yield f"it is a tar archive of {', '.join(names[:_MAX_NAMES])}{more}, without an .ovf: give the .ova"


@_rule("file.complete", IMPORT, "the file is there to its last byte", prevents="Error reading OVA '%s' (VERR_EOF)")
def check_complete(ova: Ova) -> Iterator[str]:
    if ova.hollow:  # some programs make a file as long as its download at once
        yield f"more than half of its {ova.size} bytes were never written: download it again"
    elif ova.archive.cut:
        yield ova.archive.cut
