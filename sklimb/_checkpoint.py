"""Checkpoint of a training: a folder with a state from which the same call goes on."""

import re
import warnings
from pathlib import Path

from sklimb._digest import digest
from sklimb._folders import LockedFolder
from sklimb._random import root_seed
from sklimb.persistence import FORMAT, read, write


class Checkpoint:
    """State of one training in a folder; with `folder=None` nothing is written.

    The folder is this process's until `with` ends.

    Parameters
    ----------
    folder : str, path or None
    what : str, default="pre-training"
        What is trained, for messages.

    Attributes
    ----------
    seed : int
        Root seed of the training there, or a new one.
    state : (tensors, header) or None
        What `keep` got last.

    Raises
    ------
    ValueError
        The folder has other files in it, another process uses it, or the file in it
        is damaged.
    """

    def __init__(self, folder, what="pre-training"):
        self.what, self.file = what, f"{what.replace('-', '')}.safetensors"
        self.folder = None if folder is None else Path(folder)
        self.state, self._held, self._identity = None, None, None
        self.seed = root_seed(None)
        if self.folder is None:
            return
        self._held = LockedFolder(self.folder, self._is_ours, self._is_left, what)
        try:
            self._read()
        except BaseException:
            self._held.release()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._held is not None:
            self._held.release()

    def _read(self):
        assert self.folder is not None
        path = self.folder / self.file
        if not path.exists():
            return
        try:
            header, tensors = read(path)
            if not header["checked"]:
                raise ValueError("it has no checksum")
            self.seed, self._identity = header["seed"], header["fingerprint"]
        except (ValueError, KeyError) as error:
            raise ValueError(
                f"checkpoint={str(self.folder)!r} cannot go on: {error} "
                f"Give another folder, or delete {self.file} to begin anew."
            ) from error
        self.state = tensors, header

    def open(self, seed, **parts):
        """Begin, or go on with, the training that `seed` and `parts` identify.

        Raises
        ------
        ValueError
            The folder holds another one.
        """
        if self.folder is None:
            return
        own = {k: digest(v, across_processes=True) for k, v in parts.items()}
        there, self._identity, self.seed = self._identity, own, seed
        differ = [name for name in own if there and own[name] != there.get(name)]
        if differ:
            raise ValueError(
                f"checkpoint={str(self.folder)!r} holds another {self.what}: "
                f"{', '.join(sorted(differ))} differ. Repeat the same call, or give a "
                "new folder."
            )

    def keep(self, state):
        """Write the state that the training has now."""
        if self.folder is None:
            return
        tensors, header = state
        header = {"format": FORMAT, "seed": self.seed, **header}
        header["fingerprint"] = self._identity
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write(self.folder / self.file, tensors, header)
        except OSError as error:
            warnings.warn(
                f"The checkpoint in {str(self.folder)!r} could not be written: "
                f"{error}. The {self.what} goes on without it.",
                RuntimeWarning,
                stacklevel=2,
            )
            self.folder = None

    def end(self):
        """Drop the state of a training that has ended."""
        if self.folder is not None:
            (self.folder / self.file).unlink(missing_ok=True)

    def _is_ours(self, name):
        return name == self.file

    def _is_left(self, name):
        return re.fullmatch(rf"\.{re.escape(self.file)}\.[0-9a-f]+", name)
