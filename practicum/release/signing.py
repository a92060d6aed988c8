"""Signatures by `ssh-keygen -Y`, against the public keys in semesters/allowed_signers.

Of a release, SHA256SUMS is signed; of a content release, the statement in content.json, in a namespace of its own.

Format: ALLOWED SIGNERS in ssh-keygen(1). Windows 10, macOS and every Linux have the program, so students need no other.
"""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from practicum.engine.errors import PracticumError, ProgramFailed
from practicum.engine.run import run
from practicum.engine.tools import require
from practicum.release.sums import SIGNATURE, SUMS, Untrue

NAMESPACE = "practicum-release"
PRINCIPAL = "release"

_KEY_LINE = re.compile(r"(?P<names>\S+)\s+(?P<options>.*?)(?P<key>(?:sk-)?(?:ssh|ecdsa)-\S+ [A-Za-z0-9+/=]+)")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]+")


def sign_argv(file: Path, key: Path, namespace: str = NAMESPACE) -> list[str]:
    """Return the command that writes the signature of `file` beside it, as `<file>.sig`."""
    return ["ssh-keygen", "-Y", "sign", "-n", namespace, "-f", str(key), str(file)]


def verify_argv(signature: Path, signers: Path, namespace: str = NAMESPACE) -> list[str]:
    """Return the command that tells whether standard input is what an allowed signer signed."""
    return [
        "ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", PRINCIPAL, "-n", namespace, "-s", str(signature),
    ]  # fmt: skip


def check_argv(signature: Path) -> list[str]:
    """Return the command that tells whether standard input is what was signed, and prints by which key."""
    return ["ssh-keygen", "-Y", "check-novalidate", "-n", NAMESPACE, "-s", str(signature)]


def sign(folder: Path, key: Path) -> None:
    """Write the signature of the folder's SHA256SUMS; errors as in `sign_file`."""
    sign_file(folder / SUMS, key, NAMESPACE)


def sign_file(file: Path, key: Path, namespace: str) -> Path:
    """Write the signature of `file` beside it, and return its path, `<file>.sig`.

    key: the private key, or the public one of a key that ssh-agent holds. Raises PracticumError when there is no key,
    or when it is locked and no agent holds it.
    """
    signature = file.with_name(f"{file.name}.sig")
    require("ssh-keygen")
    if not key.is_file():
        raise PracticumError(str(key), "no such key", f"make one: ssh-keygen -t ed25519 -f {key}")
    signature.unlink(missing_ok=True)  # ssh-keygen would ask before it replaces one
    quiet = {"SSH_ASKPASS_REQUIRE": "never"}  # a window that asks for the passphrase would hang a build
    try:
        run(sign_argv(file, key, namespace), step="signing", contain=False, env=quiet)
    except ProgramFailed:
        raise PracticumError(
            str(key), "is no private key, or has a passphrase and no ssh-agent holds it", f"run: ssh-add {key}"
        ) from None
    return signature


def is_allowed(file: Path, signature: Path, signers: Path, namespace: str) -> bool:
    """Return whether the file of allowed signers accepts `signature` for `file`."""
    require("ssh-keygen")
    return bool(_ask(verify_argv(signature, signers, namespace), file))


def verify_signature(signed: bytes, signature: bytes, signers: Path) -> str:
    """Return the fingerprint of the allowed key that signed `signed`, the bytes of a SHA256SUMS.

    signature: the bytes of SHA256SUMS.sig. signers: the file of allowed keys. Raises Untrue when other bytes were
    signed or another key signed them, PracticumError when `signers` lists no key.
    """
    require("ssh-keygen")
    listed = list_signers(signers)
    if not listed:
        raise PracticumError(str(signers), "lists no key", "add the public key of who signs: its comments say how")
    with tempfile.TemporaryDirectory(prefix="practicum-") as name:
        data, sig = Path(name, SUMS), Path(name, SIGNATURE)
        data.write_bytes(signed)
        sig.write_bytes(signature)
        fingerprint = _ask(check_argv(sig), data)
        if not fingerprint:
            raise Untrue(SUMS, f"is not what {SIGNATURE} signs", "fetch both files again")
        if not _ask(verify_argv(sig, signers), data):
            cure = f"ask your assistants; if the key is theirs, add it to {signers}"
            raise Untrue(SIGNATURE, f"was made with {fingerprint}, which {signers} does not allow", cure)
    return fingerprint


def list_signers(signers: Path) -> list[str]:
    """Return the public keys ("ssh-ed25519 AAAA...") that may sign a release."""
    try:
        lines = signers.read_text().splitlines()
    except OSError as error:
        raise PracticumError(
            str(signers), f"cannot be read ({error.strerror})", "git checkout -- semesters/allowed_signers"
        ) from None
    found = []
    for line in lines:
        match = _KEY_LINE.match(line.strip())
        if match and not line.lstrip().startswith("#") and PRINCIPAL in match["names"].strip('"').split(","):
            namespaces = re.search(r'namespaces="([^"]*)"', match["options"])
            if not namespaces or NAMESPACE in namespaces[1].split(","):
                found.append(match["key"])
    return found


def _ask(argv: Sequence[str], data: Path) -> str:
    """Return the fingerprint that ssh-keygen prints, "" when it says no."""
    try:
        done = run(argv, step="signature", contain=False, stdin=data)
    except ProgramFailed:
        return ""
    found = _FINGERPRINT.search("\n".join(done.tail))
    return found[0] if found else ""
