"""Publishing to a real registry on 127.0.0.1, with small images."""

import base64
import hashlib
import io
import json
import shutil
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from loopback import answering
from publishing import publish_and_kill
from registries import registry
from small_release import OVA_BYTES, flip, make_key, make_release, noise

from practicum.architecture import ARCHITECTURES
from practicum.engine.errors import PracticumError
from practicum.engine.progress import Console
from practicum.release import oci, registry_client
from practicum.release.provenance import FILE as PROVENANCE
from practicum.release.publish import check_target, publish
from practicum.release.record import read_record
from practicum.release.registry_client import Registry
from practicum.release.target import Item

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("docker-registry"), reason="docker-registry is not installed"),
]


@pytest.fixture
def console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return Console(stream=io.StringIO(), plain=True)


def tags_of(host: str) -> dict[str, str]:
    """Every tag with the digest of its manifest."""
    there = Registry(host, "course/practicum")
    found = {tag: there.get_manifest(tag) or b"" for tag in there.list_tags()}
    return {tag: f"sha256:{hashlib.sha256(text).hexdigest()}" for tag, text in found.items()}


def test_published_images_are_those_of_the_archives(releases: list[Path], tmp_path: Path, console: Console) -> None:
    record = read_record(releases[0] / "release.json")
    with registry(tmp_path / "registry") as host:
        lines = publish(releases[0], f"docker://{host}/course/practicum", console, unsigned=True)
        assert lines[1] == "2027-spring shows 2027-spring-r1 now"
        tags = tags_of(host)
        assert tags["2027-spring-r1-cpu"] == tags["2027-spring-cpu"] == record.products["cpu"].digest
        assert tags["2027-spring-r1-appliance"] == tags["2027-spring-appliance"]
        if shutil.which("skopeo"):  # another program, which checks every digest, pulls the image
            image = f"docker://{host}/course/practicum:2027-spring-cpu"
            copied = tmp_path / "pulled"
            words = [
                "skopeo",
                "copy",
                "--quiet",
                "--preserve-digests",
                "--src-tls-verify=false",
                image,
                f"dir:{copied}",
            ]
            subprocess.run(words, check=True)
            digest = hashlib.sha256((copied / "manifest.json").read_bytes()).hexdigest()
            assert f"sha256:{digest}" == record.products["cpu"].digest
        manifest = json.loads(Registry(host, "course/practicum").get_manifest("2027-spring-appliance") or b"")
        (layer,) = manifest["layers"]
        url = f"http://{host}/v2/course/practicum/blobs/{layer['digest']}"
        assert hashlib.sha256(httpx.get(url).content).hexdigest() == record.products["appliance"].sha256


def test_sbom_and_provenance_are_attached_by_the_fallback_tag(
    releases: list[Path], tmp_path: Path, console: Console
) -> None:
    with registry(tmp_path / "registry") as host:
        publish(releases[0], f"docker://{host}/course/practicum", console, unsigned=True)
        there = Registry(host, "course/practicum")
        subject = tags_of(host)["2027-spring-r1-cpu"]
        index = json.loads(there.get_manifest(subject.replace(":", "-")) or b"")
        kinds = [other["artifactType"] for other in index["manifests"]]
        assert kinds == ["application/vnd.cyclonedx+json", "application/vnd.in-toto+json"]
        for other, file in zip(index["manifests"], ("sbom/cpu.cdx.json", PROVENANCE), strict=True):
            attached = json.loads(there.get_manifest(other["digest"]) or b"")
            assert attached["subject"]["digest"] == subject
            url = f"http://{host}/v2/course/practicum/blobs/{attached['layers'][0]['digest']}"
            assert httpx.get(url).content == (releases[0] / file).read_bytes()


class _Referrers(BaseHTTPRequestHandler):
    """Stands before the registry and keeps what is attached, as newer registries do; all else it passes on."""

    behind: str
    attached: list[dict[str, Any]]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _pass_on(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        subject = self.path.rpartition("/referrers/")[2]
        if subject != self.path:
            mine = [one for one in self.attached if one["subject"] == subject]
            answer = httpx.Response(200, content=json.dumps({"schemaVersion": 2, "manifests": mine}).encode())
        else:
            kept = {"Content-Type", "Content-Range", "Accept", "Host"}
            headers = {name: value for name, value in self.headers.items() if name in kept}
            answer = httpx.request(self.command, f"http://{self.behind}{self.path}", content=data, headers=headers)
            if self.command == "PUT" and "/manifests/" in self.path and "subject" in json.loads(data):
                digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
                self.attached.append({"digest": digest, "subject": json.loads(data)["subject"]["digest"]})
        self.send_response(answer.status_code)
        for name in {"Location", "Range", "Content-Type"} & {name.title() for name in answer.headers}:
            self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content)

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = _pass_on


def test_a_registry_that_keeps_what_is_attached_gets_no_fallback_tag(
    releases: list[Path], tmp_path: Path, console: Console
) -> None:
    with registry(tmp_path / "registry") as behind:
        handler = type("Handler", (_Referrers,), {"behind": behind, "attached": []})
        with answering(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as url:
            host = urlsplit(url).netloc
            target = f"docker://{host}/course/practicum"
            publish(releases[0], target, console, unsigned=True)
            assert len(handler.attached) == 4, "an SBOM and the provenance for each of two products"
            assert not [tag for tag in tags_of(behind) if tag.startswith("sha256-")]
            assert publish(releases[0], target, console, unsigned=True)[0].endswith("0 of 6 items sent")


@pytest.mark.parametrize("point", [100_000, 1 << 20, "show"])
def test_a_kill_leaves_the_old_release_and_the_next_run_goes_on(
    releases: list[Path], tmp_path: Path, console: Console, point: int | str
) -> None:
    with registry(tmp_path / "registry") as host:
        target = f"docker://{host}/course/practicum"
        publish(releases[0], target, console, unsigned=True)
        old = tags_of(host)
        publish_and_kill(releases[1], target, point)
        now = tags_of(host)
        assert {tag: now[tag] for tag in old} == old

        assert publish(releases[1], target, console, unsigned=True)[1] == "2027-spring shows 2027-spring-r2 now"
        new = tags_of(host)
        for product in ("cpu", "appliance"):
            assert new[f"2027-spring-{product}"] == new[f"2027-spring-r2-{product}"] != old[f"2027-spring-{product}"]
            assert new[f"2027-spring-r1-{product}"] == old[f"2027-spring-r1-{product}"]

        before = list_files(tmp_path / "registry/data")
        lines = publish(releases[1], target, console, unsigned=True)
        assert lines[0].endswith("0 of 6 items sent") and lines[1].endswith("already")
        assert list_files(tmp_path / "registry/data") == before
        assert "which is newer" in publish(releases[0], target, console, unsigned=True)[1]
        assert tags_of(host) == new


def list_files(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*") if path.is_file()}


def test_another_image_under_the_same_name_is_refused(releases: list[Path], tmp_path: Path, console: Console) -> None:
    make_release(tmp_path / "again", 1, seed="another")
    with registry(tmp_path / "registry") as host:
        target = f"docker://{host}/course/practicum"
        publish(releases[0], target, console, unsigned=True)
        before = tags_of(host)
        with pytest.raises(PracticumError, match=r"2027-spring-r1-\w+ is there with another content; "):
            publish(tmp_path / "again", target, console, unsigned=True)
        assert tags_of(host) == before


def test_a_blob_goes_on_where_a_killed_process_stopped(
    tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_client, "PIECE", 1 << 20)
    (tmp_path / "file").write_bytes(data := noise(5_000_000, "blob"))
    digest = hashlib.sha256(data).hexdigest()
    blob = Item(f"sha256:{digest}", digest, len(data), tmp_path / "file")

    class Killed(BaseException):
        pass

    def stop(count: int) -> None:
        sent.append(count)
        if sum(sent) >= 3 << 20:
            raise Killed

    with registry(tmp_path / "registry") as host:
        sent: list[int] = []
        with pytest.raises(Killed):
            Registry(host, "course/practicum").put_blob(blob, stop)
        again: list[int] = []
        Registry(host, "course/practicum").put_blob(blob, again.append)
        assert again[0] == 3 << 20, "three pieces were there"
        assert sum(again) == len(data)
        assert httpx.get(f"http://{host}/v2/course/practicum/blobs/{blob.name}").content == data
        assert not list((tmp_path / "cache/practicum/uploads").iterdir())


def test_an_upload_that_the_registry_forgot_starts_anew(
    tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_client, "PIECE", 1 << 20)
    (tmp_path / "file").write_bytes(data := noise(3_000_000, "blob"))
    digest = hashlib.sha256(data).hexdigest()
    blob = Item(f"sha256:{digest}", digest, len(data), tmp_path / "file")
    with registry(tmp_path / "registry") as host:
        done = 0

        def forget(count: int) -> None:
            nonlocal done
            done += count
            if count == 1 << 20 and done == 2 << 20 and not forgotten:
                forgotten.append(True)
                shutil.rmtree(tmp_path / "registry/data/docker/registry/v2/repositories/course/practicum/_uploads")

        forgotten: list[bool] = []
        Registry(host, "course/practicum").put_blob(blob, forget)
        assert forgotten and done == len(data)
        assert httpx.get(f"http://{host}/v2/course/practicum/blobs/{blob.name}").content == data


# ---- images for two architectures ------------------------------------------------------------------------------------


def test_each_computer_finds_its_own_image_and_what_is_attached_to_it(tmp_path: Path, console: Console) -> None:
    folder = tmp_path / "both"
    record = make_release(folder, architectures=ARCHITECTURES)
    own = {one.name: record.products[f"cpu{one.suffix}"] for one in ARCHITECTURES}
    with registry(tmp_path / "registry") as host:
        target = f"docker://{host}/course/practicum"
        publish(folder, target, console, unsigned=True)
        tags, there = tags_of(host), Registry(host, "course/practicum")
        for name in ("2027-spring-r1", "2027-spring"):
            assert tags[f"{name}-cpu"] == own["amd64"].index == own["arm64"].index
            assert {arch: tags[f"{name}-cpu-{arch}"] for arch in own} == {arch: own[arch].digest for arch in own}
            assert tags[f"{name}-appliance"] != tags[f"{name}-appliance-arm64"]
        listed = json.loads(there.get_manifest("2027-spring-cpu") or b"")["manifests"]
        assert {one["platform"]["architecture"]: one["digest"] for one in listed} == {
            arch: product.digest for arch, product in own.items()
        }
        for one in ARCHITECTURES:
            attached = list_attached(there, own[one.name].digest)
            assert attached == [f"sbom/cpu{one.suffix}.cdx.json", PROVENANCE]
        assert list_attached(there, own["amd64"].index) == [PROVENANCE]
        lines = publish(folder, target, console, unsigned=True)
        assert lines[0].endswith("0 of 14 items sent") and lines[1].endswith("already")


def list_attached(there: Registry, digest: str) -> list[str]:
    """The names of the files that are attached to a manifest."""
    index = json.loads(there.get_manifest(digest.replace(":", "-")) or b"")
    manifests = [json.loads(there.get_manifest(one["digest"]) or b"") for one in index["manifests"]]
    return [manifest["layers"][0]["annotations"]["org.opencontainers.image.title"] for manifest in manifests]


def test_release_for_two_architectures_follows_one_for_the_first(tmp_path: Path, console: Console) -> None:
    make_release(tmp_path / "first", 1)
    make_release(tmp_path / "both", 2, architectures=ARCHITECTURES)
    with registry(tmp_path / "registry") as host:
        target = f"docker://{host}/course/practicum"
        publish(tmp_path / "first", target, console, unsigned=True)
        old = tags_of(host)
        assert publish(tmp_path / "both", target, console, unsigned=True)[1] == "2027-spring shows 2027-spring-r2 now"
        new = tags_of(host)
        assert new["2027-spring-cpu"] == new["2027-spring-r2-cpu"] != old["2027-spring-cpu"]
        assert {tag: new[tag] for tag in old if "-r1-" in tag} == {tag: old[tag] for tag in old if "-r1-" in tag}
        assert publish(tmp_path / "both", target, console, unsigned=True)[1].endswith("already")


# ---- what is refused -------------------------------------------------------------------------------------------------


def test_an_archive_that_is_not_the_recorded_image(releases: list[Path], tmp_path: Path, console: Console) -> None:
    from practicum.release.sums import write_sums

    text = (releases[0] / "release.json").read_text()
    digest = read_record(releases[0] / "release.json").products["cpu"].digest
    (releases[0] / "release.json").write_text(text.replace(digest, f"sha256:{'0' * 64}"))
    write_sums(releases[0])
    with pytest.raises(PracticumError, match=r"cpu.oci.tar: has the image sha256:\w+, release.json sha256:0000"):
        publish(releases[0], "docker://127.0.0.1:1/course/practicum", console, unsigned=True)


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "cuda.oci.tar").write_bytes(b"nothing")
    with pytest.raises(PracticumError, match=r"is no OCI archive of one image .*--product cuda"):
        oci.read_archive(tmp_path / "cuda.oci.tar")


def test_no_registry_there_and_no_repository(releases: list[Path], console: Console) -> None:
    with pytest.raises(PracticumError, match=r"^docker://127.0.0.1:1: cannot be reached .*; check the name"):
        publish(releases[0], "docker://127.0.0.1:1/course/practicum", console, unsigned=True)
    with pytest.raises(PracticumError, match="is no repository of a registry; write docker://"):
        publish(releases[0], "docker://127.0.0.1:1", console, unsigned=True)


def test_registry_is_asked_before_a_build(tmp_path: Path, console: Console) -> None:
    key = make_key(tmp_path / "keys")
    with pytest.raises(PracticumError, match=r"^docker://127.0.0.1:1: cannot be reached"):
        check_target("docker://127.0.0.1:1/course/practicum", key)
    with registry(tmp_path / "registry") as host:
        check_target(f"docker://{host}/course/practicum", key)
        assert not list((tmp_path / "registry/data").rglob("startedat")), "the upload that was begun is given up"
        assert not Registry(host, "course/practicum").list_tags()


def test_a_layer_over_the_limit(releases: list[Path], console: Console) -> None:
    with pytest.raises(PracticumError, match=f"has {OVA_BYTES} bytes, the target takes 1000000"):
        publish(releases[0], "docker://127.0.0.1:1/course/practicum", console, unsigned=True, limit=1_000_000)


def test_a_damaged_blob_is_refused_by_the_registry(tmp_path: Path, console: Console) -> None:
    (tmp_path / "file").write_bytes(data := noise(3_000, "blob"))
    digest = hashlib.sha256(data).hexdigest()
    flip(tmp_path / "file", 5)
    blob = Item(f"sha256:{digest}", digest, len(data), tmp_path / "file")
    with registry(tmp_path / "registry") as host, pytest.raises(PracticumError, match="answers HTTP 400 to PUT"):
        Registry(host, "course/practicum").put_blob(blob, lambda count: None)


# ---- who publishes ---------------------------------------------------------------------------------------------------


def log_in(folder: Path, host: str) -> None:
    """Leaves what `docker login` would leave."""
    folder.mkdir(exist_ok=True)
    auth = base64.b64encode(b"instructor:secret").decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


def test_a_password(releases: list[Path], tmp_path: Path, console: Console) -> None:
    bcrypt = pytest.importorskip("bcrypt", reason="bcrypt is not installed")
    (tmp_path / "htpasswd").write_text(f"instructor:{bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}\n")
    with registry(tmp_path / "registry", f"auth: {{htpasswd: {{realm: r, path: {tmp_path}/htpasswd}}}}") as host:
        target = f"docker://{host}/course/practicum"
        with pytest.raises(PracticumError, match=rf"refuses access; docker login {host}"):
            check_target(target, make_key(tmp_path / "keys"))
        with pytest.raises(PracticumError, match=rf"refuses access; docker login {host}"):
            publish(releases[0], target, console, unsigned=True)
        log_in(tmp_path / "docker", host)
        assert "now" in publish(releases[0], target, console, unsigned=True)[1]


def test_a_password_from_a_helper(tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    from practicum.release.registry_auth import read_credentials

    helper = tmp_path / "bin/docker-credential-test"
    helper.parent.mkdir()
    helper.write_text('#!/bin/sh\ntest "$(cat)" = known:1 && echo \'{"Username": "u", "Secret": "s"}\'\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(helper.parent), prepend=":")
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_text('{"credsStore": "test"}')
    assert read_credentials("known:1") == "Basic " + base64.b64encode(b"u:s").decode()
    assert read_credentials("unknown:1") == ""


class _TokenHandler(BaseHTTPRequestHandler):
    """A registry that wants a token, and accepts each only twice; and who gives the tokens."""

    given: list[str]
    uses: dict[str, int]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        url, who = urlsplit(self.path), self.headers.get("Authorization", "")
        host = self.headers["Host"]
        if url.path == "/token":
            assert who == "Basic " + base64.b64encode(b"instructor:secret").decode()
            assert parse_qs(url.query) == {"service": ["s"], "scope": ["repository:course/practicum:pull,push"]}
            self.given.append(f"token{len(self.given)}")
            self._answer(200, json.dumps({"token": self.given[-1]}).encode())
            return
        token = who.removeprefix("Bearer ")
        self.uses[token] = self.uses.get(token, 0) + 1
        if token in self.given and self.uses[token] <= 2:
            self._answer(200, b'{"tags": ["a"]}')
        else:
            self._answer(401, b"", f'Bearer realm="http://{host}/token",service="s"')

    def _answer(self, status: int, body: bytes, question: str = "") -> None:
        self.send_response(status)
        if question:
            self.send_header("WWW-Authenticate", question)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_a_token_is_asked_for_and_again_when_it_has_expired(tmp_path: Path, console: Console) -> None:
    handler = type("Handler", (_TokenHandler,), {"given": [], "uses": {}})
    with answering(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as url:
        host = urlsplit(url).netloc
        log_in(tmp_path / "docker", host)
        there = Registry(host, "course/practicum")
        assert [there.list_tags() for _ in range(5)] == [["a"]] * 5
    assert handler.given == ["token0", "token1", "token2"]
