"""A bare repository that takes push options, as GitLab's does, and a checkout that pushes to it."""

from pathlib import Path

from pipelines import commit, git

SEMESTER = "2027-spring"
LOCK = f"semesters/{SEMESTER}/python-cpu.lock"
NOTE_OPTIONS = r"""#!/usr/bin/env bash
for ((number = 0; number < ${{GIT_PUSH_OPTION_COUNT:-0}}; number++)); do
    name=GIT_PUSH_OPTION_$number
    printf '%s\t' "${{!name}}"
done >>{file}
echo >>{file}
"""


def make_server(folder: Path) -> Path:
    """Makes the bare repository, which notes each push as a line of its options."""
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", "server.git")
    bare = folder / "server.git"
    git(bare, "config", "receive.advertisePushOptions", "true")
    hook = bare / "hooks/post-receive"
    hook.write_text(NOTE_OPTIONS.format(file=folder / "pushes"))
    hook.chmod(0o755)
    return bare


def make_checkout(server: Path) -> Path:
    """Makes a checkout of one commit with one lock; the server has it as main."""
    folder = server.parent / "checkout"
    git(server.parent, "init", "--quiet", "--initial-branch=main", "checkout")
    lock = folder / LOCK
    lock.parent.mkdir(parents=True)
    lock.write_text("numpy==1.0\n")
    commit(folder)
    git(folder, "remote", "add", "origin", str(server))
    git(folder, "push", "--quiet", "origin", "main")
    (server.parent / "pushes").unlink(missing_ok=True)
    return folder


def list_pushes(server: Path) -> list[list[str]]:
    """Returns the options of each push, in their order."""
    file = server.parent / "pushes"
    return [line.rstrip("\t").split("\t") for line in file.read_text().splitlines()] if file.exists() else []


def list_branches(server: Path) -> list[str]:
    return git(server, "for-each-ref", "--format=%(refname)").splitlines()
