"""Build containers end with this process, however it ends.

The only process of such a container waits for a lock on a host file that this process holds. The kernel frees the lock
when the holder dies, SIGKILL included, the container's process ends, and docker removes the container. That leaves one
gap: `docker run` first creates and then starts, and a container that was never started waits for nothing. A reaper
closes it: a shell in a session of its own that wakes when the holder is gone and removes what hangs on the lock file.
"""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Several rounds, because the daemon may still be at work on a request whose sender was killed.
_REAP = """
cat >/dev/null
for round in 1 2 3; do
    docker ps --all --quiet --filter "volume=$0" | xargs --no-run-if-empty docker rm --force
    sleep 1
done
"""


@contextmanager
def hold_alive(work: Path) -> Iterator[Path]:
    """Give the host file on which build containers wait, locked until the block ends or this process does.

    When the block ends without an exception, its containers must be gone.
    """
    path = work / "alive"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    reaper = subprocess.Popen(
        ["sh", "-c", _REAP, os.fspath(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # what kills our process group must not kill it
    )
    assert reaper.stdin is not None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield path
        reaper.kill()  # on no other way out: there it has work to do
        reaper.wait()
    finally:
        os.close(descriptor)
        reaper.stdin.close()
