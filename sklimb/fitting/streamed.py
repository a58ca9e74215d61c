"""Rows of a fit that do not fit into memory: two passes over them, then files.

The first pass learns the encoder, counts the classes and draws nothing but a sample;
the second encodes each block and writes its rows to random places of a temporary file,
which training maps. So rows are in random order once, and each epoch changes the order
of blocks and the order within them. In memory a row takes one byte, its label, and four
more where weights differ.
"""

import shutil
import tempfile
from functools import partial

import numpy as np
from sklearn import get_config

from sklimb._messages import short
from sklimb._random import root_seed, stream_seed
from sklimb.fitting.baseline import balanced_median_row
from sklimb.fitting.prepare import Prepared, encoded_rows, fitted_of
from sklimb.fitting.sample import SOLVED_ROWS
from sklimb.fitting.schedule import MOST_VALIDATE
from sklimb.inputs.containers import as_column
from sklimb.inputs.labels import check_labels, label_codes
from sklimb.inputs.on_disk import forget
from sklimb.inputs.rowset import RowSet
from sklimb.inputs.sketch import Sketch
from sklimb.inputs.streams import check_columns, frames_of, kind_of, without
from sklimb.inputs.weights import check_weights
from sklimb.training.block_order import BlockOrder
from sklimb.training.compiled import check_compiler
from sklimb.training.device import resolve_device
from sklimb.training.samplers import is_uniform

# Rows of the sample that are read at once, each from pages of its own.
_READ_ROWS = 4096
_WEIGHT = np.dtype(np.float64)
# Parameters that need all rows at once, with the value that does not.
_OFF = {
    "merge_duplicates": False,
    "validation_split": None,
    "warm_start": False,
    "joint_ssl": None,
    "m2m": None,
    "metabalance_sampler": None,
    "row_weighting": None,
}
_ARGUMENTS = ("groups", "X_val", "y_val", "sample_weight_val", "X_unlabeled")


def prepare_streamed(estimator, X, y, sample_weight, given, seed):
    """`prepare` of rows that come in blocks; `y` and `sample_weight` are column names.

    Parameters
    ----------
    estimator : classifier
    X : pyarrow Dataset or callable
    y : str
    sample_weight : str or None
    given : tuple
        The other arguments of `fit` in their order, which must be None.
    seed : int
        Root seed where the estimator has no `random_state`.
    """
    _check(estimator, X, y, sample_weight, given)
    estimator._device = resolve_device(estimator.device)
    if estimator.compile:
        check_compiler(estimator._device.type)
    if estimator.random_state is not None:
        seed = root_seed(estimator.random_state)
    rows = _Rows(estimator, X, y, sample_weight)
    counts = rows.learn(np.random.default_rng(stream_seed(seed, "split", 0)))
    estimator.n_folds_ = 1
    wanted = np.zeros(len(counts), dtype=int)
    if estimator.early_stopping:
        share = min(estimator.validation_fraction, MOST_VALIDATE / counts.sum())
        wanted = np.clip(np.round(share * counts).astype(int), 1, counts - 1)
    rng = np.random.default_rng(stream_seed(seed, "split", 1))
    n_rows = int((counts - wanted).sum())
    encoded = _Encoded(estimator, n_rows, rng, sample_weight is not None)
    with encoded:
        held_out = rows.write(encoded, counts, wanted, rng)
        X_encoded, weight = encoded.mapped()
    prepared = Prepared(
        RowSet(None, encoded.y, weight),
        None if held_out is None else RowSet(None, *held_out[1:]),
        X_encoded,
        None if held_out is None else held_out[0],
        seed,
        fitted_of(estimator),
        n_rows=int(counts.sum()),
        order=BlockOrder(n_rows, encoded.block_rows, partial(forget, X_encoded)),
    )
    prepared.solved_on = _sample(prepared, rows.weight_sums, held_out, rng)
    prepared.baseline = balanced_median_row(*prepared.solved_on, estimator.encoder_)
    return prepared


def _check(estimator, X, y, sample_weight, given):
    """Refuse by name what needs all rows in memory."""
    kind = kind_of(X)
    if estimator._of != "columns":
        raise TypeError(
            f"X is {kind}, which holds tables; {type(estimator).__name__} takes images."
        )
    if not isinstance(y, str):
        raise TypeError(
            f"y must be the name of a column where X is {kind}, got a "
            f"{type(y).__name__}."
        )
    if not isinstance(sample_weight, str | None):
        raise TypeError(
            f"sample_weight must be the name of a column where X is {kind}, got a "
            f"{type(sample_weight).__name__}."
        )
    why = f"needs all rows in memory, and X is {kind}, which is read in blocks."
    for name, value in zip(_ARGUMENTS, given, strict=True):
        if value is not None:
            raise ValueError(f"{name} {why} Leave it out.")
    for name, off in _OFF.items():
        value = getattr(estimator, name)
        if value is not None and value is not off:
            raise ValueError(f"{name}={short(value)} {why} Set {name}={off}.")
    if not is_uniform(estimator.sampler):
        raise ValueError(
            f"sampler={short(estimator.sampler)} {why} Set sampler='uniform', with "
            "class_weight or a loss for rare classes."
        )
    if estimator._pretrainer is not None:
        raise ValueError(f"pretrained {why} Set pretrained=None.")
    if getattr(estimator, "num_embeddings", None) == "ple":
        raise ValueError(f"num_embeddings='ple' {why} Set num_embeddings='plr'.")
    if estimator.validation_folds not in (None, "auto"):
        raise ValueError(
            f"validation_folds={short(estimator.validation_folds)} {why} Set "
            "validation_folds=None."
        )


class _Rows:
    """The passes over the blocks of X."""

    def __init__(self, estimator, X, y, sample_weight):
        self.estimator, self.X, self.learned = estimator, X, False
        self.names = {"y": y}
        if sample_weight is not None:
            self.names["sample_weight"] = sample_weight

    def _blocks(self):
        """(frame without labels, labels, weights) of the rows of positive weight."""
        estimator = self.estimator
        for i, frame in enumerate(frames_of(self.X)):
            check_columns(self.names, frame)
            table = estimator._read_table(
                without(frame, list(self.names.values())),
                reset=i == 0 and not self.learned,
            )
            labels = check_labels(frame[self.names["y"]])
            weight = np.ones(len(labels))
            if "sample_weight" in self.names:
                given = as_column(frame[self.names["sample_weight"]], "sample_weight")
                # A block may hold zeros only, which all rows may not.
                given = np.append(np.asarray(given), 1.0)
                weight = check_weights(given, len(given))[:-1]
            keep = np.flatnonzero(weight > 0)
            if len(keep):
                yield table.take(keep), labels[keep], weight[keep]

    def learn(self, rng):
        """Fit the encoder and fix the classes; rows of each class."""
        sketch, n_rows, sums, first = None, {}, {}, None
        for table, labels, weight in self._blocks():
            if sketch is None:
                sketch, first = Sketch(table.is_categorical, rng), table
            sketch.add(table, weight)
            values, codes = np.unique(labels, return_inverse=True)
            own = np.bincount(codes, weight), np.bincount(codes)
            for value, more, n in zip(values.tolist(), *own, strict=True):
                sums[value] = sums.get(value, 0.0) + more
                n_rows[value] = n_rows.get(value, 0) + int(n)
        if sketch is None:
            raise ValueError("X has no rows of positive weight.")
        estimator = self.estimator
        estimator.classes_ = np.unique(check_labels(list(n_rows)))
        if len(estimator.classes_) < 2:
            raise ValueError(
                "y must hold at least two classes, got one class: "
                f"{short(estimator.classes_.tolist()[0])}. There is nothing to tell "
                "apart."
            )
        estimator.encoder_ = estimator._make_encoder()._fit_sketch(sketch, first)
        self.learned = True
        labels = estimator.classes_.tolist()
        self.weight_sums = np.array([sums[label] for label in labels])
        return np.array([n_rows[label] for label in labels])

    def write(self, encoded, counts, wanted, rng):
        """Encode all rows into a file; the held-out ones are returned.

        Parameters
        ----------
        encoded : _Encoded
        counts, wanted : int arrays of shape (classes,)
            Rows, and how many of them are held out.
        rng : numpy Generator
        """
        estimator, held_out, n_rows = self.estimator, [], int(counts.sum())
        left, wanted = counts.copy(), wanted.copy()
        for table, labels, weight in self._blocks():
            codes = label_codes(labels, estimator.classes_, np.arange(len(labels)))
            rows = encoded_rows(estimator.encoder_, table)
            taken = np.zeros(len(codes), dtype=bool)
            for c in range(len(counts)):
                own = np.flatnonzero(codes == c)
                if len(own) > left[c]:
                    _refuse_change(n_rows)
                n = rng.hypergeometric(wanted[c], left[c] - wanted[c], len(own))
                taken[rng.choice(own, n, replace=False)] = True
                left[c] -= len(own)
                wanted[c] -= n
            if taken.any():
                held_out.append((rows[taken], codes[taken], weight[taken]))
            encoded.add(rows[~taken], codes[~taken], weight[~taken])
        if left.any():
            _refuse_change(n_rows)
        if not held_out:
            return None
        return tuple(np.concatenate(part) for part in zip(*held_out, strict=True))


def _refuse_change(n_rows):
    raise ValueError(
        f"X had {n_rows} rows when it was read first, and other rows when it was read "
        "again. It must give the same rows each time: return a new iterator from each "
        "call."
    )


class _Encoded:
    """Files of encoded rows, each at a random place, and of their weights, if any.

    Labels are in memory, in as few bytes as they need.

    Raises
    ------
    OSError
        The folder of temporary files has too little space.
    """

    def __init__(self, estimator, n_rows, rng, has_weights):
        encoder, self.rng = estimator.encoder_, rng
        self.n_columns = len(encoder.get_feature_names_out())
        if self.n_columns == 0:
            raise ValueError("X must have at least one column.")
        self.dtype = np.dtype(encoder.dtype)
        row_bytes = self.n_columns * self.dtype.itemsize
        n_bytes = n_rows * (row_bytes + has_weights * _WEIGHT.itemsize)
        folder = tempfile.gettempdir()
        free = shutil.disk_usage(folder).free
        if n_bytes > free:
            raise OSError(
                f"{n_rows} encoded rows take {n_bytes / 1e9:.1f} GB, and {folder} has "
                f"{free / 1e9:.1f} GB left. Point TMPDIR to a folder on a larger disk."
            )
        memory = get_config()["working_memory"] * 2**20
        self.block_rows = max(1, int(memory / 4 // row_bytes))
        begins = np.arange(0, n_rows, self.block_rows)
        self.begins, self.room = begins, np.diff(begins, append=n_rows)
        self.n_rows = n_rows
        self.rows = _File((n_rows, self.n_columns), self.dtype)
        self.weights = _File((n_rows,), _WEIGHT) if has_weights else None
        self.y = np.empty(n_rows, _narrow(len(estimator.classes_)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for part in (self.rows, self.weights):
            if part is not None:
                part.file.close()

    def add(self, rows, codes, weight):
        """Write rows, their shares in the blocks as a random order of all would be."""
        order = self.rng.permutation(len(rows))
        rows, codes, weight = rows[order], codes[order], weight[order]
        parts = self.rng.multivariate_hypergeometric(
            self.room, len(rows), method="marginals"
        )
        begin = 0
        for k in np.flatnonzero(parts):
            part = slice(begin, begin + parts[k])
            at = int(self.begins[k])
            self.rows.write(at, rows[part])
            self.y[at : at + parts[k]] = codes[part]
            if self.weights is not None:
                self.weights.write(at, weight[part])
            begin = part.stop
        self.begins = self.begins + parts
        self.room = self.room - parts

    def mapped(self):
        """The rows and their weights, as arrays over files that go with them."""
        weight = np.broadcast_to(np.ones(()), self.n_rows)
        if self.weights is not None:
            weight = self.weights.mapped()
        return self.rows.mapped(), weight


class _File:
    """An array that is written part by part, without a name."""

    def __init__(self, shape, dtype):
        self.shape, self.dtype = shape, dtype
        self.row_bytes = int(np.prod(shape[1:], dtype=int)) * dtype.itemsize
        self.file = tempfile.TemporaryFile(prefix="sklimb-")
        self.file.truncate(shape[0] * self.row_bytes)

    def write(self, begin, rows):
        """Write rows from row `begin` on."""
        self.file.seek(begin * self.row_bytes)
        self.file.write(np.ascontiguousarray(rows, self.dtype))

    def mapped(self):
        """The array, with which the file goes once it is closed."""
        self.file.flush()
        return np.memmap(self.file, self.dtype, "r+", shape=self.shape)


def _narrow(n_classes):
    """The smallest dtype of labels that torch can index by."""
    return np.uint8 if n_classes <= 256 else np.int32


def _sample(prepared, sums, held_out, rng):
    """Encoded rows, labels and weights whose class shares are those of all rows."""
    n_rows = len(prepared.train)
    rows = np.arange(n_rows)
    if n_rows > SOLVED_ROWS:
        rows = np.unique(rng.integers(n_rows, size=SOLVED_ROWS))
    train = prepared.train
    X = np.empty((len(rows), prepared.X.shape[1]), prepared.X.dtype)
    for begin in range(0, len(rows), _READ_ROWS):
        part = slice(begin, begin + _READ_ROWS)
        X[part] = prepared.X[rows[part]]
        forget(prepared.X)
    parts = [(X, train.y[rows], train.weight[rows])]
    if held_out is not None:
        parts.append(held_out)
    X, y, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
    own = np.bincount(y, weights=weight, minlength=len(sums))
    ratio = np.where(own > 0, sums / np.where(own > 0, own, 1), 1.0)
    return X, y, weight * ratio[y]
