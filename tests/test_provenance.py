"""The provenance of a release: a valid in-toto statement, the same bytes twice, and what makes it be refused."""

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_release import allow, make_key, make_release

from practicum.engine.errors import PracticumError
from practicum.release import provenance
from practicum.release.record import FILE, Record, read_record
from practicum.release.sums import Untrue, write_sums
from practicum.release.verify import verify

MATERIALS = {"python-cpu.lock": "a" * 64, "debian.lock": "b" * 64}


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return make_release(tmp_path / "release")


def written(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The envelope and the statement in it."""
    envelope = json.loads((folder / provenance.FILE).read_text())
    return envelope, json.loads(base64.b64decode(envelope["payload"]))


def test_statement(tmp_path: Path, record: Record) -> None:
    provenance.write_provenance(tmp_path, record, None, materials=MATERIALS)
    envelope, statement = written(tmp_path)
    assert envelope["signatures"] == []
    subjects = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    assert subjects == {
        "ee559-2027-spring.ova": record.products["appliance"].sha256,
        "ee559-2027-spring-cpu.oci.tar": record.products["cpu"].sha256,
        "2027-spring-r1-cpu": record.products["cpu"].digest.removeprefix("sha256:"),
    }
    built = statement["predicate"]["buildDefinition"]
    assert built["externalParameters"] == {"semester": "2027-spring", "revision": record.revision}
    assert built["resolvedDependencies"] == [
        {"name": "practicum", "digest": {"gitCommit": record.revision}},
        {"name": "debian.lock", "digest": {"sha256": "b" * 64}},
        {"name": "python-cpu.lock", "digest": {"sha256": "a" * 64}},
    ]
    assert statement["predicate"]["runDetails"]["metadata"]["startedOn"] == record.created


def test_in_toto_accepts_the_statement(record: Record) -> None:
    """With the project's own library, which knows the fields of both specifications."""
    pytest.importorskip("in_toto_attestation", reason="in-toto-attestation is not installed")
    from google.protobuf.json_format import ParseDict
    from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
    from in_toto_attestation.v1.statement import Statement
    from in_toto_attestation.v1.statement_pb2 import Statement as Message

    made = provenance.make_statement(record, MATERIALS)
    message = ParseDict(made, Message())  # raises at a field that the specification does not have
    Statement.copy_from_pb(message).validate()
    ParseDict(made["predicate"], Provenance())


def test_the_same_release_has_the_same_provenance(tmp_path: Path, record: Record) -> None:
    key = make_key(tmp_path / "keys")
    texts = []
    for materials in (MATERIALS, dict(reversed(MATERIALS.items()))):
        provenance.write_provenance(tmp_path, record, key, materials=materials)
        texts.append((tmp_path / provenance.FILE).read_bytes())
    assert texts[0] == texts[1]


def test_signature_covers_type_and_payload(tmp_path: Path, record: Record) -> None:
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    key = make_key(tmp_path / "keys")
    provenance.write_provenance(tmp_path, record, key, materials=MATERIALS)
    envelope, _ = written(tmp_path)
    payload, signature = base64.b64decode(envelope["payload"]), base64.b64decode(envelope["signatures"][0]["sig"])
    signed = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
    load_ssh_public_key(key.with_name(f"{key.name}.pub").read_bytes()).verify(signature, signed)  # type: ignore[union-attr, call-arg]
    told = subprocess.run(["ssh-keygen", "-l", "-f", key], check=True, capture_output=True, text=True).stdout
    assert envelope["signatures"][0]["keyid"] == told.split()[1]


def _resign(change: Callable[[dict[str, Any]], object]) -> Callable[[Path, Path], None]:
    """Signs a changed statement with the allowed key."""

    def touch(folder: Path, key: Path) -> None:
        envelope, statement = written(folder)
        change(statement)
        payload = json.dumps(statement).encode()
        envelope["payload"] = base64.b64encode(payload).decode()
        envelope["signatures"] = [provenance.sign_payload(payload, key)]
        (folder / provenance.FILE).write_text(json.dumps(envelope))

    return touch


def _sign_with_another(folder: Path, key: Path) -> None:
    record = read_record(folder / FILE)
    provenance.write_provenance(folder, record, make_key(key.parent / "others"), materials=MATERIALS)


@pytest.mark.parametrize(
    ("touch", "said"),
    [
        (_sign_with_another, r"has no signature of a key in "),
        (_resign(lambda made: made["subject"][0]["digest"].update(sha256="0" * 64)), "is another one than in release"),
        (_resign(lambda made: made["subject"].pop()), "is another one than in release.json"),
        (
            _resign(lambda made: made["predicate"]["buildDefinition"]["externalParameters"].update(revision="6" * 40)),
            "is about another commit",
        ),
        (_resign(lambda made: made.update(predicateType="https://slsa.dev/provenance/v0.2")), "is no SLSA provenance"),
        (lambda folder, key: (folder / provenance.FILE).write_text("{}"), "is no in-toto statement"),
    ],
)
def test_another_provenance_is_refused(tmp_path: Path, touch: Callable[[Path, Path], None], said: str) -> None:
    key = make_key(tmp_path / "keys")
    record = make_release(tmp_path / "release", key=key)
    signers = allow(key, tmp_path / "signers")
    touch(tmp_path / "release", key)
    data = (tmp_path / "release" / provenance.FILE).read_bytes()
    with pytest.raises(Untrue, match=f"^provenance.intoto.jsonl: .*{said}"):
        provenance.verify_provenance(data, record, signers)


def test_a_release_whose_record_names_other_files(tmp_path: Path, record: Record) -> None:
    folder = tmp_path / "release"
    text = (folder / FILE).read_text().replace(record.products["appliance"].sha256, "0" * 64)
    (folder / FILE).write_text(text)
    write_sums(folder)
    with pytest.raises(Untrue, match=r"^release.json: products.appliance: .*ova is another file; "):
        verify(str(folder), tmp_path, unsigned=True)


@pytest.mark.parametrize(
    ("kind", "passphrase", "said"),
    [("ecdsa", "", "is no ed25519 key; make one: "), ("ed25519", "secret", "has a passphrase; sign with a key")],
)
def test_keys_that_cannot_sign(tmp_path: Path, record: Record, kind: str, passphrase: str, said: str) -> None:
    key = make_key(tmp_path / "keys", kind, passphrase)
    with pytest.raises(PracticumError, match=said):
        provenance.write_provenance(tmp_path, record, key, materials={})


def test_no_key_and_no_private_key(tmp_path: Path, record: Record) -> None:
    with pytest.raises(PracticumError, match=r"cannot be read .*; make one: ssh-keygen"):
        provenance.write_provenance(tmp_path, record, tmp_path / "none", materials={})
    public = make_key(tmp_path / "keys").with_name("key-ed25519.pub")
    with pytest.raises(PracticumError, match="is no private key of OpenSSH"):
        provenance.write_provenance(tmp_path, record, public, materials={})
