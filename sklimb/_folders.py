"""Checkpoint folders that neither a kill nor a second process damages."""

import os
import warnings
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = ".lock"


def replace(temporary, path):
    """Put a complete file in place of another, so that a power cut leaves one of both.

    The file's bytes reach the disk before its name does.
    """
    posix = os.name == "posix"  # elsewhere only files that are open for writing
    with open(temporary, "rb" if posix else "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
    flush(Path(path).parent)


def flush(folder):
    """Write the names in a folder to the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class LockedFolder:
    """A folder that one process at a time writes to, by a lock of the operating system.

    The lock ends with its process, killed or not; the file of the lock stays.

    Parameters
    ----------
    folder : Path
    is_ours, is_left : callable
        Name of a file -> whether it is ours, and whether it is the incomplete copy of
        such a file that a killed process left.
    what : str
        What is going on in the folder: "search".

    Raises
    ------
    ValueError
        Another process holds the folder, or there are files of something else in it.
    """

    def __init__(self, folder, is_ours, is_left, what):
        self._lock = None
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"checkpoint must be a folder, got {str(folder)!r}.")
        there = {path.name for path in folder.iterdir()} if folder.exists() else set()
        others = [n for n in there if n != LOCK and not is_ours(n) and not is_left(n)]
        if others:
            raise ValueError(
                f"checkpoint={str(folder)!r} is a folder with other files in it. Give "
                "an empty or a new one."
            )
        # The lock lasts until `release`, or until its process ends.
        self._lock = _lock(folder, what)
        if self._lock is None:
            return
        for path in list(folder.iterdir()):
            if is_left(path.name):
                path.unlink(missing_ok=True)

    def release(self):
        """Let other processes have the folder."""
        if self._lock is not None:
            self._lock.release()


def _lock(folder, what):
    """The lock of a folder, which is made if it is not there; None without one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None  # the first file that is to be written will say so
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(
            f"checkpoint={str(folder)!r} is in use: another process, or another thread "
            f"of this one, runs a {what} there, and two would mix their results. Wait "
            "until it has ended, stop it, or give another folder."
        ) from None
    except (OSError, NotImplementedError) as error:
        if os.access(folder, os.W_OK):
            warnings.warn(
                f"checkpoint={str(folder)!r} is on a file system without locks "
                f"({error}). Take care that no second {what} uses it at the same time.",
                RuntimeWarning,
                stacklevel=2,
            )
        return None  # nobody writes to a folder that can only be read
    return lock
