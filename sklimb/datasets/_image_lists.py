"""Images on the disk by a list: a path and a label per line, or a table of both."""

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sklimb._messages import listed, short

# A path may hold blanks and commas, a label neither.
_LINE = re.compile(r"(.*[^\s,])[\s,]+([^\s,]+)")


def read_image_list(path, folder=None, *, columns=None, suffix=""):
    """Read a list of image files and their labels.

    Image classifiers take the paths as X, and read files when they need them.

    Parameters
    ----------
    path : str or path-like
        Without `columns` a text of lines "path label", separated by blanks, a tab or a
        comma: the lists of ImageNet-LT and iNaturalist. With `columns` a CSV file with
        a header.
    folder : str or path-like, default=None
        Where the paths of the list begin; None is the folder of the list.
    columns : (str, str), default=None
        Columns of the CSV file that hold the paths and the labels.
    suffix : str, default=""
        Added to every path, for lists of names without it.

    Returns
    -------
    bunch : Bunch
        - X: ndarray of str, the paths of the images
        - y: ndarray, the labels: int64 if all are whole numbers, else str

    Raises
    ------
    ValueError
        A line is no path and label, the list is empty, or the CSV lacks a column.
    FileNotFoundError
        The list, or an image that it names, is not there.

    Notes
    -----
    The published layouts: ImageNet-LT `read_image_list("ImageNet_LT_train.txt",
    "imagenet")`; iNaturalist 2018 likewise; APTOS 2019 `read_image_list("train.csv",
    "train_images", columns=("id_code", "diagnosis"), suffix=".png")`; SIIM-ISIC
    `read_image_list("train.csv", "jpeg/train", columns=("image_name", "target"),
    suffix=".jpg")`. EuroSAT has `load_eurosat`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklimb.datasets import read_image_list
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("a.png", "b.png"):
    ...     (folder / name).touch()
    >>> _ = (folder / "list.txt").write_text("a.png 0\\nb.png 1\\n")
    >>> read_image_list(folder / "list.txt").y.tolist()
    [0, 1]
    """
    path = Path(path)
    folder = path.parent if folder is None else Path(folder)
    names, labels = _of_lines(path) if columns is None else _of_table(path, *columns)
    if not names:
        raise ValueError(f"{short(str(path))} lists no image.")
    files = np.array([os.fspath(folder / f"{name}{suffix}") for name in names])
    absent = [file for file in files if not os.path.isfile(file)]
    if absent:
        raise FileNotFoundError(
            f"{len(absent)} of the {len(files)} images that {short(str(path))} names "
            f"are not there: {listed(absent, most=2)}. Give folder=, where the paths "
            "begin, and suffix= for names without one."
        )
    return Bunch(X=files, y=_as_labels(labels))


def _of_lines(path):
    """Names and labels of lines, of which the last word is the label."""
    names, labels = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:
            raise ValueError(
                f"line {number} of {short(str(path))} is no path and label: "
                f"{short(line)}. A CSV file with a header takes columns=."
            )
        names.append(found[1])
        labels.append(found[2])
    return names, labels


def _of_table(path, of_paths, of_labels):
    """Names and labels of two columns of a CSV file."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in (of_paths, of_labels):
        if column not in frame:
            raise ValueError(
                f"{short(str(path))} has no column {short(column)}, only "
                f"{listed(frame.columns)}."
            )
    return frame[of_paths].tolist(), frame[of_labels].tolist()


def _as_labels(labels):
    """Whole numbers where all are."""
    try:
        return np.array([int(label) for label in labels], dtype=np.int64)
    except ValueError:
        return np.array(labels)
