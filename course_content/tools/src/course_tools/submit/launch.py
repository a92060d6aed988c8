"""Becomes a program of a submission, without the network: the process that `course-submit` starts.

`python launch.py FD PROGRAM ARGUMENT...` takes the network away by the best means that the machine allows,
writes to the descriptor FD which one that was, and replaces itself by the program. It works without privileges.
"""

import ctypes
import fcntl
import os
import platform
import resource
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

NAMESPACE, FILTER, HOOK = "network namespace", "system call filter", "Python only"

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
SECCOMP_MODE_FILTER = 2
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
LARGEST_FILE = 4 << 30  # bytes: a loop that writes must not fill the disk

# Machine: its number in the kernel's audit interface, and its number of the system call `socket`.
SYSTEM_CALLS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}


def leave_network(libc: ctypes.CDLL) -> bool:
    """Move into a network namespace with a loopback device only; False where the kernel refuses."""
    child = os.fork()
    if child == 0:  # some kernels allow the first half only: that must not happen to this process
        try:
            os._exit(0 if enter_namespace(libc) else 1)
        except BaseException:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0 and enter_namespace(libc)


def enter_namespace(libc: ctypes.CDLL) -> bool:
    """Return what `leave_network` does; raise OSError where the kernel refuses the second half."""
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWNET) != 0:
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
            return False
        # The same user inside: a program that asks who it is must not find itself to be root.
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            Path("/proc/self", name).write_text(text)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        fcntl.ioctl(device, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", IFF_UP))
    return True


def filter_sockets(libc: ctypes.CDLL) -> bool:
    """Let the kernel refuse sockets of IPv4 and IPv6 to this process and all its children; False where it cannot."""
    if platform.machine() not in SYSTEM_CALLS:
        return False
    audit, call = SYSTEM_CALLS[platform.machine()]
    load, equal, answer = 0x20, 0x15, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000 | 101  # 101: "Network is unreachable"
    instructions = [
        (load, 0, 0, 4),  # the machine
        (equal, 0, 5, audit),
        (load, 0, 0, 0),  # the system call
        (equal, 0, 3, call),
        (load, 0, 0, 16),  # its first argument: the family
        (equal, 2, 0, socket.AF_INET),
        (equal, 1, 0, socket.AF_INET6),
        (answer, 0, 0, allow),
        (answer, 0, 0, refuse),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *instruction) for instruction in instructions))
    program = struct.pack("HxxxxxxP", len(instructions), ctypes.addressof(code))
    return bool(libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), program) == 0)


def isolate(means: Sequence[str] = (NAMESPACE, FILTER)) -> str:
    """Take the network away by the first of `means` that works; return which one did."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = ctypes.c_ulong
    libc.prctl(PR_SET_PDEATHSIG, number(signal.SIGKILL))
    if NAMESPACE in means and leave_network(libc):
        return NAMESPACE
    can_filter = libc.prctl(PR_SET_NO_NEW_PRIVS, number(1), number(0), number(0), number(0)) == 0
    if FILTER in means and can_filter and filter_sockets(libc):
        return FILTER
    return HOOK


def limit() -> None:
    """Allow no core dumps and no endless files."""
    for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, LARGEST_FILE)):
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def main() -> None:
    """Run as FD PROGRAM ARGUMENT...; the variable COURSE_SUBMIT_MEANS, for tests, says what may be tried."""
    descriptor, program = int(sys.argv[1]), sys.argv[2]
    means = os.environ.pop("COURSE_SUBMIT_MEANS", f"{NAMESPACE},{FILTER}").split(",")
    limit()
    used = isolate(means) if sys.platform == "linux" else HOOK
    if used == HOOK:
        # Programs other than Python at least follow these.
        dead = "http://127.0.0.1:9"
        os.environ.update(COURSE_SUBMIT_REFUSE="1", http_proxy=dead, https_proxy=dead, all_proxy=dead)
    os.write(descriptor, used.encode())
    os.close(descriptor)
    os.execv(program, sys.argv[2:])


if __name__ == "__main__":
    main()
