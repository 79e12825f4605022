"""One training at a time in a folder: a lock that the system takes back when its owner ends, however it ends."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asr.errors import TrainingError

LOGGER = logging.getLogger("asr")
LOCK = ".lock"
UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
_held: set[tuple[int, int]] = set()  # device and inode: a process is not refused its own record locks by the system


@contextmanager
def training_lock(experiment: str | Path) -> Iterator[None]:
    """Hold an experiment folder, made when missing, for this process.

    A record lock of `fcntl`: it is gone with the process, even one that is killed, and processes that this one forks do
    not have it. On file systems without locks a warning says that nobody is kept out.

    Raises:
        TrainingError: another training holds it.
    """
    experiment = Path(experiment)
    experiment.mkdir(parents=True, exist_ok=True)
    path = experiment / LOCK
    with path.open("a+", encoding="utf-8") as stream:
        status = os.fstat(stream.fileno())
        key = (status.st_dev, status.st_ino)
        if key in _held or not _lock(stream.fileno(), path):
            stream.seek(0)
            owner = stream.read().strip() or "another process"
            raise TrainingError(
                experiment,
                f"another training runs in it ({owner})",
                "wait for it, end it, or choose another --exp folder",
            )
        _held.add(key)
        try:
            stream.truncate(0)
            stream.write(f"process {os.getpid()} on {socket.gethostname()}\n")
            stream.flush()
            yield
        finally:
            _held.discard(key)
            stream.truncate(0)


def _lock(descriptor: int, path: Path) -> bool:
    """Whether nobody else had the lock; it is taken until the file is closed."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        LOGGER.warning("%s: this system has no such locks; see to it that one training alone runs in the folder", path)
        return True
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            return False
        LOGGER.warning("%s: the file system has no locks; see to it that one training alone runs in the folder", path)
    return True
