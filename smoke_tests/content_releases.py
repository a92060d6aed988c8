"""Content releases of the semester under test, as the builder publishes them, signed with a key of the test."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from practicum.semester.description import Semester


@dataclass(frozen=True)
class Publisher:
    """Who corrects the course: `folder` has a key, and a folder `web` to which content releases are published."""

    semester: Semester
    folder: Path

    def __post_init__(self) -> None:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(self.folder / "key")], check=True
        )
        public = (self.folder / "key.pub").read_text().strip()
        (self.folder / "signers").write_text(f'release namespaces="practicum-content" {public}\n')
        self.web.mkdir()

    @property
    def web(self) -> Path:
        return self.folder / "web"

    @property
    def signers(self) -> Path:
        """The file of allowed signers that the product must have."""
        return self.folder / "signers"

    def publish(self, number: int, corrections: Mapping[str, str], key: Path | None = None) -> str:
        """Publish what the repository has, with these texts at the end of files; return the path of the archive."""
        from practicum.commands.content import assemble_content
        from practicum.engine.progress import Console
        from practicum.release import content_release
        from practicum.release.publish import publish

        content = self.semester.content.model_copy(update={"release": number})
        semester = self.semester.model_copy(update={"content": content})
        made, released = self.folder / f"files-{number}", self.folder / f"content-{number}"
        manifest = assemble_content(semester, made)
        listed = json.loads(manifest.read_bytes())
        for path, text in corrections.items():
            data = (made / path).read_bytes() + text.encode()
            (made / path).write_bytes(data)
            listed["files"][path] = hashlib.sha256(data).hexdigest()
        manifest.write_text(json.dumps(listed))
        released.mkdir()
        archive = released / f"{semester.product_name}-content-{number}.tar.gz"
        content_release.write_archive(manifest, archive, semester.epoch)
        statement = content_release.describe(semester, archive, "2027-03-01T10:00:00Z")
        signed = content_release.sign(statement, key or self.folder / "key", self.signers)
        (released / content_release.FILE).write_text(signed)
        publish(released, str(self.web), Console(stream=io.StringIO(), plain=True))
        return f"/{statement.folder}/{archive.name}"
