"""Jupyter saves that are complete or did not happen, whenever the server is killed or the power is cut.

Jupyter's own way writes into the notebook itself and keeps a hidden copy meanwhile: a server that dies inside leaves a
truncated notebook. Here the new version is written beside, brought to disk, and renamed over the old one.
"""

import errno
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from anyio.to_thread import run_sync
from jupyter_server.services.contents.filecheckpoints import AsyncFileCheckpoints
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from traitlets import TraitError, default, validate

from course_runtime.machine.atomic import TEMPORARY_PREFIX, TEMPORARY_SUFFIX

PAGE = "](/static/docs/"
"""How a Markdown file of the course begins a link to the course's page."""


class CannotReplace(Exception):
    """The file cannot be replaced by another one with the same owner and rights: it must be written in place."""


def create_beside(path: Path) -> tuple[int, Path]:
    """Make an empty temporary file next to `path`, with its owner and rights if it exists: (descriptor, name).

    Raise CannotReplace when that is impossible, and PermissionError when `path` is write-protected.
    """
    try:
        old = path.stat()
    except FileNotFoundError:
        old = None
    if old and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "File is write-protected", str(path))
    if old and old.st_nlink > 1:
        raise CannotReplace(f"{path} has several names, a new file would get only one of them")
    name = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except PermissionError as error:
        if old:
            raise CannotReplace(f"folder of {path} is write-protected") from error
        raise
    try:
        if old:
            copy_rights(path, old, descriptor)
    except OSError as error:
        discard(descriptor, name)
        raise CannotReplace(f"owner and rights of {path} cannot be kept") from error
    return descriptor, name


def copy_rights(path: Path, old: os.stat_result, descriptor: int) -> None:
    """Give `descriptor` the owner, rights and attributes (ACLs among them) of `path`; raise OSError."""
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, old.st_mode & 0o7777)
    try:
        attributes = os.listxattr(path)
    except OSError:
        return  # a file system without attributes
    for attribute in attributes:
        if attribute.startswith(("user.", "system.posix_acl")):
            os.setxattr(descriptor, attribute, os.getxattr(path, attribute))


def discard(descriptor: int, name: Path) -> None:
    """Close and remove a temporary file."""
    with suppress(OSError):
        os.close(descriptor)
    with suppress(OSError):
        name.unlink()


def sync_folder(folder: Path) -> None:
    """Bring a rename in `folder` to disk, where the file system knows how (VirtualBox's shared folders do not)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def replace_file(os_path: str, *, text: bool, encoding: str = "utf-8", **options: Any) -> Iterator[IO[Any]]:
    """Open what will replace `os_path` (links followed) when the block ends well; otherwise it stays as it was.

    Raise CannotReplace before anything is written where only writing in place is possible.
    """
    path = Path(os.path.realpath(os_path))  # unlike Path.resolve, no error on a loop of links
    descriptor, name = create_beside(path)
    if text:
        options.setdefault("newline", "\n")
        options["encoding"] = encoding
    try:
        with os.fdopen(descriptor, "w" if text else "wb", **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        name.replace(path)
    except BaseException:
        with suppress(OSError):
            name.unlink()
        raise
    sync_folder(path.parent)


class SafeCheckpoints(AsyncFileCheckpoints):
    """Checkpoints whose making, and above all whose restoring, cannot leave half a file."""

    async def _copy(self, src: str, dest: str) -> None:
        try:
            with replace_file(dest, text=False) as target, Path(src).open("rb") as source:
                await run_sync(shutil.copyfileobj, source, target)
        except CannotReplace:
            await super()._copy(src, dest)
        else:
            with suppress(OSError):
                shutil.copystat(src, dest)


class SafeContents(AsyncLargeFileManager):
    """Jupyter's contents manager with atomic saves, and links to the course's page that lead there behind a prefix.

    Configuration and behaviour are otherwise the parent's.
    """

    async def get(self, path: str, *args: Any, **options: Any) -> Any:
        """Return a file; in Markdown, links to the course's page begin with the server's base URL.

        JupyterLab takes a relative link for a file of the home, and one that begins with / for an address of the host.
        """
        model = await super().get(path, *args, **options)
        if path.endswith(".md") and model.get("format") == "text":
            model["content"] = model["content"].replace(PAGE, self._page_here)
        return model

    async def save(self, model: Any, path: str = "") -> Any:
        """Save a file, with the links as they were on the disk."""
        content = model.get("content") if model.get("format") == "text" and "chunk" not in model else None
        if path.endswith(".md") and isinstance(content, str):
            model = {**model, "content": content.replace(self._page_here, PAGE)}
        return await super().save(model, path)

    @property
    def _page_here(self) -> str:
        base = str(getattr(self.parent, "base_url", "/")).strip("/")
        return PAGE.replace("/", f"/{base}/", 1) if base else PAGE

    @validate("preferred_dir")
    def _validate_preferred_dir(self, proposal: Any) -> str:
        """Check the course's folder, where JupyterLab opens: a root of the command line may not have it."""
        try:
            return str(super()._validate_preferred_dir(proposal))
        except TraitError as error:
            self.log.warning("%s: opening %s instead", error, self.root_dir)
            return ""

    def check_and_sign(self, nb: Any, path: str = "", **options: Any) -> None:
        """Note that the student ran the notebook himself; on a full disk he is asked to trust it again instead."""
        with self._trust_is_optional(path):
            super().check_and_sign(nb, path, **options)

    def mark_trusted_cells(self, nb: Any, path: str = "", **options: Any) -> None:
        """Show rich output of a notebook that was run here; on a full disk it opens without instead of not at all."""
        with self._trust_is_optional(path):
            super().mark_trusted_cells(nb, path, **options)

    @contextmanager
    def _trust_is_optional(self, path: str) -> Iterator[None]:
        # The signatures lie in a database, which writes even to answer a question.
        try:
            yield
        except sqlite3.Error as error:
            self.log.warning("%s: its trust is neither known nor kept (%s)", path, error)

    @default("checkpoints_class")
    def _checkpoints_class_default(self) -> type[SafeCheckpoints]:
        return SafeCheckpoints

    @contextmanager
    def atomic_writing(self, os_path: str, *args: Any, text: bool = True, **options: Any) -> Iterator[IO[Any]]:
        """Open `os_path` for a save; permission errors become HTTP 403."""
        with self.perm_to_403(os_path), ExitStack() as stack:
            try:
                file = stack.enter_context(replace_file(os_path, text=text, **options))
            except CannotReplace as reason:
                self.log.debug("saving in place: %s", reason)
                file = stack.enter_context(super().atomic_writing(os_path, *args, text=text, **options))
            yield file

    async def _save_large_file(self, os_path: str, content: str, format: str) -> None:
        """Append a chunk of an upload as the parent does, and bring it to disk before it is acknowledged."""
        await super()._save_large_file(os_path, content, format)
        with self.perm_to_403(os_path), Path(os_path).open("rb") as file:
            await run_sync(os.fsync, file.fileno())
