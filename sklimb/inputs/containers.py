"""Containers of other libraries: tables as pandas frames, the rest as numpy arrays.

A frame of any library keeps the names of its columns, so that their order is compared
with that of training. pandas and polars are read as they are, other frames through
narwhals, which comes with scikit-learn since 1.9.
"""

import sys

import numpy as np
import pandas as pd

# What makes a frame in memory of a lazy one, by its library.
_COMPUTED = {
    "polars": "X.collect()",
    "dask": "X.compute()",
    "pyspark": "X.toPandas()",
    "duckdb": "X.df()",
    "ibis": "X.to_pandas()",
    "sqlframe": "X.toPandas()",
}


def as_rows(X, name="X"):
    """Rows of any container as a pandas or polars frame, or as what numpy reads.

    Masked values of `numpy.ma` are missing. Tensors of torch come from any device.

    Raises
    ------
    TypeError
        A lazy frame, or a frame of a library that narwhals does not know.
    ImportError
        A frame of another library, without narwhals.
    """
    polars = sys.modules.get("polars")
    if isinstance(X, pd.DataFrame) or (polars and isinstance(X, polars.DataFrame)):
        return X
    if isinstance(X, np.ma.MaskedArray):
        return _filled(X)
    if _is_tensor(X):
        return _of_tensor(X, name)
    # Of the class: a lazy frame warns when it is asked for its columns.
    if hasattr(type(X), "columns"):
        return _of_frame(X, name)
    return X


def as_column(values, name):
    """Labels, weights or groups of any container as what numpy reads.

    Raises
    ------
    ValueError
        Masked values of `numpy.ma`: a row must have a label and a weight.
    """
    if isinstance(values, np.ma.MaskedArray):
        n_masked = int(np.ma.count_masked(values))
        if n_masked:
            raise ValueError(
                f"{name} must have a value for every row, and {n_masked} of "
                f"{values.size} are masked. Drop these rows, or fill them by "
                f"{name}.filled(...)."
            )
        return np.asarray(values.data)
    if _is_tensor(values):
        return _of_tensor(values, name)
    if _library(values) in ("pyarrow", "narwhals", "cudf"):
        return values.to_pandas()
    return values


def _filled(X):
    """A masked array as an ordinary one, None or NaN under the mask."""
    mask = np.ma.getmaskarray(X)
    if not mask.any():
        return np.asarray(X.data)
    kind = X.dtype.kind
    dtype = X.dtype if kind in "fcmM" else np.float64 if kind in "biu" else object
    values = np.array(X.data, dtype=dtype)
    missing = None if dtype is object else "NaT" if kind in "mM" else np.nan
    values[mask] = missing
    return values


def _is_tensor(values):
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor)


def _of_tensor(values, name):
    """A torch tensor as an array."""
    torch = sys.modules["torch"]
    if values.layout != torch.strided or values.is_quantized:
        raise TypeError(
            f"{name} must be a dense tensor, got one of layout {values.layout}. Pass "
            f"{name}.to_dense() instead."
        )
    values = values.detach().cpu()
    if values.dtype == torch.bfloat16:  # numpy has none
        values = values.float()
    return values.resolve_conj().resolve_neg().numpy()


def _library(value):
    return type(value).__module__.partition(".")[0]


def _of_frame(X, name):
    """A frame that is neither pandas' nor polars', as a pandas frame."""
    kind = f"{_library(X)} {type(X).__name__}"
    if _library(X) in _COMPUTED:
        _refuse_lazy(X, name)
    try:
        import narwhals.stable.v2 as nw
    except ImportError as error:
        raise ImportError(
            f"{name} is a {kind}, which is read through narwhals, and narwhals is not "
            "installed. Run `pip install narwhals`, or pass a pandas DataFrame."
        ) from error
    try:
        frame = nw.from_native(X, pass_through=True)
    except nw.exceptions.DuplicateError as error:
        raise ValueError(
            f"{name} has duplicate column names. Rename or drop them, so that every "
            "column has a name of its own."
        ) from error
    if isinstance(frame, nw.LazyFrame):
        _refuse_lazy(X, name)
    if isinstance(frame, nw.DataFrame):
        return frame.to_pandas()
    if hasattr(X, "__arrow_c_stream__"):
        return nw.from_arrow(X, backend="pyarrow").to_pandas()
    raise TypeError(
        f"{name} is a {kind}, which narwhals cannot read. Pass a pandas or polars "
        "DataFrame, a pyarrow Table or a numpy array instead."
    )


def _refuse_lazy(X, name):
    library = _library(X)
    cure = _COMPUTED.get(library, "X.collect()").replace("X", name, 1)
    raise TypeError(
        f"{name} is a {library} {type(X).__name__}. Pass {cure} instead: a lazy frame "
        "holds no rows yet."
    )
