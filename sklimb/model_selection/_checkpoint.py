"""Checkpoints of a search: a folder of finished packs, from which a call continues.

`search.json` identifies the search and lists its packs; each finished pack is one
safetensors file: numbers as tensors, the rest as JSON. A failed write leaves no file.
"""

import hashlib
import json
import os
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError

from sklimb.model_selection._digest import digest
from sklimb.persistence import read, write

FORMAT = 2
# A killed process may leave such a file.
_NEW_PLAN = ".search.json.new"
_NUMBERS = ("fit_time", "score_time", "n_epochs", "n_test_samples")


def fingerprint(**parts):
    """Digests of the parts that identify a search; code is identified by its name."""
    return {name: digest(v, across_processes=True) for name, v in parts.items()}


class Checkpoint:
    """Finished packs in a folder; with `folder=None` nothing is written.

    Raises
    ------
    ValueError
        The folder holds another search, or files of something else.
    """

    def __init__(self, folder, fingerprint):
        self.folder = None if folder is None else Path(folder)
        self.fingerprint, self.plan = fingerprint, None
        if self.folder is None:
            return
        path = self.folder / "search.json"
        if path.exists():
            self.plan = self._read_plan(path)
        elif self.folder.exists() and any(
            there.name != _NEW_PLAN for there in self.folder.iterdir()
        ):
            raise ValueError(
                f"checkpoint={str(folder)!r} is a folder with other files in it. Give "
                "an empty or a new one."
            )

    def _read_plan(self, path):
        try:
            plan = json.loads(path.read_text())
            there, version = plan["fingerprint"], plan["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"checkpoint={str(self.folder)!r} holds a search.json that sklimb did "
                "not write. Give an empty or a new folder."
            ) from error
        differ = sorted(
            name
            for name in self.fingerprint
            if self.fingerprint[name] != there.get(name)
        )
        if differ or version != FORMAT:
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
        assert self.folder is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / _NEW_PLAN
        temporary.write_text(json.dumps(self.plan))
        os.replace(temporary, self.folder / "search.json")

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
        errors = [r["fit_error"] for r in results]
        header = {"format": FORMAT, "scores": scores, "errors": errors}
        write(self._path(i), tensors, {**header, "of": self._pack(i)})

    def _pack(self, i):
        """What a pack's file names: its number, and a digest of the search's plan."""
        plan = json.dumps(self.plan, sort_keys=True)
        return [i, hashlib.sha256(plan.encode()).hexdigest()]

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
            results.append(result)
        return results


def _score_of(scores, metric):
    return float(scores[metric] if isinstance(scores, dict) else scores)


def _metrics(results, name):
    """Names of the metrics, or None for a single one; failed fits may have no names."""
    for result in results:
        if isinstance(result[name], dict):
            return list(result[name])
    return None
