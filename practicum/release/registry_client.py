"""The calls to a container registry that publishing needs: manifests, blobs in resumable pieces, what is attached.

Source: the OCI distribution specification 1.1. Tried with docker-registry 2.8, which has no referrers API and forgets
an upload when a piece of it is cut: the blob then starts anew, the finished ones stay.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from practicum.engine import cache
from practicum.engine.errors import PracticumError
from practicum.engine.publish import write_text
from practicum.engine.tls import find_trusted
from practicum.images.oci import INDEX_TYPE, MANIFEST_TYPE
from practicum.release.registry_auth import RegistryAuth
from practicum.release.target import Item, Report

PIECE = 8 << 20
TRIES = 5  # in a row without a byte gained
PAUSE = 1.0  # seconds before another try
TIMEOUT = 60  # seconds without a byte
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPT = {"Accept": f"{MANIFEST_TYPE}, {INDEX_TYPE}, {DOCKER_MANIFEST}"}
OCTETS = "application/octet-stream"


class Registry:
    """One repository of a registry. host: "127.0.0.1:5000"; a loopback host is asked without TLS."""

    def __init__(self, host: str, repository: str) -> None:
        self.host = host
        name = urlsplit(f"//{host}").hostname or ""
        scheme = "http" if name in ("localhost", "::1") or name.startswith("127.") else "https"
        self.url = f"{scheme}://{host}/v2/{repository}"
        auth = RegistryAuth(host, repository)
        self._client = httpx.Client(timeout=TIMEOUT, follow_redirects=True, verify=find_trusted(), auth=auth)

    def get_manifest(self, reference: str) -> bytes | None:
        """Return the bytes of the manifest with this tag or digest, None when there is none."""
        response = self._ask("GET", f"manifests/{reference}", headers=ACCEPT, allowed=(200, 404))
        return response.content if response.status_code == 200 else None

    def put_manifest(self, reference: str, text: bytes, kind: str) -> None:
        """Store a manifest under a tag or its digest."""
        self._ask("PUT", f"manifests/{reference}", content=text, headers={"Content-Type": kind}, allowed=(201,))

    def list_tags(self) -> list[str]:
        """Return all tags of the repository."""
        tags: list[str] = []
        url = "tags/list"
        while url:
            response = self._ask("GET", url, allowed=(200, 404))
            if response.status_code == 404:
                break
            tags += response.json().get("tags") or []
            url = urljoin(str(response.url), response.links["next"]["url"]) if "next" in response.links else ""
        return tags

    def list_referrers(self, digest: str) -> tuple[dict[str, Any], bool]:
        """Return the index of what is attached to a manifest, and whether the registry keeps it by itself."""
        response = self._ask("GET", f"referrers/{digest}", allowed=(200, 404))
        if response.status_code == 200:
            return response.json(), True
        text = self.get_manifest(name_fallback(digest))
        return (json.loads(text) if text else {}), False

    def put_blob(self, blob: Item, report: Report) -> None:
        """Send a blob in pieces, after those that an earlier try, maybe of another process, has sent."""
        if self._ask("HEAD", f"blobs/{blob.name}", allowed=(200, 404)).status_code == 200:
            report(blob.size)
            return
        location = ""
        session = cache.root() / "uploads" / hashlib.sha256(f"{self.url} {blob.name}".encode()).hexdigest()
        done, failures = 0, 0
        while done < blob.size:
            before = done
            location, offset = self._resume(session)
            report(offset - done)
            done = offset
            try:
                for location, count in self._send(blob, offset, location):  # noqa: B020 - the newest address counts
                    write_text(session, location)
                    done += count
                    report(count)
            except (httpx.TransportError, _LostError) as error:
                if isinstance(error, _LostError):
                    session.unlink(missing_ok=True)
                failures = 1 if done > before else failures + 1
                if failures >= TRIES:
                    raise self._explain(error) from None
                time.sleep(PAUSE)
        self._ask("PUT", str(httpx.URL(location).copy_merge_params({"digest": blob.name})), allowed=(201,))
        session.unlink(missing_ok=True)

    def try_upload(self) -> None:
        """Begin an upload and give it up; raises PracticumError where the registry refuses it."""
        response = self._ask("POST", "blobs/uploads/", allowed=(202,))
        with suppress(httpx.TransportError):  # some registries cannot give one up: they forget it after some days
            self._client.delete(urljoin(str(response.url), response.headers["Location"]))

    def _send(self, blob: Item, offset: int, location: str) -> Iterator[tuple[str, int]]:
        """Send the pieces from `offset` on; yield the address of the upload and the bytes sent after each."""
        with blob.open() as stream:
            stream.seek(offset, os.SEEK_CUR)
            while data := stream.read(min(PIECE, blob.size - offset)):
                headers = {"Content-Type": OCTETS, "Content-Range": f"{offset}-{offset + len(data) - 1}"}
                response = self._client.patch(location, content=data, headers=headers)
                if response.status_code in (404, 416):
                    raise _LostError(f"HTTP {response.status_code}")
                if response.status_code >= 500:
                    raise httpx.TransportError(f"HTTP {response.status_code}")
                self._refuse_error(response, (202,))
                location = urljoin(str(response.url), response.headers["Location"])
                offset += len(data)
                yield location, len(data)

    def _resume(self, session: Path) -> tuple[str, int]:
        """Return the address of an upload and how many bytes it has: the one of an earlier try, else a new one."""
        with suppress(OSError, httpx.TransportError, ValueError):
            location = session.read_text()
            response = self._client.get(location)
            last = int(response.headers.get("Range", "0-0").removeprefix("bytes=").partition("-")[2])
            if response.status_code == 204 and last:
                return urljoin(location, response.headers.get("Location", location)), last + 1
        response = self._ask("POST", "blobs/uploads/", allowed=(202,))
        return urljoin(str(response.url), response.headers["Location"]), 0

    def _ask(self, method: str, path: str, *, allowed: tuple[int, ...], **options: Any) -> httpx.Response:
        url = path if path.startswith("http") else f"{self.url}/{path}"
        try:
            response = self._client.request(method, url, **options)
        except httpx.TransportError as error:
            raise self._explain(error) from None
        self._refuse_error(response, allowed)
        return response

    def _explain(self, error: Exception) -> PracticumError:
        return PracticumError(
            f"docker://{self.host}", f"cannot be reached ({error})", "check the name and the network, run again"
        )

    def _refuse_error(self, response: httpx.Response, allowed: tuple[int, ...]) -> None:
        if response.status_code in allowed:
            return
        if response.status_code in (401, 403):
            raise PracticumError(f"docker://{self.host}", "refuses access", f"docker login {self.host}")
        what = f"answers HTTP {response.status_code} to {response.request.method}"
        raise PracticumError(f"docker://{self.host}", f"{what} ({response.text[:200].strip()})", "run again")


class _LostError(Exception):
    """The registry does not know the upload any more."""


def name_fallback(digest: str) -> str:
    """Return the tag that lists what is attached to a manifest, where the registry has no referrers API."""
    return digest.replace(":", "-")
