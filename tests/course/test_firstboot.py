"""The first boot: one valid end state, wherever an earlier try was cut."""

import stat
from functools import partial
from pathlib import Path

import pytest
from course_runtime.machine import access_code, content_number, firstboot
from course_runtime.machine.machine import Course, CourseError, Finished, Machine
from cuts import cut_in_child
from fake_machine import Fixture, make_host_key, make_machine
from packages import REPOSITORY


def boot(machine: Machine, course: Course) -> None:
    """What the units of the first boot do: course-firstboot.service, then course-hostkey.service on its condition."""
    firstboot.prepare(machine, course)
    make_host_key(machine)


def assert_stamped(fixture: Fixture) -> str:
    """Assert what the stamp promises: code and password are there; returns the code."""
    code = access_code.read_code(fixture.machine, fixture.course)
    assert fixture.system.password_is(code)
    assert fixture.path(firstboot.STAMP).read_text() == "ee559-2027-spring 2027.1\n"
    return code


def assert_ready(fixture: Fixture) -> str:
    """Assert the end state that every first boot must reach; returns the access code."""
    code = assert_stamped(fixture)
    assert firstboot.is_valid_key(fixture.path(firstboot.HOST_KEY))
    assert not [*fixture.path("/var/lib/course").glob(".~*")]
    return code


def test_a_fresh_machine_becomes_ready(fresh: Fixture) -> None:
    boot(fresh.machine, fresh.course)
    code = assert_ready(fresh)
    status = fresh.path(access_code.CODE_FILE).stat()
    assert stat.S_IMODE(status.st_mode) == 0o640
    assert fresh.path(access_code.CODE_FILE).read_bytes() == code.encode(), (
        "no line break: Jupyter would refuse every login"
    )


def test_the_student_may_write_which_content_there_is(fresh: Fixture) -> None:
    for _ in range(2):
        firstboot.prepare(fresh.machine, fresh.course)
        assert stat.S_IMODE(fresh.path("/run/course").stat().st_mode) == 0o755
    content_number.write_number(fresh.machine, 3)
    assert content_number.read_number(fresh.machine) == 3


def test_the_password_is_never_on_a_command_line(fresh: Fixture) -> None:
    boot(fresh.machine, fresh.course)
    code = access_code.read_code(fresh.machine, fresh.course)
    assert not [argv for argv in fresh.system.asked if code in " ".join(argv)]


def test_a_second_boot_changes_nothing(booted: Fixture) -> None:
    def snapshot() -> dict[Path, tuple[bytes, int]]:
        files = [path for path in booted.machine.root.rglob("*") if path.is_file()]
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    before, asked = snapshot(), len(booted.system.asked)
    boot(booted.machine, booted.course)
    assert snapshot() == before
    assert len(booted.system.asked) == asked, "no program is run when there is nothing to do"


def test_a_password_the_student_chose_survives_a_reboot(booted: Fixture) -> None:
    booted.system.chpasswd(["chpasswd"], "student:my own\n")
    boot(booted.machine, booted.course)
    assert booted.system.password_is("my own")


def test_a_damaged_code_is_remade_but_the_students_password_stays(booted: Fixture) -> None:
    old = access_code.read_code(booted.machine, booted.course)
    booted.system.chpasswd(["chpasswd"], "student:my own\n")
    booted.path(access_code.CODE_FILE).write_bytes(b"")
    boot(booted.machine, booted.course)
    assert access_code.read_code(booted.machine, booted.course) != old
    assert booted.system.password_is("my own")


def test_with_a_damaged_code_an_unchanged_password_follows(booted: Fixture) -> None:
    booted.path(access_code.CODE_FILE).write_bytes(b"")
    boot(booted.machine, booted.course)
    assert_ready(booted)


@pytest.mark.parametrize("damage", [b"", b"-----BEGIN OPENSSH PRIVATE KEY-----\nabc", b"\0" * 400])
def test_a_damaged_host_key_is_remade(booted: Fixture, damage: bytes) -> None:
    key = booted.path(firstboot.HOST_KEY)
    before = key.read_bytes()
    key.write_bytes(damage)
    boot(booted.machine, booted.course)
    assert firstboot.is_valid_key(key)
    assert key.read_bytes() not in (before, damage)


def test_a_lost_public_key_is_remade_with_its_private_half(booted: Fixture) -> None:
    key = booted.path(firstboot.HOST_KEY)
    before = key.read_bytes()
    key.with_suffix(".pub").unlink()
    boot(booted.machine, booted.course)
    assert firstboot.is_valid_key(key)
    assert key.read_bytes() != before


def test_a_code_others_can_read_is_replaced(booted: Fixture) -> None:
    old = access_code.read_code(booted.machine, booted.course)
    booted.path(access_code.CODE_FILE).chmod(0o644)
    boot(booted.machine, booted.course)
    assert access_code.read_code(booted.machine, booted.course) != old


def test_open_access_uses_the_users_name_and_makes_no_code(tmp_path: Path) -> None:
    classroom = make_machine(tmp_path / "root", access="open")
    boot(classroom.machine, classroom.course)
    assert classroom.system.passwords == ["student"]
    assert not classroom.path(access_code.CODE_FILE).exists()
    boot(classroom.machine, classroom.course)
    assert classroom.system.passwords == ["student"]


def test_a_failing_password_is_one_line_and_leaves_no_stamp(fresh: Fixture) -> None:
    fresh.system.answers["chpasswd"] = Finished(1, "first\nno space left\n")
    with pytest.raises(CourseError, match="chpasswd failed with status 1: no space left"):
        boot(fresh.machine, fresh.course)
    assert not fresh.path(firstboot.STAMP).exists()
    del fresh.system.answers["chpasswd"]
    boot(fresh.machine, fresh.course)
    assert_ready(fresh)


def test_without_a_host_key_code_and_password_are_there(fresh: Fixture) -> None:
    fresh.system.answers["ssh-keygen"] = Finished(1, "first\nno entropy\n")
    with pytest.raises(CourseError, match="ssh-keygen failed with status 1: no entropy"):
        boot(fresh.machine, fresh.course)
    assert_stamped(fresh)
    del fresh.system.answers["ssh-keygen"]
    boot(fresh.machine, fresh.course)
    assert_ready(fresh)


def test_the_units_make_the_key_where_there_is_none_and_jupyterlab_does_not_wait() -> None:
    units = REPOSITORY / "ansible/roles/appliance"
    hostkey = (units / "files/etc/systemd/system/course-hostkey.service").read_text()
    assert f"ConditionPathExists=!{firstboot.HOST_KEY}\n" in hostkey
    assert "After=course-firstboot.service\n" in hostkey
    assert f'ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f {firstboot.HOST_KEY}\n' in hostkey
    assert (
        "Requires=course-hostkey.service\n"
        in (units / "files/etc/systemd/system/ssh.service.d/course.conf").read_text()
    )
    assert "hostkey" not in (units / "templates/systemd/system/jupyter.service.j2").read_text()


@pytest.mark.parametrize("power", [False, True], ids=["killed", "power-cut"])
def test_a_first_boot_cut_anywhere_ends_ready_at_the_next_one(tmp_path: Path, power: bool) -> None:
    for cut_after in range(1, 100):
        fixture = make_machine(tmp_path / str(cut_after))
        act = partial(boot, course=fixture.course)
        was_cut = cut_in_child(fixture, act, cut_after, power=power)
        stamped = fixture.path(firstboot.STAMP).exists() and fixture.path(firstboot.STAMP).stat().st_size
        if stamped:
            assert_stamped(fixture)
        cut_in_child(fixture, act, cut_after, power=power)  # and cut again: nothing may pile up
        boot(fixture.machine, fixture.course)
        assert_ready(fixture)
        if not was_cut:
            break
    assert cut_after > 15, "the cut never hit a step"
