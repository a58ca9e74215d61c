"""Rows that come in blocks: a pyarrow Dataset, or a callable that gives frames.

Neither is held in memory: whoever reads them takes one block after the other, and each
pass begins anew. Labels and weights are columns of the frames.
"""

import sys

import pandas as pd

from sklimb._messages import listed, short
from sklimb.inputs.containers import as_rows

# Rows of a block, of which a few are in memory at once.
BLOCK_ROWS = 65_536


def is_stream(X):
    """Whether X is a Dataset, or a callable: what no table is."""
    return _is_dataset(X) or (callable(X) and not hasattr(X, "shape"))


def kind_of(X):
    """What X is, for messages."""
    return f"a pyarrow {type(X).__name__}" if _is_dataset(X) else "a callable"


def frames_of(X, columns=None):
    """The frames of X one after the other, of at most BLOCK_ROWS rows.

    Parameters
    ----------
    X : pyarrow Dataset or callable
    columns : list of str or None
        Only these, in this order; None is all.

    Raises
    ------
    TypeError
        The callable gives no frames with column names.
    ValueError
        There are no rows.
    """
    frames = _frames_of_dataset if _is_dataset(X) else _frames_of_callable
    n_rows = 0
    for frame in frames(X, columns):
        n_rows += len(frame)
        if len(frame):
            yield frame
    if not n_rows:
        raise ValueError(f"X is {kind_of(X)} without a row. Is its path right?")


def without(frame, names):
    """A frame without some of its columns."""
    return (
        frame.drop(columns=names)
        if isinstance(frame, pd.DataFrame)
        else frame.drop(names)
    )


def check_columns(names, frame):
    """Refuse names of labels or weights that no column has."""
    for argument, name in names.items():
        if name not in list(frame.columns):
            raise ValueError(
                f"{argument}={short(name)} is no column of X. Columns of X: "
                f"{listed(list(frame.columns))}."
            )


def _is_dataset(X):
    dataset = sys.modules.get("pyarrow.dataset")
    return dataset is not None and isinstance(X, dataset.Dataset)


def _frames_of_callable(X, columns):
    for given in X():
        frame = as_rows(given)
        if not hasattr(frame, "columns"):
            raise TypeError(
                "X must be a callable that returns an iterator of data frames, and it "
                f"gave a {type(given).__name__}. Wrap arrays by pd.DataFrame."
            )
        for begin in range(0, len(frame), BLOCK_ROWS):
            yield _chosen(frame[begin : begin + BLOCK_ROWS], columns)


def _chosen(frame, columns):
    if columns is None:
        return frame
    there = set(frame.columns)
    if not there.issuperset(columns):
        return frame  # to be refused by name where it is read
    return frame[list(columns)]


def _frames_of_dataset(X, columns):
    """pandas frames; text is categorical by its type, also in a block without any."""
    arrow = sys.modules["pyarrow"]
    schema = X.schema
    if columns is not None and not set(schema.names).issuperset(columns):
        columns = None
    types = arrow.types
    texts = [
        field.name
        for field in schema
        if types.is_string(field.type) or types.is_large_string(field.type)
    ]
    batches = X.to_batches(
        batch_size=BLOCK_ROWS, columns=columns, batch_readahead=2, fragment_readahead=1
    )
    for batch in batches:
        own = [name for name in texts if name in batch.schema.names]
        yield arrow.Table.from_batches([batch]).to_pandas(categories=own)
