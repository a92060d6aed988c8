"""The same disk under UEFI, as a second machine: it boots, and shares no secret with the first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from smoke_tests.appliance.conftest import READY_TIMEOUT
from smoke_tests.appliance.identity import Identity, read_identity
from smoke_tests.qemu import Machine, find_firmware


@pytest.fixture(scope="module")
def clone(identity: Identity, new_machine) -> Iterator[Machine]:
    if find_firmware() is None:
        pytest.skip("no UEFI firmware on this machine: apt-get install ovmf")
    with new_machine("uefi", uefi=True) as running:
        running.wait_ready(READY_TIMEOUT)
        yield running


def test_boots_under_uefi(clone: Machine) -> None:
    assert clone.run("test -d /sys/firmware/efi && echo yes").stdout == "yes\n"
    assert clone.http("/api/contents", clone.code).status_code == 200


def test_two_machines_share_no_secret(clone: Machine, identity: Identity) -> None:
    other = read_identity(clone)
    assert other.code != identity.code
    assert other.machine_id != identity.machine_id
    assert not set(other.host_keys) & set(identity.host_keys)
    assert clone.http("/api/contents", identity.code).status_code == 403
