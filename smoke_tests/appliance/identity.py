"""What a machine must not share with any other, and must keep for life."""

from __future__ import annotations

from dataclasses import dataclass

from smoke_tests.qemu import Machine


@dataclass(frozen=True)
class Identity:
    code: str
    machine_id: str
    host_keys: tuple[str, ...]
    """Public ssh host keys, sorted."""


def read_identity(machine: Machine) -> Identity:
    """Ask a running machine; its code is taken from the console, as a student does."""
    machine_id = machine.run("cat /etc/machine-id").stdout.strip()
    keys = machine.run("cut -d' ' -f1,2 /etc/ssh/ssh_host_*_key.pub").stdout.split("\n")
    assert len(machine_id) == 32, f"no machine-id: {machine_id!r}"
    assert len([key for key in keys if key]) == 3, f"expected an RSA, an ECDSA and an Ed25519 host key: {keys}"
    return Identity(machine.code, machine_id, tuple(sorted(key for key in keys if key)))
