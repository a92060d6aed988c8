"""Where the products come from: an in-toto Statement v1 with SLSA's predicate v1, signed in a DSSE envelope.

The statement says which files and images were made (its subjects), from which commit, locks and materials. It has no
time but the commit's and no name of a machine, so a second build writes the same bytes.

Sources: the specifications "in-toto Statement v1", "SLSA Provenance v1" and "DSSE v1.0".
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from practicum.engine.errors import PracticumError
from practicum.engine.publish import write_text
from practicum.release.record import Record
from practicum.release.signing import list_signers
from practicum.release.sums import Untrue

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FILE = "provenance.intoto.jsonl"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:practicum:release:v1"
BUILDER = "urn:practicum:make-release"


def write_provenance(folder: Path, record: Record, key: Path | None, *, materials: Mapping[str, str]) -> None:
    """Write provenance.intoto.jsonl into the folder of a release.

    key: an ed25519 private key of OpenSSH; without one the envelope has no signature. materials: path in the
    repository -> sha256 in hex. Raises PracticumError when the key is of another kind or has a passphrase.
    """
    statement = make_statement(record, materials)
    payload = json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
    signatures = [sign_payload(payload, key)] if key else []
    envelope = {"payload": _encode(payload), "payloadType": PAYLOAD_TYPE, "signatures": signatures}
    write_text(folder / FILE, json.dumps(envelope) + "\n")


def make_statement(record: Record, materials: Mapping[str, str]) -> dict[str, Any]:
    """Return the statement on the products of a release."""
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in list_subjects(record)],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"semester": record.semester, "revision": record.revision},
                "resolvedDependencies": [
                    {"name": "practicum", "digest": {"gitCommit": record.revision}},
                    *({"name": name, "digest": {"sha256": digest}} for name, digest in sorted(materials.items())),
                ],
            },
            # A time of the build would make every build another one: this is the time of the commit.
            "runDetails": {
                "builder": {"id": BUILDER},
                "metadata": {"invocationId": record.name, "startedOn": record.created},
            },
        },
    }


def list_subjects(record: Record) -> list[tuple[str, str]]:
    """Return the name and sha256 of each file, of each image's manifest, and of each index of images."""
    subjects = []
    for name, product in sorted(record.products.items()):
        if product.file:
            subjects.append((product.file, product.sha256))
        for end, digest in record.list_images(name).items():
            subjects.append((f"{record.name}-{end}", digest.removeprefix("sha256:")))
    return list(dict.fromkeys(subjects))


def verify_provenance(envelope: bytes, record: Record, signers: Path | None) -> int:
    """Return the number of subjects of a provenance; raises Untrue when it is not about the products of `record`.

    envelope: the bytes of provenance.intoto.jsonl. signers: the allowed signers, one of whom must have signed it; None
    for a release that is not signed.
    """
    try:
        read = json.loads(envelope)
        payload = base64.b64decode(read["payload"], validate=True)
        signatures = [base64.b64decode(signature["sig"], validate=True) for signature in read["signatures"]]
        statement = json.loads(payload)
        subjects = sorted((subject["name"], subject["digest"]["sha256"]) for subject in statement["subject"])
        built = statement["predicate"]["buildDefinition"]["externalParameters"]
        kinds = (read["payloadType"], statement["_type"], statement["predicateType"])
    except (ValueError, KeyError, TypeError):
        raise Untrue(FILE, "is no in-toto statement in a DSSE envelope", "build the release again") from None
    if signers and not _is_signed(payload, signatures, list_signers(signers)):
        raise Untrue(FILE, f"has no signature of a key in {signers}", "sign the release again with one of them")
    if kinds != (PAYLOAD_TYPE, STATEMENT, PREDICATE):
        raise Untrue(FILE, "is no SLSA provenance v1", "build the release again")
    if built != {"semester": record.semester, "revision": record.revision}:
        raise Untrue(FILE, "is about another commit than release.json", "build the release again")
    wrong = set(subjects) ^ set(list_subjects(record))
    if wrong:
        raise Untrue(FILE, f"{min(wrong)[0]} is another one than in release.json", "build the release again")
    return len(subjects)


def encode_for_signature(payload: bytes) -> bytes:
    """Return the bytes that a DSSE signature covers ("pre-authentication encoding")."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def sign_payload(payload: bytes, key: Path) -> dict[str, str]:
    """Return the signature of the envelope, with the key's fingerprint as `ssh-keygen -l` prints it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    private = _load_key(key)
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1]
    fingerprint = _encode(hashlib.sha256(base64.b64decode(public)).digest()).rstrip("=")
    return {"keyid": f"SHA256:{fingerprint}", "sig": _encode(private.sign(encode_for_signature(payload)))}


def _load_key(key: Path) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    make = f"make one: ssh-keygen -t ed25519 -f {key}"
    try:
        private = load_ssh_private_key(key.read_bytes(), None)
    except OSError as error:
        raise PracticumError(str(key), f"cannot be read ({error.strerror})", make) from None
    except TypeError:  # ssh-agent, which could know the passphrase, does not make this signature
        cure = f"sign with a key that has none: ssh-keygen -p -N '' -f {key}"
        raise PracticumError(str(key), "has a passphrase", cure) from None
    except ValueError:
        raise PracticumError(str(key), "is no private key of OpenSSH", f"{make}.new") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise PracticumError(str(key), "is no ed25519 key", f"{make}.new")
    return private


def _is_signed(payload: bytes, signatures: Sequence[bytes], keys: Sequence[str]) -> bool:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    for key in keys:
        public = load_ssh_public_key(key.encode()) if key.startswith("ssh-ed25519 ") else None
        if isinstance(public, Ed25519PublicKey) and any(_fits(public, payload, one) for one in signatures):
            return True
    return False


def _fits(public: "Ed25519PublicKey", payload: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(signature, encode_for_signature(payload))
    except InvalidSignature:
        return False
    return True


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
