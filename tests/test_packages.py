"""Publishing to a generic package registry, played by a server on 127.0.0.1 that keeps GitLab's or Gitea's rules."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from loopback import answering
from publishing import publish_and_kill
from small_release import OVA_BYTES, make_content_release, make_key, make_release

from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.release import packages
from practicum.release.publish import check_target, publish
from practicum.release.verify import verify

pytestmark = pytest.mark.slow  # servers, kills and uploads: not before each commit

OVA = "ee559-2027-spring.ova"
PATH = "/api/v4/projects/7/packages/generic/practicum"


@dataclass
class Packages:
    """What the registry has and was asked, and how it behaves."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)  # path below PATH -> content
    puts: list[str] = field(default_factory=list)
    cuts: list[str] = field(default_factory=list)  # the next upload of this file is cut
    second_name: bool = True  # takes a file under a name that it has, as GitLab does
    elsewhere: str = ""  # the store to which downloads are redirected
    seen_elsewhere: list[str] = field(default_factory=list)  # tokens that the store saw


class _Handler(BaseHTTPRequestHandler):
    there: Packages
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_PUT(self) -> None:
        there, name, size = self.there, self.path.removeprefix(f"{PATH}/"), int(self.headers["Content-Length"])
        if name.rpartition("/")[2] in there.cuts:
            there.cuts.remove(name.rpartition("/")[2])
            self.rfile.read(size // 2)
            self.close_connection = True
            return
        data = self.rfile.read(size)
        if len(data) < size:  # the client was killed
            self.close_connection = True
        elif self.headers.get("PRIVATE-TOKEN") != "secret":
            self._answer(401)
        elif name in there.files and not there.second_name:
            self._answer(409)
        else:
            there.puts.append(name)
            there.files[name] = data
            self._answer(201)

    def do_GET(self) -> None:
        name, there = self.path.removeprefix(f"{PATH}/"), self.there
        if self.headers.get("PRIVATE-TOKEN", "secret") != "secret":
            self._answer(401)
        elif self.path.startswith("/store/"):
            there.seen_elsewhere.append(self.headers.get("PRIVATE-TOKEN", ""))
            self._answer(200, there.files[self.path.removeprefix("/store/")])
        elif name not in there.files:
            self._answer(404)
        elif there.elsewhere:
            self._answer(302, location=f"{there.elsewhere}/store/{name}")
        else:
            self._answer(200, there.files[name])

    def do_DELETE(self) -> None:
        del self.there.files[self.path.removeprefix(f"{PATH}/")]
        self._answer(204)

    def _answer(self, status: int, data: bytes = b"", location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:  # the client has read what it wanted
            self.close_connection = True


@contextmanager
def _serve(there: Packages) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"there": there}))
    with answering(server) as address:
        yield address


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Packages]:
    monkeypatch.setenv("PRACTICUM_TOKEN", "secret")
    monkeypatch.setattr(packages, "PAUSE", 0.0)
    found = Packages()
    with _serve(found) as url:
        found.url = f"{url}{PATH}"
        yield found


def test_the_sums_come_last_and_then_the_moving_name(
    there: Packages, releases: list[Path], console: Console, tmp_path: Path
) -> None:
    publish(releases[0], there.url, console, unsigned=True)
    assert there.puts[0] == f"2027-spring-r1/{OVA}"
    assert there.puts[-4:] == [
        "2027-spring-r1/release.json",
        "2027-spring-r1/blocks.json",
        "2027-spring-r1/SHA256SUMS",
        "2027-spring/latest",
    ]
    assert there.files["2027-spring/latest"] == b"2027-spring-r1\n"
    assert all(path.count("/") == 1 for path in there.files), "a package registry knows no folders"
    verify(f"{there.url}/2027-spring-r1", tmp_path, unsigned=True)


@pytest.mark.parametrize("second_name", [True, False])
@pytest.mark.parametrize("point", [1 << 20, OVA_BYTES + 5000, "show"])
def test_a_kill_leaves_the_old_release_and_the_next_run_goes_on(
    there: Packages, releases: list[Path], console: Console, tmp_path: Path, point: int | str, second_name: bool
) -> None:
    there.second_name = second_name
    publish(releases[0], there.url, console, unsigned=True)
    publish_and_kill(releases[1], there.url, point)
    assert there.files["2027-spring/latest"] == b"2027-spring-r1\n"

    sent = len(there.puts)
    publish(releases[1], there.url, console, unsigned=True)
    assert there.files["2027-spring/latest"] == b"2027-spring-r2\n"
    assert (f"2027-spring-r2/{OVA}" in there.puts[sent:]) == (point == 1 << 20), "what is whole is not sent again"
    verify(f"{there.url}/2027-spring-r2", tmp_path, unsigned=True)

    before = (dict(there.files), len(there.puts))
    assert "already" in publish(releases[1], there.url, console, unsigned=True)[1]
    assert "which is newer" in publish(releases[0], there.url, console, unsigned=True)[1]
    assert (there.files, len(there.puts)) == before


def test_token_is_tried_before_a_build(there: Packages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_key(tmp_path / "keys")
    check_target(there.url, key)
    assert not there.puts
    monkeypatch.setenv("PRACTICUM_TOKEN", "wrong")
    with pytest.raises(PracticumError, match="refuses the token; give PRACTICUM_TOKEN one"):
        check_target(there.url, key)


def test_another_content_is_refused(there: Packages, releases: list[Path], console: Console, tmp_path: Path) -> None:
    publish(releases[0], there.url, console, unsigned=True)
    before = dict(there.files)
    make_release(tmp_path / "again", 1, seed="another")
    with pytest.raises(PracticumError, match=r"2027-spring-r1: .* is there with another content"):
        publish(tmp_path / "again", there.url, console, unsigned=True)
    assert there.files == before


def test_a_broken_connection(there: Packages, releases: list[Path], console: Console) -> None:
    there.cuts = [OVA, OVA]
    publish(releases[0], there.url, console, unsigned=True)
    assert there.files[f"2027-spring-r1/{OVA}"] == (releases[0] / OVA).read_bytes()
    there.cuts = [OVA] * 9
    there.files.clear()
    with pytest.raises(PracticumError, match=rf"{OVA}: cannot be sent .*run again"):
        publish(releases[0], there.url, console, unsigned=True)


def test_files_over_the_limit_are_refused_or_split(
    there: Packages, releases: list[Path], console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "LIMIT", 2_000_000)
    with pytest.raises(PracticumError, match=f"{OVA}: has {OVA_BYTES} bytes, the target takes 2000000; add --split"):
        publish(releases[0], there.url, console, unsigned=True)
    assert not there.puts
    publish(releases[0], there.url, console, unsigned=True, split=True)
    verify(f"{there.url}/2027-spring-r1", tmp_path, unsigned=True)
    for path in [path for path in there.files if path.startswith("2027-spring-r1/")]:
        (tmp_path / path.rpartition("/")[2]).write_bytes(there.files[path])
    line = (tmp_path / "JOIN.txt").read_text().splitlines()[0]
    subprocess.run(["sh", "-e", "-c", line], cwd=tmp_path, check=True)
    assert (tmp_path / OVA).read_bytes() == (releases[0] / OVA).read_bytes()


def test_the_store_of_a_registry_does_not_see_the_token(
    there: Packages, releases: list[Path], console: Console
) -> None:
    with _serve(there) as store:
        publish(releases[0], there.url, console, unsigned=True)
        there.elsewhere = store
        assert "already" in publish(releases[0], there.url, console, unsigned=True)[1]
    assert set(there.seen_elsewhere) == {""}


def test_who_publishes(
    there: Packages, releases: list[Path], console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PracticumError, match=r"would send the token unencrypted; write https://course.example/p"):
        publish(releases[0], "http://course.example/p", console, unsigned=True)
    monkeypatch.setenv("PRACTICUM_TOKEN", "wrong")
    with pytest.raises(PracticumError, match="refuses the token; give PRACTICUM_TOKEN"):
        publish(releases[0], there.url, console, unsigned=True)
    monkeypatch.delenv("PRACTICUM_TOKEN")
    monkeypatch.delenv("CI_JOB_TOKEN", raising=False)
    with pytest.raises(PracticumError, match="needs a token; export PRACTICUM_TOKEN="):
        publish(releases[0], there.url, console, unsigned=True)


@pytest.mark.parametrize("second_name", [True, False])
def test_content_releases(there: Packages, tmp_path: Path, console: Console, second_name: bool) -> None:
    there.second_name = second_name
    key = make_key(tmp_path / "keys")
    folders = [make_content_release(tmp_path / f"content{number}", number, key) for number in (1, 2)]
    publish(folders[0], there.url, console)
    there.cuts = ["ee559-2027-spring-content-2.tar.gz"]
    publish(folders[1], there.url, console)
    shown = "2027-spring-content/content.json"
    assert there.puts == [
        *("2027-spring-content/ee559-2027-spring-content-1.tar.gz", shown),
        *("2027-spring-content/ee559-2027-spring-content-2.tar.gz", shown),
    ]
    assert there.files[shown] == (folders[1] / "content.json").read_bytes()
    assert "already" in publish(folders[1], there.url, console)[0]
    assert "which is newer" in publish(folders[0], there.url, console)[0]
    with pytest.raises(PracticumError, match="is there with another content"):
        publish(make_content_release(tmp_path / "again", 2, key, seed="another"), there.url, console)
    assert len(there.puts) == 4
