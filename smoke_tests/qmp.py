"""QEMU's machine protocol: screenshots and key presses of a running machine."""

from __future__ import annotations

import json
import socket
from typing import Any


class Monitor:
    """QEMU's side of a connected socket: JSON, one object a line."""

    def __init__(self, connection: socket.socket, timeout: float = 60) -> None:
        connection.settimeout(timeout)
        self._connection = connection
        self._stream = connection.makefile("rwb")
        self._negotiated = False

    def execute(self, command: str, **arguments: object) -> Any:
        """Return the command's return value; raises RuntimeError with QEMU's description of an error."""
        if not self._negotiated:
            self._read("QMP")
            self._negotiated = True
            self.execute("qmp_capabilities")
        self._stream.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        self._stream.flush()
        answer = self._read("return", "error")
        if "error" in answer:
            raise RuntimeError(f"QEMU refused {command}: {answer['error']['desc']}")
        return answer["return"]

    def close(self) -> None:
        self._stream.close()
        self._connection.close()

    def _read(self, *keys: str) -> dict[str, Any]:
        """Return the next answer that has one of the keys; events in between are of no interest."""
        while line := self._stream.readline():
            message: dict[str, Any] = json.loads(line)
            if any(key in message for key in keys):
                return message
        raise RuntimeError("QEMU closed its monitor")
