"""A home that can be written, wherever a runtime puts the container: docker, Kubernetes, Apptainer, enroot, a hub.

Called in two ways: as a program by the start commands and login shells, which evaluate the lines it prints;
and at every start of the course's Python, where it must cost nothing. Hence no imports but these.
"""

import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping

VENV_BIN = "/opt/venv/bin"
TEMPORARY_HOME = "COURSE_TEMPORARY_HOME"  # names the home if that is lost with the container
GIVEN = ("TMPDIR", "XDG_RUNTIME_DIR")  # folders that programs expect to be there
MADE = (  # folders that programs make
    "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME",
    "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR",
)  # fmt: skip
UID_MAP = "/proc/self/uid_map"
ALL_IDS = "0 0 4294967295"  # the map of a process whose user ids are the host's


def set_environment(environ: "MutableMapping[str, str]") -> str:
    """Make `environ` name folders that can be written; return what the user should know, "" for nothing."""
    messages = [drop_unusable(environ), choose_home(environ)]
    choose_package_folder(environ)
    if not environ.get("JUPYTER_RUNTIME_DIR"):
        # Not in the home: sockets do not work on every network file system, and what lies here dies with the server.
        folder = make_private_folder(environ, "jupyter")
        if folder:
            environ["JUPYTER_RUNTIME_DIR"] = folder
    set_user_names(environ)
    return "; ".join(message for message in messages if message)


def drop_unusable(environ: "MutableMapping[str, str]") -> str:
    """Remove what names a folder that cannot be used here; a host's login leaves such names in many containers."""
    names = [name for name in GIVEN if environ.get(name) and not is_usable(environ[name])]
    names += [name for name in MADE if environ.get(name) and not can_be_made(environ[name])]
    if not names:
        return ""
    folders = ", ".join(f"{name}={environ.pop(name)}" for name in names)
    return f"{folders} cannot be written here and {'is' if len(names) == 1 else 'are'} ignored"


def can_be_made(folder: str) -> bool:
    """Return whether `folder` can be written, or made where it is not there yet."""
    while folder.startswith("/") and folder != "/" and not os.path.lexists(folder):
        folder = folder.rpartition("/")[0] or "/"
    return folder.startswith("/") and os.access(f"{folder}/.", os.W_OK | os.X_OK)


def choose_home(environ: "MutableMapping[str, str]") -> str:
    """Keep HOME when it can be written, else take the first place that can."""
    home = environ.get("HOME", "")
    if is_usable(home):
        return ""
    reason = explain_home(home)
    for name in ("SCRATCH_HOME", "WORKING_DIR"):
        folder = environ.get(name, "")
        if is_usable(folder):
            environ["HOME"] = folder
            return f"{reason}: files go to {folder} (${name})"
    folder = make_private_folder(environ, "home")
    if not folder:
        return f"{reason}, nor is there another place: start with --tmpfs /tmp, or mount a folder and name it in HOME"
    environ["HOME"] = environ[TEMPORARY_HOME] = folder
    cure = "mount a folder that this user can write and name it in HOME"
    if "cannot be written" in reason:
        cure = name_rootless_cure(environ) or cure
        if os.getegid() != 0 and "HOME" in cure:
            cure += f", or run with group 0 (-u {os.geteuid()}:0)"
    return f"{reason}: files go to {folder} and are lost with the container; {cure}"


def name_rootless_cure(environ: "MutableMapping[str, str]") -> str:
    """Return how to start a container with other ids than its host's, so that a mounted folder is its user's; or "".

    There, the host's user is root in the container unless the runtime is told otherwise.
    """
    try:
        with open(UID_MAP) as file:  # noqa: PTH123
            ids = " ".join(file.readline().split())
    except OSError:
        return ""
    if ids == ALL_IDS:
        return ""
    if environ.get("container") == "podman":
        return "start with --userns=keep-id:uid=1000,gid=100 and without --user"
    return "start with --user root -e NB_USER=root -e NB_UID=0 -e NB_GID=0"


def explain_home(home: str) -> str:
    """Return why `home` cannot be the home."""
    if not home:
        return "HOME is not set"
    if home == "/":
        return "HOME is /"
    if not os.path.isdir(home):  # noqa: PTH112  (pathlib is not imported at every start of Python)
        return f"HOME={home} is not a folder"
    return f"HOME={home} cannot be written by user {os.geteuid()}, group {os.getegid()}"


def is_usable(folder: str) -> bool:
    """Return whether `folder` can be a home."""
    return folder.startswith("/") and folder != "/" and os.access(f"{folder}/.", os.W_OK | os.X_OK)


def make_private_folder(environ: "MutableMapping[str, str]", name: str) -> str:
    """Return a folder below TMPDIR that only this user can enter, the same one each time; "" when none can be made."""
    for parent in dict.fromkeys((environ.get("TMPDIR") or "/tmp", "/tmp")):
        folder = f"{parent.rstrip('/')}/{name}-{os.geteuid()}"
        # Whoever else made that name first does not get our files: then a name that nobody can guess.
        for candidate in (folder, f"{folder}-{os.urandom(8).hex()}"):
            try:
                os.mkdir(candidate, 0o700)  # noqa: PTH102
            except FileExistsError:
                pass
            except OSError:
                break
            if is_private(candidate) and is_usable(candidate):
                return candidate
    return ""


def is_private(folder: str) -> bool:
    """Return whether `folder` is one of this user's, no link, and closed to everybody else."""
    status = os.lstat(folder)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def choose_package_folder(environ: "MutableMapping[str, str]") -> None:
    """Choose where pip puts packages: apart from other semesters' and from the cluster's own ~/.local."""
    home, course = environ.get("HOME"), environ.get("COURSE_NAME")
    if home and course and not environ.get("PYTHONUSERBASE"):
        environ["PYTHONUSERBASE"] = f"{home.rstrip('/')}/.local/{course}"
    base = environ.get("PYTHONUSERBASE", "")
    if not base:
        return
    path = environ.get("PATH", "").split(":")
    programs = f"{base}/bin"
    if programs not in path:
        path.insert(path.index(VENV_BIN) + 1 if VENV_BIN in path else 0, programs)
        environ["PATH"] = ":".join(part for part in path if part)


def set_user_names(environ: "MutableMapping[str, str]") -> None:
    """Set USER and LOGNAME: getpass, ssh and git ask for them before they look up an id that has no line in passwd."""
    if environ.get("USER") and environ.get("LOGNAME"):
        return
    import pwd

    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = environ.get("NB_USER") or "jovyan"
    for variable in ("USER", "LOGNAME"):
        if not environ.get(variable):
            environ[variable] = name


def set_environment_quietly() -> None:
    """Set the environment of this process, from a .pth file: Python must start whatever happens here."""
    try:  # noqa: SIM105  (contextlib is not imported at every start of Python)
        set_environment(os.environ)
    except Exception:
        pass


def quote(text: str) -> str:
    """Return `text` as one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def main() -> None:
    """Print the changes as lines for a shell; the message goes to stderr, the exit status is 0 whatever happens."""
    before = dict(os.environ)
    try:
        message = set_environment(os.environ)
    except Exception as error:
        message = f"cannot look for a home that can be written ({error})"
    changed = [name for name, value in os.environ.items() if before.get(name) != value]
    # As bytes: a path need not be text.
    lines = [f"export {name}={quote(os.environ[name])}\n" for name in changed]
    lines += [f"unset {name}\n" for name in before if name not in os.environ]
    sys.stdout.buffer.write(b"".join(map(os.fsencode, lines)))
    if message:
        sys.stderr.buffer.write(os.fsencode(f"course: {message}\n"))


if __name__ == "__main__":
    main()
