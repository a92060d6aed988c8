"""course-update: a product follows its course, and whatever a server sends, no file changes that must not."""

import json
import os
import random
import signal
import ssl
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from content_releases import FOLDER, Product, Web, allow, bomb, list_files, make_key, pack, pack_release, plain, serve
from waiting import DEADLINE, wait_until

SECOND = {"a.py": "2", "p/b.ipynb": "2", "c.py": "2"}
STATEMENT = f"{FOLDER}/content.json"
Lie = Callable[[Product, Web], object]


@pytest.fixture
def web() -> Iterator[Web]:
    with serve() as running:
        yield running


@pytest.fixture
def product(tmp_path: Path, web: Web) -> Product:
    """A product whose home has its content release 1."""
    made = Product(tmp_path, web)
    made.sync()
    return made


# ---- what it does --------------------------------------------------------------------------------------------------


def test_two_content_releases_come_and_the_students_edit_stays(product: Product) -> None:
    (product.home / "ee559/p/b.ipynb").write_text("mine")
    product.publish(SECOND, 2)
    done = product.update()
    assert done.stdout.splitlines() == [
        "course-update: content release 2 came",
        "course-sync: 1 new files",
        "course-sync: 1 files brought up to date",
        "course-sync: you edited this file, the course's new version is p/b.new.ipynb",
    ]
    assert product.files() == {"a.py": "2", "p/b.ipynb": "mine", "p/b.new.ipynb": "2", "c.py": "2"}
    product.publish({**SECOND, "a.py": "3"}, 3)
    assert product.update().stdout.startswith("course-update: content release 3 came\n")
    assert product.files() == {"a.py": "3", "p/b.ipynb": "mine", "p/b.new.ipynb": "2", "c.py": "2"}
    kept = product.home / ".local/share/course/content/ee559-2027-spring"
    assert [path.name for path in kept.iterdir()] == ["3"]


def test_what_is_here_already_is_not_fetched_again(product: Product, web: Web) -> None:
    path = product.publish(SECOND, 2)
    product.update()
    web.asked.clear()
    before = product.everything()
    assert product.update().stdout == "course-update: content release 2 is the newest\n"
    assert product.update("--quiet").stdout == ""
    assert path not in web.asked and product.everything() == before


def test_start_that_finds_something_says_what_came(product: Product) -> None:
    product.publish(SECOND, 2)
    assert product.update("--quiet").stdout.startswith("course-update: content release 2 came\n")


def test_pages_show_the_versions_of_the_product(product: Product) -> None:
    page = "torch {{ torch }}, release {{ content-release }}, {{ other }}, {{braces}}"
    product.publish({"index.md": page, "a.py": "{{ torch }}"}, 2)
    product.update()
    shown = "torch 2.13.0, release 2, (not installed), {{braces}}"
    assert product.files() == {"index.md": shown, "a.py": "{{ torch }}", "p/b.ipynb": "1"}
    assert product.sync().stderr == "", "the manifest lists what the page is now"


def test_dated_solution_of_a_content_release_waits_for_its_day(product: Product) -> None:
    files = {".dated/p/solutions/b.py": "solved", ".dated/p/solutions/c.py": "later", "a.py": "2"}
    dates = {".dated/p/solutions/b.py": "2020-01-01", ".dated/p/solutions/c.py": "9999-01-01"}
    rest = [plain(name, text.encode()) for name, text in files.items()]
    product.publish(files, 2, pack(plain("manifest.json", list_files(files, 2, dates=dates)), *rest))
    product.update()
    assert product.files() == {"a.py": "2", "p/b.ipynb": "1", "p/solutions/b.py": "solved"}


@pytest.mark.parametrize("given", ["", "content.json", "ee559-2027-spring-content-2.tar.gz"])
def test_files_that_were_handed_out_need_no_network(product: Product, web: Web, given: str) -> None:
    product.publish(SECOND, 2)
    stick = product.folder / "stick"
    stick.mkdir()
    for path, data in web.files.items():
        (stick / Path(path).name).write_bytes(data)
    product.describe(address="", updates=False)
    product.update("--from", str(stick / given))
    assert product.files()["c.py"] == "2" and not web.asked
    (stick / "content.json").unlink()
    done = product.update("--from", str(stick), status=1)
    assert done.stderr == f"course-update: {stick}/content.json: No such file or directory\n"


def test_wrong_use(product: Product, web: Web) -> None:
    assert "there is no such file" in product.update("--from", "/nowhere", status=2).stderr
    product.describe(updates=False)
    assert product.update(status=2).stderr == (
        "course-update: this course does not let machines ask for content releases:"
        " course-update --from FILE takes files that you were given\n"
    )
    product.describe(address="")
    assert "has no address from which" in product.update(status=2).stderr
    assert product.update("--quiet").stderr == "" and not web.asked


# ---- lies ----------------------------------------------------------------------------------------------------------


def send(handler: BaseHTTPRequestHandler, data: bytes, announced: int | None = None) -> None:
    handler.send_response(200)
    if announced is not None:
        handler.send_header("Content-Length", str(announced))
    handler.end_headers()
    handler.wfile.write(data)


def send_without_end(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b"")
    while True:
        handler.wfile.write(b"x" * 65536)


def redirect(target: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def play(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.end_headers()

    return play


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def publish_archive(product: Product, *members: tuple[tarfile.TarInfo, bytes], listed: bytes = b"") -> None:
    """Publish, well signed, an archive that the builder would not write."""
    product.publish({}, 2, pack(plain("manifest.json", listed or list_files(SECOND, 2)), *members))


ALL = [plain(name, text.encode()) for name, text in SECOND.items()]


def cut_archive(product: Product, web: Web) -> None:
    path = product.publish(SECOND, 2)
    web.files[path] = web.files[path][:100]


def sign_with(product: Product, web: Web, key: Path, namespace: str = "practicum-content") -> None:
    path = product.publish(SECOND, 2)
    statement = product.state(web.files[path], 2)
    web.files[STATEMENT] = product.sign(statement, key, namespace)


def other_signature(product: Product, web: Web) -> None:
    path = product.publish(SECOND, 2)
    signed = json.loads(web.files[STATEMENT])
    other = json.loads(product.sign(product.state(web.files[path], 3)))
    web.files[STATEMENT] = json.dumps({**signed, "signature": other["signature"]}).encode()


def older(product: Product, web: Web) -> None:
    product.publish(SECOND, 3)
    product.update()
    product.publish(SECOND, 2)


def play(path: str, act: Callable[[BaseHTTPRequestHandler], None]) -> Lie:
    def lie(product: Product, web: Web) -> None:
        archive = product.publish(SECOND, 2)
        web.plays[archive if path == "archive" else path] = act

    return lie


def longer_archive(product: Product, web: Web) -> None:
    path = product.publish(SECOND, 2)
    web.files[path] += b"more"


def other_archive(product: Product, web: Web) -> None:
    path = product.publish(SECOND, 2)
    web.files[path] = web.files[path][:-1] + b"x"


LIES: dict[str, tuple[Lie, str]] = {
    "older": (older, "offers content release 2, older than 3, which is here"),
    "older than the image": (
        lambda product, web: (product.build(SECOND, 2), product.publish(SECOND, 1)),
        "older than 2, which is here",
    ),
    "cut archive": (cut_archive, "ends after 100 of"),
    "longer archive": (longer_archive, "has more than the"),
    "endless archive": (play("archive", send_without_end), "has more than the"),
    "other archive": (other_archive, "is another file than the one that was signed"),
    "no JSON": (lambda product, web: web.files.update({STATEMENT: b"<html>log in"}), "is no statement"),
    "deep JSON": (lambda product, web: web.files.update({STATEMENT: b"[" * 60000}), "is no statement"),
    "odd JSON": (lambda product, web: web.files.update({STATEMENT: b'{"payload": 3}'}), "is no statement"),
    "odd signature": (
        lambda product, web: web.files.update({STATEMENT: b'{"payload": "e30=", "signature": "\\ud800"}'}),
        "is no statement",
    ),
    "no signature": (
        lambda product, web: web.files.update({STATEMENT: b'{"payload": "e30=", "signature": ""}'}),
        "is not signed with a key of this course",
    ),
    "wrong signature": (other_signature, "is not signed with a key of this course"),
    "other key": (
        lambda product, web: sign_with(product, web, make_key(product.folder, "other")),
        "is not signed with a key of this course",
    ),
    "signature of a release": (
        lambda product, web: sign_with(product, web, product.key, "practicum-release"),
        "is not signed with a key of this course",
    ),
    "other course": (
        lambda product, web: product.publish(SECOND, 2, course="CS-101"),
        "is of CS-101 2027-spring, this machine of EE-559 2027-spring",
    ),
    "other semester": (lambda product, web: product.publish(SECOND, 2, semester="2026-spring"), "is of EE-559 2026"),
    "other semester inside": (
        lambda product, web: publish_archive(product, *ALL, listed=list_files(SECOND, 2, semester="2026-spring")),
        "has another content release than",
    ),
    "other number inside": (
        lambda product, web: product.publish(SECOND, 3, pack_release(SECOND, 2)),
        "has another content release than",
    ),
    "later machines": (
        lambda product, web: product.publish(SECOND, 2, version=2),
        "is for a later machine",
    ),
    "too little": (lambda product, web: product.publish(SECOND, 2, sha256=None), "states something impossible"),
    "release true": (lambda product, web: product.publish(SECOND, 2, release=True), "states something impossible"),
    "path as file": (lambda product, web: product.publish(SECOND, 2, file="../x"), "states something impossible"),
    "huge archive": (lambda product, web: product.publish(SECOND, 2, bytes=64 * 10**6 + 1), "64000000 are the most"),
    "huge statement": (play(STATEMENT, lambda one: send(one, b" " * 70000, 70000)), "has more than 65536 bytes"),
    "endless statement": (play(STATEMENT, send_without_end), "has more than 65536 bytes"),
    "redirect to file:": (
        play(STATEMENT, redirect("file:///etc/passwd")),
        "leads to 'file:///etc/passwd', which",
    ),
    "redirect to ftp:": (play(STATEMENT, redirect("ftp://127.0.0.1/x")), "which is no address of the web"),
    "redirect of the archive": (play("archive", redirect("file:///etc/passwd")), "which is no address of the web"),
    "no archive": (lambda product, web: product.publish({}, 2, b"no archive at all"), "is no archive"),
    "half an archive": (lambda product, web: product.publish({}, 2, pack_release(SECOND, 2)[:150]), "is no archive"),
    "bomb": (lambda product, web: product.publish({}, 2, bomb(300)), "is too large"),
    "absolute name": (
        lambda product, web: publish_archive(product, plain("/tmp/x", b"1"), listed=list_files({"/tmp/x": "1"}, 2)),
        "has no manifest",
    ),
    "dotted name": (
        lambda product, web: publish_archive(product, plain("../x", b"1"), listed=list_files({"../x": "1"}, 2)),
        "has no manifest",
    ),
    "dotted name unlisted": (
        lambda product, web: publish_archive(product, *ALL, plain("../x", b"1")),
        "'../x' is not a file that the manifest lists",
    ),
    "symbolic link": (
        lambda product, web: publish_archive(product, *ALL[1:], link("a.py", "/etc/passwd")),
        "'a.py' is no plain file",
    ),
    "hard link": (
        lambda product, web: publish_archive(product, *ALL, link("d.py", "a.py", tarfile.LNKTYPE)),
        "'d.py' is no plain file",
    ),
    "folder": (
        lambda product, web: publish_archive(product, *ALL, link("p", "", tarfile.DIRTYPE)),
        "'p' is no plain file",
    ),
    "extra file": (
        lambda product, web: publish_archive(product, *ALL, plain("d.py", b"")),
        "'d.py' is not a file that the manifest lists",
    ),
    "missing file": (lambda product, web: publish_archive(product, *ALL[1:]), "lacks files that its manifest lists"),
    "file twice": (lambda product, web: publish_archive(product, *ALL, ALL[0]), "comes twice"),
    "wrong hash": (
        lambda product, web: publish_archive(product, *ALL[1:], plain("a.py", b"x")),
        "'a.py' is not a file that the manifest lists",
    ),
    "manifest in the middle": (
        lambda product, web: product.publish({}, 2, pack(*ALL, plain("manifest.json", list_files(SECOND, 2)))),
        "has no manifest ('a.py' comes before it)",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_lie_is_told_in_one_line_and_changes_nothing(product: Product, web: Web, name: str) -> None:
    tell, words = LIES[name]
    tell(product, web)
    before = product.everything()
    for options, status in (((), 1), (("--quiet",), 0)):
        done = product.update(*options, status=status)
        assert done.stderr.count("\n") == 1 and done.stderr.startswith("course-update: ")
        assert words in done.stderr and "nothing was changed; " in done.stderr and done.stdout == ""
        assert product.everything() == before
    assert not [*product.home.rglob(".~*")]


def wait_for_the_end(web: Web) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: send(handler, b"") or (web.end.wait(DEADLINE) and None)


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then, so that no read takes long."""
    send(handler, b"", 60000)
    for _ in range(600):
        time.sleep(0.1)
        handler.wfile.write(b" ")


def drip_headers(handler: BaseHTTPRequestHandler) -> None:
    for letter in b"HTTP/1.0 200 OK\r\nX-A: " + b"a" * 600:
        time.sleep(0.1)
        handler.wfile.write(bytes([letter]))


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


TROUBLES: dict[str, tuple[Lie, str]] = {
    "nobody": (lambda product, web: product.describe(address="http://127.0.0.1:1"), "Connection refused"),
    "no such host": (lambda product, web: product.describe(address="http://course.invalid"), "cannot be read ("),
    "no address": (lambda product, web: product.describe(address="http://[::1"), "cannot be read ("),
    "not published": (lambda product, web: None, "HTTP 404"),
    "no archive": (lambda product, web: web.files.pop(product.publish(SECOND, 2)), "HTTP 404"),
    "no HTTP": (play(STATEMENT, lambda one: one.wfile.write(b"hello\n\n") and None), "cannot be read ("),
    "no answer": (play(STATEMENT, hang_up), "cannot be read ("),
    "error": (play(STATEMENT, lambda one: one.send_error(500)), "HTTP 500"),
    "in circles": (play(STATEMENT, redirect(STATEMENT)), "leads from one address to the next"),
    "silent": (lambda product, web: web.plays.update({STATEMENT: wait_for_the_end(web)}), "timed out"),
    "dripping": (play(STATEMENT, drip), "takes more than 1.5 s"),
    "dripping headers": (play(STATEMENT, drip_headers), "takes more than 1.5 s"),
    "dripping archive": (play("archive", drip), "takes more than 1.5 s"),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_trouble_is_one_line_and_no_word_at_the_start(product: Product, web: Web, name: str) -> None:
    tell, words = TROUBLES[name]
    tell(product, web)
    before = product.everything()
    limits = {"SILENCE": 1.0, "STATEMENT_SECONDS": 1.5, "ARCHIVE_SECONDS": 1.5}
    done = product.update(status=1, **limits)
    assert done.stderr.count("\n") == 1 and words in done.stderr and done.stdout == ""
    assert done.stderr.rstrip().endswith("try later, or: course-update --from FILE")
    assert product.update("--quiet", **limits).stderr == ""
    assert product.everything() == before


def test_address_that_is_none(product: Product) -> None:
    product.describe(address="file:///etc")
    assert "is no address of the web" in product.update(status=1).stderr


def test_redirects_of_the_web_are_followed(product: Product, web: Web) -> None:
    """As to the store of a package registry."""
    path = product.publish(SECOND, 2)
    web.files["/store/7"] = web.files.pop(path)
    web.plays[path] = redirect("/store/7")
    product.update()
    assert product.files()["c.py"] == "2"


def test_certificate_of_a_server_is_verified(product: Product, web: Web, tmp_path: Path) -> None:
    """By the authorities of the system, or those of a file that OpenSSL knows from its variable."""
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    argv += [
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(tmp_path / "tls"),
        "-out",
        str(tmp_path / "tls.pem"),
    ]
    subprocess.run(argv, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.pem", tmp_path / "tls")
    with serve(context) as secure:
        product.web = secure
        product.describe()
        product.publish(SECOND, 2)
        assert "certificate verify failed" in product.update(status=1).stderr
        product.trusted = tmp_path / "tls.pem"
        product.update()
    assert product.files()["c.py"] == "2"


def test_product_without_a_key_takes_nothing(product: Product) -> None:
    product.publish(SECOND, 2)
    signers = product.root / "opt/course/signers"
    signers.write_text(allow(product.key, "practicum-release"))
    assert "is not signed with a key of this course" in product.update(status=1).stderr
    for text in ("", None):
        signers.write_text(text) if text is not None else signers.unlink()
        assert "signers names no key: this course releases no content" in product.update(status=1).stderr
    assert product.files() == {"a.py": "1", "p/b.ipynb": "1"}


# ---- cuts ----------------------------------------------------------------------------------------------------------


def test_kill_at_any_moment_is_harmless(product: Product, web: Web) -> None:
    """At random moments of twelve updates, of which the next start makes what it can; the last one goes through."""
    chance = random.Random(559)
    (product.home / "ee559/a.py").write_text("mine")

    def dawdle(handler: BaseHTTPRequestHandler) -> None:
        data = web.files[handler.path]
        send(handler, b"", len(data))
        for start in range(0, len(data), 50):
            handler.wfile.write(data[start : start + 50])
            time.sleep(0.02)

    before, moments = 1, set()
    for number in range(2, 14):
        web.plays[product.publish(dict.fromkeys(SECOND, str(number)), number)] = dawdle
        web.asked.clear()
        child = subprocess.Popen(product.command(), env=product.environment, stdout=subprocess.DEVNULL)
        wait_until(lambda: STATEMENT in web.asked, "the update asks")
        time.sleep(chance.uniform(0, 0.5))
        child.send_signal(signal.SIGKILL)
        moments.add(child.wait())
        product.sync()
        # What a kill leaves beside a file is removed by a later start: test_recover.py.
        files = {name: text for name, text in product.files().items() if ".~" not in name}
        assert files.pop("a.py") == "mine"
        after = int(files["p/b.ipynb"])
        assert after in (before, number) and set(files.values()) == {str(after)}, "a whole release, never an older one"
        before = after
    product.update()
    files = {name: text for name, text in product.files().items() if ".~" not in name}
    assert files == {"a.py": "mine", "a.new.py": "13", "p/b.ipynb": "13", "c.py": "13"}
    assert not [*(product.home / ".local").rglob(".~*")], "what the killed ones left is removed"
    assert -signal.SIGKILL in moments


def test_full_disk_is_said_and_changes_nothing(product: Product) -> None:
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    product.publish({"a.py": "x" * 200_000, "noise": random.Random(1).randbytes(100_000).hex()}, 2)
    (product.home / ".local/share/course").mkdir(parents=True)
    script = f'mount -t tmpfs -o size=64k none "{product.home}/.local/share/course" && exec "$@"'
    argv = ["unshare", "-m", "sh", "-c", script, "sh", *product.command("--quiet")]
    done = subprocess.run(argv, env=product.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "No space left on device: delete files" in done.stderr
    assert done.stderr.count("\n") == 1 and product.files() == {"a.py": "1", "p/b.ipynb": "1"}


def test_second_update_at_the_same_time_steps_back(product: Product, web: Web) -> None:
    path = product.publish(SECOND, 2)
    web.plays[path] = wait_for_the_end(web)
    first = subprocess.Popen(product.command(), env=product.environment, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: path in web.asked, "the first one fetches")
        done = product.update(status=1)
        assert done.stderr == "course-update: another course-update is at work: wait a minute, then run it again\n"
        assert product.update("--quiet").stderr == ""
    finally:
        first.kill()
        first.wait()


# ---- which content a start takes -----------------------------------------------------------------------------------


def test_older_image_with_a_newer_home_changes_nothing(product: Product) -> None:
    product.publish(SECOND, 2)
    product.update()
    (product.home / "ee559/c.py").unlink()
    before = product.everything()
    assert product.sync().stderr == "" and product.everything() == before
    for path in sorted((product.home / ".local/share").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    before = product.everything()
    told = product.sync().stderr
    assert "has had content release 2, here is only 1: nothing is changed" in told and told.count("\n") == 1
    assert product.everything() == before
    product.update()
    assert product.files() == {"a.py": "2", "p/b.ipynb": "2"}, "fetched again, and what was deleted stays deleted"


def test_newer_image_wins_and_makes_the_home_s_copy_superfluous(product: Product) -> None:
    product.publish(SECOND, 2)
    product.update()
    product.build({**SECOND, "a.py": "3"}, 3)
    assert product.sync().stdout == "course-sync: 1 files brought up to date\n"
    assert product.files()["a.py"] == "3"


@pytest.mark.parametrize("damage", ["manifest", "file", "other"])
def test_damaged_copy_is_passed_over_and_fetched_again(product: Product, damage: str) -> None:
    product.publish(SECOND, 2)
    product.update()
    kept = product.home / ".local/share/course/content/ee559-2027-spring/2"
    if damage == "other":
        (kept / "manifest.json").write_bytes(list_files(SECOND, 2, semester="2026-spring"))
    else:
        (kept / {"manifest": "manifest.json", "file": "a.py"}[damage]).write_text("damaged")
    told = product.sync()
    assert told.stderr.count("\n") == 1 and f"course-sync: {kept}: " in told.stderr
    assert "it is left out; course-update fetches it again" in told.stderr and product.files()["a.py"] == "2"
    product.update()
    assert product.sync().stderr == ""
