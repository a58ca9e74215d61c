"""Paths of files: which may be read or replaced, and hidden copies left by a kill."""

import errno
import os
import re
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from sklimb._folders import flush

try:
    import fcntl
except ImportError:  # Windows: hidden copies that a kill leaves have to be deleted
    fcntl = None

# What most file systems allow, less the dots and the 32 digits of a hidden copy.
_LONGEST_NAME = 255 - 34
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_readable(path):
    """Refuse what is no regular file, without opening it: a pipe would block.

    Raises
    ------
    FileNotFoundError
        Nothing is there.
    ValueError
        Something else than a file is there, or no file can have this name.
    """
    kind = _kind(path)
    if kind is None:
        raise FileNotFoundError(
            errno.ENOENT, "path must be a file that save wrote", _text(path)
        )
    if kind != stat.S_IFREG:
        raise ValueError(
            f"{_shown(path)} is {_KINDS.get(kind, 'no file')}, not a file that save "
            "wrote. Give the path of the file."
        )


def replaceable(path):
    """The absolute path of a file that may be written; links are followed.

    Raises
    ------
    FileNotFoundError
        The folder does not exist, or the path is itself a folder.
    ValueError
        Something else than a file is there, or no file can have this name.
    """
    kind = _kind(path)
    path = Path(_text(path)).resolve()
    if kind == stat.S_IFDIR or not path.parent.is_dir():
        raise FileNotFoundError(
            f"path must be a file in an existing folder, got {_shown(path)}."
        )
    if kind not in (None, stat.S_IFREG):
        raise ValueError(
            f"{_shown(path)} is {_KINDS.get(kind, 'no file')}, which would be lost. "
            "Give the path of a file."
        )
    if len(os.fsencode(path.name)) > _LONGEST_NAME:
        raise ValueError(
            f"path must have a name of at most {_LONGEST_NAME} bytes, got "
            f"{_shown(path.name)}."
        )
    return path


@contextmanager
def replacing(path):
    """A binary file that takes the place of `path` when it is complete.

    It is a hidden file beside it until then, and deleted if something fails. What a
    killed process left of it is deleted by the next call for the same path.
    """
    _remove_left_behind(path)
    temporary, descriptor = _hidden(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if path.exists():
                os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
            os.fsync(descriptor)
            # Still locked: nobody takes it for a copy that was left behind.
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush(path.parent)


def _hidden(path):
    """A new hidden file beside `path`, open for writing, locked while it is open."""
    while True:
        temporary = path.with_name(f".{path.name}.{uuid4().hex}")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(temporary, flags, 0o666)
        if fcntl is not None:
            # Network drives may have no locks; there nothing is removed either.
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        if temporary.exists():
            return temporary, descriptor
        os.close(descriptor)  # another process removed it before it was locked


def _remove_left_behind(path):
    """Delete hidden copies of `path` that no process writes any more."""
    if fcntl is None:
        return
    pattern = re.compile(re.escape(f".{path.name}.") + "[0-9a-f]{32}")
    with os.scandir(path.parent) as entries:
        left = [entry.path for entry in entries if pattern.fullmatch(entry.name)]
    for copy in left:
        # Another process may write it, may have finished, or may be another user's.
        with suppress(OSError):
            descriptor = os.open(copy, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    os.unlink(copy)
            finally:
                os.close(descriptor)


def _text(path):
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"path must be a str or a path, got {path!r}.")
    text = os.fspath(path)
    if not isinstance(text, str):
        raise ValueError(f"path must be a str or a path, got {path!r}.")
    return text


def _shown(path):
    """A path for messages, in which no control character is printed as it is."""
    text = str(path)
    return repr(text if len(text) < 200 else f"{text[:80]}...{text[-80:]}")


def _kind(path):
    """Kind of what a path leads to (stat.S_IF...), None if nothing is there."""
    text = _text(path)
    try:
        return stat.S_IFMT(os.stat(text).st_mode)
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:  # ValueError: a NUL, a lone surrogate
        number = getattr(error, "errno", None)
        if isinstance(error, OSError) and number not in (
            errno.ENAMETOOLONG,
            errno.ELOOP,
        ):
            raise
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ValueError(
            f"path must be one that a file can have, got {_shown(text)}: {reason}."
        ) from error
