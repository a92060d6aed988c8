"""Every linter of the project as a test, so that `make test` on a laptop and in CI judge alike."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from practicum.engine import cache, tools
from practicum.images.packer import Play, Step, packer_variables

ROOT = Path(__file__).parent.parent
SHELLS = ("sh", "bash", "dash")


def list_files(*patterns: str) -> list[Path]:
    """Returns the files of the repository, committed or about to be, that match the git patterns."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    told = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(path for name in told.split("\0") if name and (path := ROOT / name).is_file())


def list_shell_scripts() -> list[Path]:
    """Returns *.sh and the files without an extension whose first line calls a shell."""
    return [path for path in list_files() if path.suffix == ".sh" or (not path.suffix and has_shell_shebang(path))]


def has_shell_shebang(path: Path) -> bool:
    with path.open("rb") as file:
        words = file.readline(200).decode("utf-8", "replace").removeprefix("#!").split()
        file.seek(0)
        return file.read(2) == b"#!" and any(Path(word).name in SHELLS for word in words)


def lint(*argv: str | os.PathLike[str], cwd: Path = ROOT, **environment: str) -> None:
    """Runs a linter; skips when it is not installed, fails with all it says."""
    words = [os.fspath(word) for word in argv]
    tool = tools.find(words[0])
    if tool is None:
        pytest.skip(f"{words[0]} is not on this machine")
    # Packer looks for ansible-playbook, which is in our own environment.
    path = os.pathsep.join([os.fspath(Path(tool).parent), os.fspath(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [tool, *words[1:]],
        cwd=cwd,
        env={**os.environ, "PATH": path, "NO_COLOR": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{' '.join(words[:3])}:\n{done.stdout}", pytrace=False)


def remember(linter: str) -> Path:
    """Returns the folder outside the checkout in which `linter` keeps what it has parsed."""
    return cache.root() / "lint" / linter


def test_ruff_check() -> None:
    lint("ruff", "check", f"--cache-dir={remember('ruff')}", ".")


def test_ruff_format() -> None:
    lint("ruff", "format", "--check", "--diff", "--quiet", f"--cache-dir={remember('ruff')}", ".")


def test_mypy(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, as yamllint: a Python less to start."""
    mypy = pytest.importorskip("mypy.api")
    monkeypatch.chdir(ROOT)
    told, complaints, code = mypy.run([f"--cache-dir={remember('mypy')}"])
    if code:
        pytest.fail(f"mypy:\n{told}{complaints}", pytrace=False)
    assert "no issues found in" in told, "it must have looked at files"


def test_yamllint(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    yamllint = pytest.importorskip("yamllint.cli")
    files = list_files("*.yml", "*.yaml")
    assert any(path.is_relative_to(ROOT / "ansible") for path in files)
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as ended:
        yamllint.run(["--strict", *map(str, files)])
    if ended.value.code:
        pytest.fail(f"yamllint:\n{capsys.readouterr().out}", pytrace=False)


def test_shellcheck() -> None:
    scripts = list_shell_scripts()
    assert ROOT / "scripts" / "start-docker.sh" in scripts and ROOT / ".ci" / "run" in scripts
    lint("shellcheck", "--external-sources", *scripts)


def test_ansible_lint() -> None:
    assert (ROOT / "ansible" / "course.yml").exists()
    # With --offline, what it keeps goes to Ansible's own folder.
    home = str(remember("ansible"))
    lint("ansible-lint", "--offline", "--strict", "--nocolor", cwd=ROOT / "ansible", ANSIBLE_HOME=home)


def test_packer_fmt() -> None:
    folders = sorted({path.parent for path in list_files("*.pkr.hcl")})
    assert ROOT / "packer" in folders
    for folder in folders:
        lint("packer", "fmt", "-check", "-diff", folder)


@pytest.mark.parametrize("play", sorted(path.stem for path in (ROOT / "ansible").glob("*.yml")))
def test_packer_validate(play: str, tmp_path: Path) -> None:
    """With the variables a build passes, so that a variable only one side knows is found here."""
    roles, variables = tmp_path / "ansible-vars.json", tmp_path / "packer.pkrvars.json"
    roles.write_text("{}")
    changes = packer_variables(Step(Play(ROOT, play, ()), "base:1", "made:2", {}), tmp_path / "alive", roles, tmp_path)
    variables.write_text(json.dumps(changes))
    lint("packer", "validate", f"-var-file={variables}", ROOT / "packer", CHECKPOINT_DISABLE="1")


def test_packages_to_install_cover_what_the_builder_asks_for() -> None:
    """tools.py names the package of a missing tool, packages.txt those of a new machine: they must not drift apart."""
    lines = [line.split() for line in (ROOT / "scripts/packages.txt").read_text().splitlines() if line[:1].isalpha()]
    listed = {probe: package for _, probe, package in lines}
    known = {**tools.PACKAGES, **tools.FILES}
    assert {probe: known[probe] for probe in listed if probe in known} == {
        probe: package for probe, package in listed.items() if probe in known
    }
    # make started the installation; the others are in every Debian
    essential = {"apt", "bash", "dpkg", "tar", "util-linux", "make"}
    wanted = {package for tool, package in known.items() if tool not in ("shellcheck", "zstd")}
    assert wanted - essential <= set(listed.values())


def test_what_ends_a_hang_has_a_name() -> None:
    """A number there is a promise about the clock, which a busy host breaks: HANG, DEADLINE and PATIENCE are none."""
    net = re.compile(r"\b(?:timeout|seconds)=[0-9]{2,3}\b|\b(?:communicate|wait)\([0-9]{2,}\)")
    files = [path for path in list_files("tests/*.py", "smoke_tests/*.py") if "compute" not in path.parts]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if net.search(line) and path != Path(__file__)
    ]
    assert not found, "\n".join(found)
