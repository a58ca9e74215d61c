"""to_onnx: anything that ends in a classifier of ours as one ONNX file."""

from sklimb.graph.write import write


def to_onnx(model, path, *, column_types=None):
    """Write a fitted estimator as one ONNX file, from raw columns to labels.

    The file runs in any ONNX runtime, without Python, torch, sklimb or scikit-learn.
    Missing values, unseen categories, transforms, embeddings, calibration and the
    decision are inside. It needs the extra `onnx` to be written.

    Parameters
    ----------
    model : fitted estimator
        A classifier of sklimb, a second stage, `PseudoLabelClassifier`, or a Pipeline,
        a search, a FrozenEstimator, a FixedThresholdClassifier or a
        TunedThresholdClassifierCV of such, with nothing else in it than
        `TabularEncoder` and `SelfSupervisedPretrainer`.
    path : str or path
        The file, which is replaced if it is there.
    column_types : dict or None, default=None
        Types of inputs by column, where the default does not suit: "float64",
        "float32", "int64", "bool" or, for categories, "string". By default numbers are
        "float64", NaN where missing; categories are "string", or "int64" or "float64"
        if all that training saw are numbers ("int64" if none was missing).

    Raises
    ------
    ImportError
        onnx or onnxscript is not installed.
    TypeError
        A part of the model is not of sklimb; it is named before anything is written.
    ValueError
        A column or a type that there is not, or labels that are no str, int, float or
        bool.
    FileNotFoundError
        The folder of the path does not exist, or the path is a folder.
    NotFittedError
        The model is not fitted.

    Notes
    -----
    Inputs are vectors of shape (rows,), one per column and of its name ("x0", "x1", ...
    without names; "_" is appended to "label" and "probabilities"); of images one of
    shape (rows, height, width) or (rows, height, width, channels), in uint8 or, for
    training on floats, float64. Outputs are "label", (rows,), and "probabilities",
    (rows, n_classes). The metadata say the classes, the columns with their inputs and
    types, and versions.

    A missing category is an empty text; "nan", "NaN", "None" and "<NA>", which programs
    write for it, count as missing too, unless they are categories. Infinite numbers,
    which `predict_proba` refuses, are taken for very large ones.

    Feed many rows in blocks of some thousands: a graph computes all its rows at once.

    Examples
    --------
    >>> import os, tempfile
    >>> import onnxruntime
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.datasets import make_transactions
    >>> from sklimb.export import to_onnx
    >>> data = make_transactions(500, fraud_rate=0.1, random_state=0)
    >>> clf = TabularMLPClassifier(max_epochs=2, random_state=0)
    >>> path = os.path.join(tempfile.mkdtemp(), "fraud.onnx")
    >>> to_onnx(clf.fit(data.X, data.y), path)
    >>> session = onnxruntime.InferenceSession(path)
    >>> row = {
    ...     i.name: data.X[i.name].to_numpy(object if "string" in i.type else float)[:1]
    ...     for i in session.get_inputs()
    ... }
    >>> label, probabilities = session.run(None, row)
    """
    write(model, path, column_types)
