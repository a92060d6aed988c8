"""What a machine must not share with any other, and must keep for life."""

from __future__ import annotations

from dataclasses import dataclass

from smoke_tests.qemu import Machine


@dataclass(frozen=True)
class Identity:
    code: str
    machine_id: str
    host_key: str
    """The public ssh host key: its type and its bytes in base64."""


def read_identity(machine: Machine) -> Identity:
    """Ask a running machine; its code is taken from the window, as a student does."""
    machine_id = machine.run("cat /etc/machine-id").stdout.strip()
    (key,) = machine.run("cut -d' ' -f1,2 /etc/ssh/ssh_host_*_key.pub").stdout.splitlines()
    assert len(machine_id) == 32, f"no machine-id: {machine_id!r}"
    assert key.startswith("ssh-ed25519 "), key
    return Identity(machine.code, machine_id, key)
