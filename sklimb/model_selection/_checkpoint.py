"""Checkpoints of a search: a folder of finished packs, from which a call continues.

`search.json` identifies the search and lists its packs, under a checksum; each finished
pack is one safetensors file: numbers as tensors, the rest as JSON. A pack that is
damaged or of another plan is trained again, and all are when the plan itself is
damaged. A failed write leaves no file.
"""

import hashlib
import json
import re
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch.nn.utils.rnn import pad_sequence

from sklimb._digest import digest
from sklimb._folders import LockedFolder, replace
from sklimb.persistence import FORMAT as FILE_FORMAT
from sklimb.persistence import read, write

FORMAT = 4
_PLAN, _NEW_PLAN = "search.json", ".search.json.new"
_PACK = r"pack-\d+\.safetensors"
_NUMBERS = ("fit_time", "score_time", "n_epochs", "halved_epoch", "n_test_samples")


def fingerprint(**parts):
    """Digests of the parts that identify a search; code is identified by its name."""
    return {name: digest(v, across_processes=True) for name, v in parts.items()}


class Checkpoint:
    """Finished packs in a folder; with `folder=None` nothing is written.

    The folder is this process's until `close`.

    Raises
    ------
    ValueError
        The folder holds another search, or files of something else, or another process
        uses it.

    Warns
    -----
    RuntimeWarning
        The plan is damaged: the search begins anew.
    """

    def __init__(self, folder, fingerprint):
        self.folder = None if folder is None else Path(folder)
        self.fingerprint, self.plan, self._held = fingerprint, None, None
        if self.folder is None:
            return
        path = self.folder / _PLAN
        if path.exists() and not _parsed(path) and len(list(self.folder.iterdir())) < 2:
            raise ValueError(
                f"checkpoint={str(folder)!r} holds a search.json that sklimb did not "
                "write. Give an empty or a new folder."
            )
        self._held = LockedFolder(self.folder, _is_ours, _is_left, "search")
        try:
            if path.exists():
                self.plan = self._checked(_parsed(path))
        except BaseException:
            self.close()
            raise

    def __getstate__(self):
        # For workers, which write packs only; the lock stays here.
        return {**vars(self), "_held": None}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Let other processes have the folder."""
        if self._held is not None:
            self._held.release()

    def _checked(self, plan):
        """The plan in the folder, or None if it is damaged; another one is refused."""
        checksum = plan.pop("checksum", None)
        # Earlier formats have no checksum.
        old = not checksum and plan.get("format") not in (None, FORMAT)
        if checksum != _hash(plan) and not old:
            warnings.warn(
                f"checkpoint={str(self.folder)!r} has a damaged search.json, without "
                "which its packs mean nothing: the search begins anew.",
                RuntimeWarning,
                stacklevel=2,
            )
            return None
        there = plan["fingerprint"]
        differ = sorted(
            name
            for name in self.fingerprint
            if self.fingerprint[name] != there.get(name)
        )
        if differ or plan["format"] != FORMAT:
            what = ", ".join(differ) or "the file format"
            raise ValueError(
                f"checkpoint={str(self.folder)!r} holds another search: {what} "
                "differ. Repeat the same call (random candidates need an integer "
                "random_state), or give a new folder."
            )
        return plan

    def begin(self, seed, packs):
        """Write (seed, packs), or return those written by an earlier call.

        Packs depend on measured times, and results depend on the packs.
        """
        if self.plan is not None:
            packs = [[tuple(pair) for pair in pack] for pack in self.plan["packs"]]
            return self.plan["seed"], packs
        if self.folder is not None:
            self.plan = {
                "format": FORMAT,
                "fingerprint": self.fingerprint,
                "seed": seed,
                "packs": packs,
            }
            self._try(self._write_plan)
        return seed, packs

    def _write_plan(self):
        assert self.folder is not None and self.plan is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / _NEW_PLAN
        temporary.write_text(json.dumps({**self.plan, "checksum": _hash(self.plan)}))
        replace(temporary, self.folder / _PLAN)

    def finished(self, i):
        """Results of pack i, or None if it has to be trained."""
        if self.folder is None or not self._path(i).exists():
            return None
        try:
            header, tensors = read(self._path(i))
            if header["of"] != self._pack(i) or not header["checked"]:
                return None  # of another search or place
            return self._results(header, tensors)
        except (ValueError, KeyError, OSError, SafetensorError):
            return None  # damaged: train it again

    def keep(self, i, results):
        """Write the results of pack i."""
        if self.folder is not None:
            self._try(lambda: self._write(i, results))

    def _path(self, i):
        assert self.folder is not None
        return self.folder / f"pack-{i:05d}.safetensors"

    def _try(self, action):
        try:
            action()
        except (OSError, SafetensorError) as error:  # the second: a full disk
            warnings.warn(
                f"The checkpoint in {str(self.folder)!r} could not be written: "
                f"{error}. The search goes on without it.",
                RuntimeWarning,
                stacklevel=4,
            )
            self.folder = None

    def _write(self, i, results):
        tensors, scores = {}, {}
        for name in ("test_scores", "train_scores"):
            if name not in results[0]:
                continue
            keys = _metrics(results, name)
            scores[name] = keys
            table = [[_score_of(r[name], k) for k in keys or [None]] for r in results]
            tensors[name] = torch.tensor(table, dtype=torch.float64)
        for name in _NUMBERS:
            values = [float(r[name]) for r in results]
            tensors[name] = torch.tensor(values, dtype=torch.float64)
        curves = [torch.tensor(r["valid_scores"], dtype=torch.float64) for r in results]
        tensors["valid_scores"] = pad_sequence(curves, True, torch.nan)
        errors = [r["fit_error"] for r in results]
        header = {"format": FILE_FORMAT, "scores": scores, "errors": errors}
        write(self._path(i), tensors, {**header, "of": self._pack(i)})

    def _pack(self, i):
        """What a pack's file names: its number, and a digest of the search's plan."""
        return [i, _hash(self.plan)]

    @staticmethod
    def _results(header, tensors):
        results = []
        for i, error in enumerate(header["errors"]):
            result = {"fit_error": error}
            for name, keys in header["scores"].items():
                row = tensors[name][i].tolist()
                result[name] = (
                    row[0] if keys is None else dict(zip(keys, row, strict=True))
                )
            for name in _NUMBERS:
                result[name] = tensors[name][i].item()
            result["n_test_samples"] = int(result["n_test_samples"])
            result["n_epochs"] = int(result["n_epochs"])
            curve = tensors["valid_scores"][i].tolist()
            result["valid_scores"] = curve[: result["n_epochs"]]
            results.append(result)
        return results


def _hash(plan):
    """sha256 of a plan as JSON, before or after it was written."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()


def _parsed(path):
    """What a search.json holds; an empty dict if that is no plan."""
    try:
        plan = json.loads(path.read_bytes())
        known = isinstance(plan["fingerprint"], dict)
    except (ValueError, KeyError, TypeError):
        return {}
    return plan if known else {}


def _is_ours(name):
    return name == _PLAN or re.fullmatch(_PACK, name)


def _is_left(name):
    return name == _NEW_PLAN or re.fullmatch(rf"\.{_PACK}\.[0-9a-f]+", name)


def _score_of(scores, metric):
    return float(scores[metric] if isinstance(scores, dict) else scores)


def _metrics(results, name):
    """Names of the metrics, or None for a single one; failed fits may have no names."""
    for result in results:
        if isinstance(result[name], dict):
            return list(result[name])
    return None
