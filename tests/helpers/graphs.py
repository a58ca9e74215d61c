"""ONNX graphs in the tests: written, run on frames, compared with their classifiers."""

import numpy as np
import onnxruntime
import pandas as pd

from sklimb.export import to_onnx

KINDS = {
    "tensor(double)": np.float64,
    "tensor(float)": np.float32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
    "tensor(string)": object,
}
# float32: the runtime adds in another order.
CLOSE = 1e-5


def session_of(path):
    """A runtime of one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options)


def feed(session, X):
    """Inputs of a session from a frame, by its columns' names or their order."""
    inputs = session.get_inputs()
    if len(inputs) == 1 and inputs[0].name == "images":
        return {"images": np.asarray(X)}
    X = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X)
    return {
        given.name: as_input(X.iloc[:, i], KINDS[given.type])
        for i, given in enumerate(inputs)
    }


def as_input(column, kind):
    """A column as a caller would hand it over; missing texts are None."""
    if kind is not object:
        return column.to_numpy(dtype=kind)
    texts = [None if pd.isna(value) else str(value) for value in column]
    return np.array(texts, dtype=object)


def check_graph(model, X, path, **options):
    """Write, run and compare; returns (labels, probabilities) of the graph."""
    to_onnx(model, path, **options)
    session = session_of(path)
    names = [output.name for output in session.get_outputs()]
    assert names == ["label", "probabilities"]
    labels, p = session.run(None, feed(session, X))
    assert compare(model, X, labels, p) > 0.9
    return labels, p


def compare(model, X, labels, p):
    """Probabilities are equal, and labels where they are not a matter of rounding.

    Returns the share of rows whose labels are compared.
    """
    wanted = model.predict_proba(X)
    np.testing.assert_allclose(p, wanted, rtol=0, atol=CLOSE)
    clear = margins(model, wanted) > CLOSE
    assert (np.asarray(labels)[clear] == model.predict(X)[clear]).all()
    return clear.mean()


def margins(model, p):
    """How far each row is from another label, in probability."""
    if hasattr(model, "best_threshold_"):
        return np.abs(p[:, 1] - model.best_threshold_)
    if p.shape[1] == 2 and hasattr(model, "threshold_"):
        return np.abs(p[:, 1] - model.threshold_)
    factors = getattr(model, "decision_factors_", np.ones(p.shape[1]))
    ordered = np.sort(p * factors / factors.sum(), axis=1)
    return ordered[:, -1] - ordered[:, -2]
