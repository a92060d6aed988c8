"""What a student does in a container: reads the course, installs packages, asks the doctor, opens it in a browser."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from practicum.semester.description import Semester
from smoke_tests.browser import PLOT, judge_landing_page, judge_preview, open_page
from smoke_tests.container.conftest import RunContainer
from smoke_tests.container.docker import Container, docker
from smoke_tests.jupyter import Jupyter, make_notebook

CONTENT = "/opt/course/content"
SYNC_SECONDS = 0.5
"""Processor time of `course-sync` that finds nothing to do."""


# ---- the course ----------------------------------------------------------------------------------------------------


def test_course_is_in_the_home_and_is_what_opens(server: Container, semester: Semester) -> None:
    files = json.loads(server.exec(["cat", f"{CONTENT}/manifest.json"]).stdout)["files"]
    home = f"/home/jovyan/{semester.course.slug}"
    told = server.exec(f"cd {home} && sha256sum -- $(find . -type f -printf '%P\\n')").stdout
    assert {path: digest for digest, path in (line.split("  ", 1) for line in told.splitlines())} == files
    page = server.get("/lab").text
    assert f'"preferredPath": "{semester.course.slug}"' in page or f'"preferredPath":"{semester.course.slug}"' in page


def test_original_cannot_be_changed(server: Container) -> None:
    for user in ("1000", "123456:0"):
        assert server.exec(f"test -w {CONTENT}/index.md || echo no", user=user).stdout == "no\n"


def test_update_never_overwrites_what_the_student_did(
    volume: str, run_container: RunContainer, semester: Semester, tmp_path: Path
) -> None:
    """A later image, with a new file, one changed, and one changed that the student had edited and one he deleted."""
    home, mounted = f"/home/jovyan/{semester.course.slug}", f"--volume={volume}:/home/jovyan"
    edit = f"cd {home} && echo mine >> index.md && rm prologue/*.py"
    first = run_container(mounted, command=["bash", "-c", edit], ready=False)
    assert first.wait_ended() == 0, first.logs()
    docker("cp", f"{first.id}:{CONTENT}", str(tmp_path / "content"))
    later = tmp_path / "content"
    paths = sorted(json.loads((later / "manifest.json").read_text())["files"])
    untouched = next(path for path in paths if path.endswith(".ipynb"))
    for path in (untouched, "index.md", next(path for path in paths if path.startswith("prologue/"))):
        with (later / path).open("a") as file:
            file.write("\n")
    (later / "new.md").write_text("new\n")
    files = {path: hashlib.sha256((later / path).read_bytes()).hexdigest() for path in [*paths, "new.md"]}
    (later / "manifest.json").write_text(json.dumps({"version": 1, "files": files}))
    look = f"cd {home} && tail -n 1 index.md && cat new.md && sha256sum index.new.md {untouched} && ls prologue"
    second = run_container(mounted, f"--volume={later}:{CONTENT}:ro", command=["bash", "-c", look], ready=False)
    assert second.wait_ended() == 0, second.logs()
    sums = [f"{files[path]}  {name}" for path, name in (("index.md", "index.new.md"), (untouched, untouched))]
    assert second.stdout.splitlines() == ["mine", "new", *sums], "and what he deleted stays away"


def test_synchronising_is_quick(server: Container) -> None:
    timed = "TIMEFORMAT='%U %S'; time course-sync"
    laps = [server.exec(timed).stderr.splitlines()[-1] for _ in range(3)]
    assert min(sum(map(float, lap.split())) for lap in laps) < SYNC_SECONDS


def test_home_that_cannot_be_written_serves_the_original(run_container: RunContainer, tmp_path: Path) -> None:
    """Read-only, and no other place: /tmp is there, but the student's own folder is mounted read-only."""
    tmp_path.chmod(0o755)
    container = run_container(
        f"--volume={tmp_path}:/home/jovyan:ro", "--env=TMPDIR=/nowhere", "--read-only", "--tmpfs=/tmp"
    )
    assert container.get("/lab").status_code == 200
    with Jupyter(container.url, container.token).start_kernel() as kernel:
        outcome = kernel.execute("import dlc_practical_prologue as p; print(p.__file__)")
    assert outcome.status == "ok" and outcome.text.startswith(CONTENT), outcome


# ---- packages ------------------------------------------------------------------------------------------------------


def write_wheel(folder: Path, name: str = "oneliner", version: str = "1.0") -> Path:
    """Return a package with a module and a command."""
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", "def main():\n    print('installed by the student')\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        wheel.writestr(f"{info}/RECORD", "")
    folder.chmod(0o755)
    path.chmod(0o644)
    return path


@pytest.mark.parametrize("user", ["1000", "123456:0"])
def test_installed_package_stays_in_the_home(
    volume: str, run_container: RunContainer, tmp_path: Path, semester: Semester, user: str
) -> None:
    wheel = write_wheel(tmp_path)
    mounted, wheels = f"--volume={volume}:/home/jovyan", f"--volume={tmp_path}:/wheels:ro"
    install = ["pip", "install", "--no-index", f"/wheels/{wheel.name}"]
    first = run_container(mounted, wheels, f"--user={user}", command=install, ready=False)
    assert first.wait_ended() == 0, first.logs()
    use = "oneliner; bash -lc oneliner; python -c 'import oneliner; print(oneliner.__file__)'"
    second = run_container(mounted, f"--user={user}", command=["bash", "-c", use], ready=False)
    assert second.wait_ended() == 0, second.logs()
    by_path, by_login, place = second.stdout.splitlines()
    assert by_path == by_login == "installed by the student"
    assert place.startswith(f"/home/jovyan/.local/{semester.product_name}/"), "apart from other semesters' packages"


def test_kernel_finds_what_the_student_installs(run_container: RunContainer, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path)
    container = run_container(f"--volume={tmp_path}:/wheels:ro", "--user=123456:0")
    with Jupyter(container.url, container.token).start_kernel() as kernel:
        installed = kernel.execute(f"%pip install --no-index /wheels/{wheel.name}")
        assert installed.status == "ok", installed
        assert kernel.execute("!oneliner").text.strip() == "installed by the student"


def test_another_version_is_refused_with_the_way_to_it(run_container: RunContainer, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, "pandas", "2.9")
    container = run_container(f"--volume={tmp_path}:/wheels:ro", command=["sleep", "infinity"], ready=False)
    install = f"install --no-index /wheels/{wheel.name}"
    for pip in ("pip", "python -m pip"):
        refused = container.exec(f"{pip} {install}", check=False)
        assert refused.returncode != 0 and refused.stderr.rstrip().endswith("course-env NAME"), refused
    made = container.exec(f"course-env old && . ~/.local/share/course-env/old/bin/activate && pip {install}")
    assert 'the kernel "Python (old)"' in made.stdout
    python = "~/.local/share/course-env/old/bin/python"
    told = container.exec(f"{python} -c 'import pandas, torch; print(pandas.__file__, torch.__file__)'").stdout.split()
    assert "/course-env/old/" in told[0] and told[1].startswith("/opt/venv/")


def test_kernel_of_another_python_in_the_home_does_not_take_over(run_container: RunContainer, tmp_path: Path) -> None:
    """Such as `python -m ipykernel install --user` leaves, or an old conda."""
    kernel = tmp_path / "kernel.json"
    kernel.write_text(
        '{"argv": ["/nowhere/python", "-f", "{connection_file}"], "display_name": "Old", "language": "python"}'
    )
    place = "/home/jovyan/.local/share/jupyter/kernels/python3/kernel.json"
    container = run_container(f"--volume={kernel}:{place}:ro", "--user=1000:0")
    with Jupyter(container.url, container.token).start_kernel() as running:
        assert running.execute("import sys; print(sys.prefix)").text.strip() == "/opt/venv"


def test_tensorboard_opens_in_the_browser(server: Container) -> None:
    code = "from torch.utils.tensorboard import SummaryWriter as W; w = W('runs/first'); w.add_scalar('loss', 0.5, 1)"
    code += "; w.close()"  # without it, what is written may be lost
    server.exec(f'cd ~/ee559 && python -c "{code}"')
    # The page asks once for what there is: it is opened when the run has been read.
    tags = "/tensorboard/data/plugin/scalars/tags"
    server.wait_until(lambda: "loss" in server.get(tags).text, "the run")
    with open_page(server.url) as page:
        page.goto(f"{server.url}/tree?token={server.token}", wait_until="commit")
        page.goto(f"{server.url}/tensorboard/", wait_until="commit")
        expect(page.get_by_text("runs/first").first).to_be_visible()


def test_compile_says_what_it_misses_and_the_cure_is_one(server: Container) -> None:
    code = (
        "import torch, traceback\n"
        "try: torch.compile(lambda x: x + 1)(torch.ones(2))\n"
        "except Exception: traceback.print_exc()\n"
        "print(torch.compile(lambda x: x + 1, backend='aot_eager')(torch.ones(2)).sum().item())\n"
    )
    done = server.exec(["python", "-c", code])
    assert "g++" in done.stderr and "aot_eager" in done.stderr, done.stderr[-2000:]
    assert done.stdout == "4.0\n"


def test_sudo_grants_nothing(server: Container) -> None:
    done = server.exec(["sudo", "-n", "true"], check=False)
    assert done.returncode and "password is required" in done.stderr


# ---- the doctor ----------------------------------------------------------------------------------------------------


def test_doctor_finds_the_container_well(server: Container) -> None:
    done = server.exec(["course-doctor", "--json"], check=False)
    told = json.loads(done.stdout)
    failures = [check for check in told["checks"] if check["status"] == "failure"]
    assert done.returncode == 0 and told["ok"] and not failures, failures
    assert {"gpu", "shm", "torch", "torch works"} <= {check["name"] for check in told["checks"]}


def test_doctor_and_log_say_the_same_of_the_gpu(server: Container) -> None:
    checks = json.loads(server.exec(["course-doctor", "--gpu", "--json"], check=False).stdout)["checks"]
    (gpu,) = [check for check in checks if check["name"] == "gpu"]
    assert gpu["detail"] in server.logs()
    shown = server.exec(["course-doctor", "--gpu"], check=False).stdout
    assert gpu["detail"] in shown


def test_small_shared_memory_is_told(server: Container, run_container: RunContainer) -> None:
    container = run_container("--shm-size=16m")
    assert "--shm-size" in container.logs()
    assert "--shm-size" not in server.logs(), "there the memory is as large as the README makes it"
    with Jupyter(container.url, container.token).start_kernel() as kernel:
        assert kernel.execute("import torch; print(int(torch.arange(7).sum()))").text == "21\n"


def test_bye_stops_the_container(run_container: RunContainer) -> None:
    container = run_container()
    with Jupyter(container.url, container.token).start_kernel() as kernel:
        kernel.send("!bye")
        assert container.wait_ended() in (0, 143)


# ---- the browser ---------------------------------------------------------------------------------------------------


def test_first_start_asks_for_the_token_and_shows_the_landing_page(
    run_container: RunContainer, semester: Semester
) -> None:
    container = run_container()
    jupyter = Jupyter(container.url, container.token)
    jupyter.save_text(f"{semester.course.slug}/smoke-note.md", "# A note\n").raise_for_status()
    with open_page(container.url) as page:
        page.goto(f"{container.url}/lab", wait_until="commit")
        page.get_by_label("Type the token of the container's log").fill(container.token)
        page.get_by_role("button", name="Log in").click()
        judge_landing_page(page, semester.content_root)
        judge_preview(page, "smoke-note.md", "A note")


def test_plot_appears_in_the_browser(server: Container, build: Path) -> None:
    path = "smoke-plot.ipynb"
    Jupyter(server.url, server.token).save(path, make_notebook(PLOT)).raise_for_status()
    failures: list[str] = []
    with open_page(server.url) as page:
        page.on("pageerror", lambda error: failures.append(str(error)))
        address = f"{server.url}/lab/tree/{path}?token={server.token}"
        page.goto(address, wait_until="commit")
        expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()
        page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
        page.keyboard.press("Shift+Enter")
        picture = page.locator(".jp-OutputArea-output img")
        expect(picture).to_be_visible()
        assert picture.evaluate("image => image.naturalWidth") > 300
        assert page.locator(".jp-Dialog").count() == 0
        screenshot = build / "screenshots/container.png"
        screenshot.parent.mkdir(exist_ok=True)
        page.screenshot(path=screenshot)
    assert failures == [] and screenshot.stat().st_size > 10_000


def test_torchvision_opens_what_the_course_has(server: Container) -> None:
    code = "from torchvision.datasets import CIFAR10 as C; print(len(C('./data/cifar10', train=False, download=True)))"
    assert server.exec(["python", "-c", code]).stdout.splitlines()[-1] == "10000"


# ---- practicals ----------------------------------------------------------------------------------------------------


def test_practical_computes_what_it_should(server: Container, semester: Semester) -> None:
    """The reference solution, reduced; smoke_tests/content judges all of it."""
    solution = semester.content_root / "practicals/practical-1/solutions/practical_1.py"
    docker("cp", str(solution), f"{server.id}:/tmp")
    server.exec(["python", f"/tmp/{solution.name}", "--tiny", "--json", "/tmp/result.json"])
    result = json.loads(server.exec(["cat", "/tmp/result.json"]).stdout)
    assert result["device"] == "cpu" and result["seconds"] > 0
    assert result["grid_sum"] == 270 and result["eigenvalue_deviation"] < 1e-6
