"""The store of downloads, against a real server that misbehaves and processes that die."""

import datetime
import hashlib
import ipaddress
import multiprocessing
import os
import ssl
import threading
from pathlib import Path

import pytest
from loopback import Index, make_wheel, serve
from survivors import wait_until

from practicum.engine.errors import PracticumError
from practicum.wheels import download, store
from practicum.wheels.download import fetch_all
from practicum.wheels.resolver import Wheel
from practicum.wheels.store import find_file, is_whole


class Pauses(list[float]):
    """Records the pauses asked for, and takes none."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def served(tmp_path: Path, index: Index, name: str = "alpha") -> tuple[Wheel, Path]:
    path = make_wheel(index.folder, name, "1.0")
    wheel = index.wheel(path)
    return wheel, find_file(tmp_path / "store", wheel.sha256, wheel.filename)


@pytest.fixture
def index(tmp_path: Path):
    (tmp_path / "index").mkdir()
    with serve(tmp_path / "index") as index:
        yield index


def test_fetch_and_find_again(tmp_path: Path, index: Index) -> None:
    wheels = [served(tmp_path, index, name)[0] for name in ("alpha", "beta", "gamma", "delta", "epsilon")]
    arrived: list[int] = []
    paths = fetch_all(wheels, tmp_path / "store", report=arrived.append)
    assert [path.name for path in paths] == [wheel.filename for wheel in wheels]
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths] == [wheel.sha256 for wheel in wheels]
    assert sum(arrived) == sum(wheel.size or 0 for wheel in wheels)
    assert fetch_all(wheels, tmp_path / "store") == paths
    assert all(index.asked[wheel.filename] == [""] for wheel in wheels)


def test_cut_connection_goes_on_where_it_stopped(tmp_path: Path, index: Index) -> None:
    wheel, path = served(tmp_path, index)
    index.cuts[wheel.filename] = [100_000, 50_000, 0]
    pauses = Pauses()
    fetch_all([wheel], tmp_path / "store", pause=pauses)
    assert is_whole(path, wheel.sha256)
    assert index.asked[wheel.filename] == ["", "bytes=100000-", "bytes=150000-", "bytes=150000-"]
    assert pauses == [0.5, 0.5, 1], "a try that gains bytes starts the count anew"


def test_retries_are_bounded_and_keep_what_arrived(tmp_path: Path, index: Index) -> None:
    wheel, path = served(tmp_path, index)
    index.cuts[wheel.filename] = [100_000] + [0] * 50
    pauses = Pauses()
    with pytest.raises(
        PracticumError, match=r"^alpha-1.0-py3-none-any.whl: cannot be downloaded from 127.0.0.1 \(.+\); "
    ):
        fetch_all([wheel], tmp_path / "store", pause=pauses)
    assert pauses == [0.5, 1, 2, 4, 8]
    assert not path.exists()
    assert path.with_name(f"{path.name}.part").stat().st_size == 100_000
    index.cuts.clear()
    fetch_all([wheel], tmp_path / "store")
    assert index.asked[wheel.filename][-1] == "bytes=100000-"


def test_server_that_ignores_ranges(tmp_path: Path, index: Index) -> None:
    wheel, path = served(tmp_path, index)
    index.ranges = False
    index.cuts[wheel.filename] = [100_000]
    fetch_all([wheel], tmp_path / "store", pause=Pauses())
    assert index.asked[wheel.filename] == ["", "bytes=100000-"]
    assert is_whole(path, wheel.sha256)


def test_server_that_lies_is_not_believed(tmp_path: Path, index: Index) -> None:
    wheel, path = served(tmp_path, index)
    index.lies.add(wheel.filename)
    with pytest.raises(
        PracticumError, match=r"sent other bytes \(sha256 [0-9a-f]{12}\.\.\., the lock has .+; look for a pr"
    ):
        fetch_all([wheel], tmp_path / "store", pause=Pauses())
    assert not list(path.parent.iterdir())


def test_spoilt_part_is_not_the_servers_fault(tmp_path: Path, index: Index) -> None:
    wheel, path = served(tmp_path, index)
    path.parent.mkdir(parents=True)
    path.with_name(f"{path.name}.part").write_bytes(b"x" * 1000)
    fetch_all([wheel], tmp_path / "store", pause=Pauses())
    assert index.asked[wheel.filename] == ["bytes=1000-", ""]
    assert is_whole(path, wheel.sha256)


@pytest.mark.parametrize("length", ["whole", "too long"])
def test_part_with_nothing_missing(tmp_path: Path, index: Index, length: str) -> None:
    wheel, path = served(tmp_path, index)
    wheel = Wheel(**{**vars(wheel), "size": None})  # so that the server has to tell
    data = (index.folder / wheel.filename).read_bytes()
    path.parent.mkdir(parents=True)
    path.with_name(f"{path.name}.part").write_bytes(data if length == "whole" else data + b"x")
    fetch_all([wheel], tmp_path / "store", pause=Pauses())
    assert (
        index.asked[wheel.filename] == [f"bytes={len(data)}-"] if length == "whole" else [f"bytes={len(data) + 1}-", ""]
    )
    assert is_whole(path, wheel.sha256)


def test_busy_server_is_asked_again_and_a_missing_file_is_not(tmp_path: Path, index: Index) -> None:
    wheel, _ = served(tmp_path, index)
    index.statuses[wheel.filename] = [503, 429]
    pauses = Pauses()
    fetch_all([wheel], tmp_path / "store", pause=pauses)
    assert pauses == [0.5, 1]
    gone, _ = served(tmp_path, index, "beta")
    index.statuses[gone.filename] = [404]
    with pytest.raises(PracticumError, match=r"beta-1.0-py3-none-any.whl: 127.0.0.1 answers HTTP 404; lock again"):
        fetch_all([gone], tmp_path / "store", pause=pauses)
    assert pauses == [0.5, 1]


def test_network_down(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    with serve(tmp_path / "index") as index:
        wheel, path = served(tmp_path, index)
    with pytest.raises(
        PracticumError, match=r"cannot be downloaded .*refused.*; check the network and run again"
    ) as caught:
        fetch_all([wheel], tmp_path / "store", pause=Pauses())
    assert "\n" not in str(caught.value)
    assert not path.exists()


def test_one_failure_stops_the_others_and_keeps_their_parts(tmp_path: Path, index: Index) -> None:
    slow, path = served(tmp_path, index, "slow")
    gone, _ = served(tmp_path, index, "gone")
    index.stalls[slow.filename] = release = threading.Event()
    index.statuses[gone.filename] = [503] * 50

    def pause(seconds: float) -> None:  # the slow one has begun before the other gives up, and may go on after it
        wait_until(path.with_name(f"{path.name}.part").exists)
        release.set() if seconds == 8 else None

    with pytest.raises(PracticumError, match=r"gone-1.0.*\(HTTP 503\)"):
        fetch_all([slow, gone], tmp_path / "store", pause=pause)
    assert path.exists() or path.with_name(f"{path.name}.part").stat().st_size >= (slow.size or 0) // 2


def _fetch_in_process(wheels: list[Wheel], store: Path) -> None:
    fetch_all(wheels, store)


def test_killed_process_leaves_a_part_the_next_goes_on_with(tmp_path: Path, index: Index) -> None:
    wheel, path = served(tmp_path, index)
    part = path.with_name(f"{path.name}.part")
    index.stalls[wheel.filename] = threading.Event()
    victim = multiprocessing.get_context("spawn").Process(target=_fetch_in_process, args=([wheel], tmp_path / "store"))
    victim.start()
    half = (wheel.size or 0) // 2
    wait_until(lambda: part.exists() and part.stat().st_size == half)
    victim.kill()
    victim.join()
    assert not path.exists()
    index.stalls.pop(wheel.filename).set()
    fetch_all([wheel], tmp_path / "store")
    assert index.asked[wheel.filename] == ["", f"bytes={half}-"]
    assert is_whole(path, wheel.sha256)


def test_two_processes_share_the_work(tmp_path: Path, index: Index) -> None:
    wheels = [served(tmp_path, index, name)[0] for name in ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")]
    assert len(wheels) > download.WORKERS, "one process alone could ask for all"
    index.gate.clear()
    context = multiprocessing.get_context("spawn")
    both = [
        context.Process(target=_fetch_in_process, args=(order, tmp_path / "store")) for order in (wheels, wheels[::-1])
    ]
    for process in both:
        process.start()
    wait_until(lambda: len(index.asked) == len(wheels))  # both are at work
    index.gate.set()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert all(index.asked[wheel.filename] == [""] for wheel in wheels), "each file crossed the network once"


def test_file_of_this_machine(tmp_path: Path) -> None:
    source = make_wheel(tmp_path / "wheels here", "alpha", "1.0+cpu")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    wheel = Wheel("alpha", "1.0+cpu", source.name, digest, source.as_uri(), None)
    (path,) = fetch_all([wheel], tmp_path / "store")
    assert path.read_bytes() == source.read_bytes()
    assert not path.samefile(source), "a later change of the source must not reach the store"
    with pytest.raises(PracticumError, match="does not have the sha256 of the lock; replace"):
        fetch_all([Wheel(**{**vars(wheel), "sha256": "0" * 64})], tmp_path / "store")
    source.unlink()
    with pytest.raises(PracticumError, match="cannot be read; put the wheel back"):
        fetch_all([wheel], tmp_path / "other store")


def test_file_is_hashed_again_only_when_it_changed(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel, path = served(tmp_path, index)
    fetch_all([wheel], tmp_path / "store")
    hashed: list[Path] = []
    real = store.hash_file
    monkeypatch.setattr(store, "hash_file", lambda path: hashed.append(path) or real(path))
    assert is_whole(path, wheel.sha256) and hashed == []
    os.utime(path, (1, 1))
    assert is_whole(path, wheel.sha256) and hashed == [path]
    assert is_whole(path, wheel.sha256) and hashed == [path]
    path.write_bytes(b"x" * (wheel.size or 0))
    assert not is_whole(path, wheel.sha256)
    path.with_name(f"{path.name}.hashed").write_text("{")
    assert not is_whole(path, wheel.sha256)


def test_store_that_cannot_be_written(tmp_path: Path, index: Index) -> None:
    wheel, _ = served(tmp_path, index)
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(PracticumError, match=r"cannot be written \(Not a directory\); free space, or name another"):
        fetch_all([wheel], tmp_path / "store", pause=Pauses())


def test_certificates_of_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = make_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    (tmp_path / "index").mkdir()
    with serve(tmp_path / "index", tls=context) as index:
        wheel, path = served(tmp_path, index)
        pauses = Pauses()
        with pytest.raises(PracticumError, match=r"certificate of 127.0.0.1 is not trusted; let SSL_CERT_FILE name"):
            fetch_all([wheel], tmp_path / "store", pause=pauses)
        assert pauses == [], "no use in trying again"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        fetch_all([wheel], tmp_path / "store", pause=pauses)
    assert is_whole(path, wheel.sha256)


def make_certificate(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1 signed by itself, in one PEM file."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return pem
