"""Published files from the user's folder, the cache or the web."""

import glob
import hashlib
import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.datasets import fetch_file, get_data_home

from sklimb.datasets._tables import find_file


@dataclass(frozen=True)
class Remote:
    """A file, its address on the web, and its published MD5."""

    file: str
    url: str
    md5: str


def get_file(remote, data_home=None):
    """Path of a published file, which is downloaded once.

    It is looked for in the folder of SKLIMB_DATA, then in the cache.

    Parameters
    ----------
    remote : Remote
    data_home : str or path-like, default=None
        Cache folder; None means scikit-learn's.

    Raises
    ------
    ValueError
        The content is not the published one.
    OSError
        The file is in no folder and cannot be downloaded.
    """
    path = find_file(remote.file) or cache_folder(data_home) / remote.file
    if path.is_file():
        got = md5_of(path)
        if got != remote.md5:
            raise ValueError(
                f"{path} must have the MD5 {remote.md5}, got {got}. It was changed or "
                f"cut: delete it, or get it again from {remote.url}."
            )
        return path
    return _download(remote, path)


def _download(remote, path):
    # In a folder of its own until its content is known to be the published one: what
    # is published beside the files are MD5s, and scikit-learn compares SHA256s.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=path.name) as folder:
        try:
            part = fetch_file(remote.url, folder, remote.file, n_retries=1)
        except OSError as error:
            raise OSError(
                f"{remote.file} could not be downloaded from {remote.url}: {error}."
                " Check the connection, or put the file into the folder that the "
                "environment variable SKLIMB_DATA names."
            ) from error
        got = md5_of(part)
        if got != remote.md5:
            raise ValueError(
                f"What {remote.url} sent must have the MD5 {remote.md5}, got {got}. It "
                "was cut on the way, or has been replaced: try again."
            )
        os.replace(part, path)
    return path


def cache_folder(data_home=None):
    """Folder of downloaded and decoded files, which is made if it is missing."""
    folder = Path(get_data_home(data_home)) / "sklimb"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cached_array(path, data_home, make):
    """`make()`, an array computed from the file at `path`, cached as .npy.

    The name ends in the MD5 of the cached file; one that no longer fits is made again.
    """
    folder, stem = cache_folder(data_home), f"{Path(path).stem}-{md5_of(path)[:12]}"
    for kept in sorted(folder.glob(f"{glob.escape(stem)}-*.npy")):
        if kept.stem == f"{stem}-{md5_of(kept)}":
            return np.load(kept)
        kept.unlink(missing_ok=True)
        warnings.warn(
            f"{kept} was changed or cut since it was written, and is made again.",
            UserWarning,
            stacklevel=3,
        )
    X = make()
    handle, part = tempfile.mkstemp(dir=folder, prefix=stem)
    try:
        with os.fdopen(handle, "wb") as out:
            np.save(out, X)
        os.replace(part, folder / f"{stem}-{md5_of(part)}.npy")
    finally:
        Path(part).unlink(missing_ok=True)
    return X


def md5_of(path):
    """Hexadecimal MD5 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.md5(usedforsecurity=False)
        ).hexdigest()
