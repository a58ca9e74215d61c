"""Downloads of public tables, checked against published figures."""

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.datasets import fetch_covtype, fetch_openml

from sklimb.datasets._tables import (
    CREDITCARD_FEATURES,
    TABLES,
    Task,
    bunch_from_frame,
    find_file,
    load_table,
    read_frame,
)

_CREDITCARD = Task(
    "creditcard",
    "creditcard.csv",
    "Class",
    "One row is a card payment of two days in September 2013; positive = fraud.",
    "https://www.kaggle.com/datasets/mlg-ulb/creditcardfraud",
    positive=(1,),
    group=CREDITCARD_FEATURES,
    time="Time",
    fetcher="fetch_creditcard()",
)
_COVERTYPE = replace(
    TABLES["covertype"],
    file="covtype.data.gz",
    description="One row is a 30 m x 30 m patch of forest, of one of 7 cover types.",
    fetcher="fetch_covertype()",
)

# Published figures of each table. A sha256 is that of `_content_sha256`.
_EXPECTED = {
    "creditcard": {
        "number of rows": 284_807,
        "class counts": {0: 284_315, 1: 492},
        "Amount of all frauds": 60_127.97,
    },
    "adult": {
        "number of rows": 48_842,
        "class counts": {0: 37_155, 1: 11_687},
        "number of missing cells": 6_465,
        "sha256": "54149bf0829b3708dd20ba00d40cf8705a0449372221c92973077a3c38005c74",
    },
    "covertype": {
        "number of rows": 581_012,
        "class counts": {
            1: 211_840,
            2: 283_301,
            3: 35_754,
            4: 2_747,
            5: 9_493,
            6: 17_367,
            7: 20_510,
        },
    },
    "otto": {
        "number of rows": 61_878,
        "class counts": {
            "Class_1": 1_929,
            "Class_2": 16_122,
            "Class_3": 8_004,
            "Class_4": 2_691,
            "Class_5": 2_739,
            "Class_6": 14_135,
            "Class_7": 2_839,
            "Class_8": 8_464,
            "Class_9": 4_955,
        },
        "sha256": "6176aa84acc9c0a9b4acfda88f54eb762af9ff8a6a237072f19deb869c8ef261",
    },
    "loan": {
        "number of rows": 9_578,
        "class counts": {0: 8_045, 1: 1_533},
        "sha256": "65de60378ab8b620bbe0afb21c4df685f7f326cd0cf87a33fe7edb08c2adc615",
    },
}


def fetch_creditcard(*, data_home=None):
    """Get the full ULB credit card data: 284,807 payments, 492 frauds.

    `creditcard.csv` or `creditcard.parquet` in the folder of the environment variable
    `SKLIMB_DATA` is read when it is there; otherwise the data comes from OpenML (data
    id 1597, about 150 MB, kept in a cache). The subset that `load_table("fraud")`
    reads is other data and is not used.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Cache folder of the download. None means scikit-learn's, see
        :func:`sklearn.datasets.get_data_home`.

    Returns
    -------
    bunch : Bunch
        The attributes of :func:`load_table`. `groups` marks identical rows. `time` is
        in seconds since the first payment; it is None after a download, because
        OpenML leaves that column out. It is never a feature.

    Raises
    ------
    ValueError
        When the content differs from the published figures.
    OSError
        When OpenML cannot be reached.

    Examples
    --------
    >>> from sklimb.datasets import fetch_creditcard
    >>> fetch_creditcard().X.shape  # doctest: +SKIP
    (284807, 29)
    """
    path = find_file("creditcard.csv") or find_file("creditcard.parquet")
    if path is not None:
        return _check(bunch_from_frame(read_frame(path), _CREDITCARD))
    frame = _openml(_CREDITCARD, 1597, data_home)
    frame["Class"] = frame["Class"].astype(int)
    task = _CREDITCARD if "Time" in frame else replace(_CREDITCARD, time=None)
    return _check(bunch_from_frame(frame, task))


def fetch_adult(*, data_home=None):
    """Get the UCI Adult data: 48,842 people, 11,687 of them earn over 50,000 USD.

    `adult.parquet` in the folder of the environment variable `SKLIMB_DATA` is read
    when it is there; otherwise the data comes from OpenML (data id 1590).

    Parameters
    ----------
    data_home : str or path-like, default=None
        Cache folder of the download. None means scikit-learn's, see
        :func:`sklearn.datasets.get_data_home`.

    Returns
    -------
    bunch : Bunch
        The attributes of :func:`load_table`. `split` is None after a download,
        because OpenML merges the official parts.

    Raises
    ------
    ValueError
        When the content differs from the published figures.
    OSError
        When OpenML cannot be reached.

    Examples
    --------
    >>> from sklimb.datasets import fetch_adult
    >>> fetch_adult().X.shape  # doctest: +SKIP
    (48842, 14)
    """
    task = TABLES["adult"]
    if find_file(task.file) is not None:
        return _check(load_table("adult"))
    frame = _openml(task, 1590, data_home)
    return _check(bunch_from_frame(frame, replace(task, target="class", split=None)))


def fetch_covertype(*, data_home=None):
    """Get the full Covertype data: 581,012 patches of forest, 7 classes.

    It comes through :func:`sklearn.datasets.fetch_covtype`, which keeps it in a
    cache. The random part that `load_table("covertype")` reads is not used.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Cache folder of the download. None means scikit-learn's, see
        :func:`sklearn.datasets.get_data_home`.

    Returns
    -------
    bunch : Bunch
        The attributes of :func:`load_table`, with the same names of columns.

    Raises
    ------
    ValueError
        When the content differs from the published figures.
    OSError
        When the data cannot be downloaded.

    Examples
    --------
    >>> from sklimb.datasets import fetch_covertype
    >>> fetch_covertype().X.shape  # doctest: +SKIP
    (581012, 54)
    """
    fetched = fetch_covtype(data_home=data_home, as_frame=True)
    # Every value is an integer below 2 ** 15; as float64 the table takes 250 MB.
    frame = fetched.frame.astype(np.int16).rename(columns=_covertype_column)
    return _check(bunch_from_frame(frame, _COVERTYPE))


def fetch_otto(path=None, *, data_home=None):
    """Get the training data of Kaggle's Otto challenge: 61,878 products, 9 classes.

    Parameters
    ----------
    path : str or path-like, default=None
        The competition's `train.csv`. None reads `otto_train.parquet` in the folder
        of the environment variable `SKLIMB_DATA` when it is there, and otherwise asks
        OpenML (data id 45548).
    data_home : str or path-like, default=None
        Cache folder of the download. None means scikit-learn's, see
        :func:`sklearn.datasets.get_data_home`.

    Returns
    -------
    bunch : Bunch
        The attributes of :func:`load_table`.

    Raises
    ------
    ValueError
        When the content differs from the published figures.
    OSError
        When `path` does not exist, or OpenML cannot be reached.

    Notes
    -----
    The rules of the competition allow the data for research:
    https://www.kaggle.com/c/otto-group-product-classification-challenge.

    Examples
    --------
    >>> from sklimb.datasets import fetch_otto
    >>> fetch_otto("train.csv").X.shape  # doctest: +SKIP
    (61878, 93)
    """
    task = TABLES["otto"]
    path = path or find_file(task.file)
    if path is not None:
        frame = read_frame(path)
    else:
        frame = _openml(task, 45548, data_home)
        task = replace(task, drop=tuple({"id"} & set(frame)))
    return _check(bunch_from_frame(frame, task))


def fetch_loans(path=None):
    """Read Kaggle's `loan_data.csv`: 9,578 LendingClub loans, 1,533 not fully paid.

    Kaggle asks for an account, so nothing is downloaded: get the file from
    https://www.kaggle.com/datasets/itssuru/loan-data.

    Parameters
    ----------
    path : str or path-like, default=None
        The CSV file. None reads `loan_data.parquet` in the folder of the environment
        variable `SKLIMB_DATA`.

    Returns
    -------
    bunch : Bunch
        The attributes of :func:`load_table`.

    Raises
    ------
    ValueError
        When the content differs from the published figures.
    FileNotFoundError
        When there is no such file.

    Examples
    --------
    >>> from sklimb.datasets import fetch_loans
    >>> fetch_loans("loan_data.csv").X.shape  # doctest: +SKIP
    (9578, 13)
    """
    if path is None:
        return _check(load_table("loan"))
    frame = read_frame(path)
    if "purpose" in frame:
        frame["purpose"] = frame["purpose"].astype("category")
    return _check(bunch_from_frame(frame, TABLES["loan"]))


def _openml(task, data_id, data_home):
    try:
        # Without a target fetch_openml returns all columns in one frame.
        return fetch_openml(
            data_id=data_id, data_home=data_home, target_column=None, as_frame=True
        ).frame
    except OSError as error:
        raise OSError(
            f"{task.fetcher} could not download OpenML data id {data_id}: {error}. "
            f"Check the connection, or put {task.file} into the folder that the "
            f"environment variable SKLIMB_DATA names; it is published at {task.source}."
        ) from error


def _covertype_column(name):
    """The published name of a column: Wilderness_Area and Soil_Type count from 1."""
    stem, _, number = name.rpartition("_")
    return f"{stem}{int(number) + 1}" if number.isdigit() else name


def _check(bunch):
    """Return `bunch` if its content is the published one."""
    for fact, expected in _EXPECTED[bunch.task.name].items():
        got = _FACTS[fact](bunch)
        if got != expected:
            raise ValueError(
                f"The {fact} of {bunch.task.name!r} must be {expected!r}, got {got!r}. "
                "The file was changed or cut: delete it, or empty the cache, and get "
                f"it again from {bunch.task.source}."
            )
    return bunch


def _class_counts(bunch):
    labels, counts = np.unique(bunch.y, return_counts=True)
    return dict(zip(labels.tolist(), counts.tolist(), strict=True))


def _content_sha256(bunch):
    """Hash of the rows that depends on neither their order nor the dtypes."""
    columns = [_texts(bunch.X[column]) for column in sorted(bunch.X)]
    columns.append(_texts(pd.Series(bunch.y)))
    lines = sorted(map(",".join, zip(*columns, strict=True)))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _texts(column):
    codes, values = pd.factorize(column)
    texts = [v if isinstance(v, str) else f"{v:.10g}" for v in values]
    # factorize codes a missing cell as -1, the last text.
    return np.array([*texts, ""], dtype=object)[codes]


_FACTS = {
    "number of rows": lambda bunch: len(bunch.X),
    "class counts": _class_counts,
    "number of missing cells": lambda bunch: int(bunch.X.isna().sum().sum()),
    "Amount of all frauds": lambda bunch: round(
        float(bunch.X["Amount"][bunch.y == 1].sum()), 2
    ),
    "sha256": _content_sha256,
}
