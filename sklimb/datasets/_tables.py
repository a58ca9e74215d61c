"""Local tables with the roles of their columns: target, features, groups, weights."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch


@dataclass(frozen=True)
class Task:
    """One classification task: a file and the roles of its columns.

    Every column without a role is a feature.

    Parameters
    ----------
    name : str
        Key of the task in `TABLES`.
    file : str
        Name of the parquet file.
    target : str
        Column to predict.
    description : str
        What one row is, and what is predicted.
    source : str
        Where the data is published.
    positive : tuple or None, default=None
        Labels that make the positive class of a binary task. None keeps the labels
        of the file.
    drop : tuple of str, default=()
        Columns that are no features: identifiers, and what would leak the target.
    group : tuple of str, default=()
        Columns whose identical rows form a group. They stay features.
    split : str or None, default=None
        Column that names the official part, "train" or "test".
    weight : str or None, default=None
        Column of sample weights.
    time : str or None, default=None
        Column that orders the rows in time.
    keep : tuple of (str, object) or None, default=None
        A column and the value that it has in the rows of this task; other rows and
        the column are left out.
    fetcher : str or None, default=None
        Call in `sklimb.datasets` that gets the same data without the file.
    """

    name: str
    file: str
    target: str
    description: str
    source: str
    positive: tuple | None = None
    drop: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    split: str | None = None
    weight: str | None = None
    time: str | None = None
    keep: tuple[str, object] | None = None
    fetcher: str | None = None


CREDITCARD_FEATURES = (*(f"V{i}" for i in range(1, 29)), "Amount")

_TASKS = (
    Task(
        "loan",
        "loan_data.parquet",
        "not.fully.paid",
        "One row is a LendingClub loan of 2007 to 2010; positive = not fully paid.",
        "https://www.kaggle.com/datasets/itssuru/loan-data",
        positive=(1,),
        fetcher="fetch_loans(path)",
    ),
    Task(
        "fraud",
        "creditcard_subset.parquet",
        "Class",
        "One row is a card payment; positive = fraud. A subset of the ULB file: all "
        "492 frauds and 17,339 legitimate rows, whose sample weights restore the "
        "prevalence of the full file (0.173 %), which `fetch_creditcard` gets.",
        "https://www.kaggle.com/datasets/mlg-ulb/creditcardfraud",
        positive=(1,),
        group=CREDITCARD_FEATURES,
        weight="population_weight",
    ),
    Task(
        "adult",
        "adult.parquet",
        "income",
        "One row is a person in the 1994 census; positive = earns over 50,000 USD.",
        "https://archive.ics.uci.edu/dataset/2/adult",
        positive=(">50K",),
        split="split",
        fetcher="fetch_adult()",
    ),
    Task(
        "taiwan",
        "credit_default_taiwan.parquet",
        "default.payment.next.month",
        "One row is a credit card holder in 2005; positive = default next month.",
        "https://archive.ics.uci.edu/dataset/350/default+of+credit+card+clients",
        positive=(1,),
        drop=("ID",),
    ),
    Task(
        "bank",
        "bank_full.parquet",
        "y",
        "One row is a telephone call of a bank; positive = the client subscribes. The "
        "length of the call is left out: it is known only after the call.",
        "https://archive.ics.uci.edu/dataset/222/bank+marketing",
        positive=("yes",),
        drop=("duration",),
    ),
    Task(
        "german",
        "german_credit.parquet",
        "class",
        "One row is a credit applicant; positive = bad risk.",
        "https://archive.ics.uci.edu/dataset/144/statlog+german+credit+data",
        positive=(2,),
    ),
    Task(
        "thyroid",
        "thyroid_sick.parquet",
        "Class",
        "One row is a patient; positive = sick.",
        "https://archive.ics.uci.edu/dataset/102/thyroid+disease",
        positive=("sick",),
    ),
    Task(
        "phoneme",
        "phoneme.parquet",
        "class",
        "One row is a vowel sound; positive = oral.",
        "https://www.openml.org/d/1489",
        positive=(1,),
    ),
    Task(
        "abalone_19",
        "abalone.parquet",
        "abalone_19",
        "One row is an abalone; positive = 19 rings.",
        "https://archive.ics.uci.edu/dataset/1/abalone",
        positive=(1,),
        drop=("Rings", "abalone_7"),
    ),
    Task(
        "abalone_7",
        "abalone.parquet",
        "abalone_7",
        "One row is an abalone; positive = 7 rings.",
        "https://archive.ics.uci.edu/dataset/1/abalone",
        positive=(1,),
        drop=("Rings", "abalone_19"),
    ),
    Task(
        "yeast_me2",
        "yeast.parquet",
        "yeast_me2",
        "One row is a yeast protein; positive = located in ME2.",
        "https://archive.ics.uci.edu/dataset/110/yeast",
        positive=(1,),
        drop=("localization",),
    ),
    Task(
        "ecoli_imU",
        "ecoli.parquet",
        "imU",
        "One row is an E. coli protein; positive = located in imU.",
        "https://archive.ics.uci.edu/dataset/39/ecoli",
        positive=(1,),
        drop=("Sequence_Name", "site"),
    ),
    Task(
        "wine",
        "wine_quality.parquet",
        "quality",
        "One row is a Portuguese white wine; positive = quality 4 or lower.",
        "https://archive.ics.uci.edu/dataset/186/wine+quality",
        positive=(0, 1, 2, 3, 4),
        keep=("colour", "white"),
    ),
    Task(
        "otto",
        "otto_train.parquet",
        "target",
        "One row is a product of the Otto Group, in one of 9 product lines.",
        "https://www.kaggle.com/c/otto-group-product-classification-challenge",
        drop=("id",),
        fetcher="fetch_otto()",
    ),
    Task(
        "covertype",
        "covertype_random92962.parquet",
        "Cover_Type",
        "One row is a 30 m x 30 m patch of forest, of one of 7 cover types. A random "
        "16 % of the full data, which `fetch_covertype` gets.",
        "https://archive.ics.uci.edu/dataset/31/covertype",
    ),
)

TABLES = {task.name: task for task in _TASKS}


def load_table(name, *, data_home=None):
    """Load one of the tasks of `TABLES` from a local parquet file.

    Nothing is downloaded. Columns that leak the target, identifiers, weights and
    split names are never among the features.

    Parameters
    ----------
    name : str
        Key of `TABLES`, for example "loan" or "fraud".
    data_home : str or path-like, default=None
        Folder that holds the file. None reads the environment variable `SKLIMB_DATA`.

    Returns
    -------
    bunch : Bunch
        Dictionary-like object with the following attributes.

        X : DataFrame of shape (n_samples, n_features)
            Numbers, and pandas categories for strings.
        y : ndarray of shape (n_samples,)
            int64. Binary tasks: 1 is the positive class. "otto" (str) and
            "covertype" (int64) keep their labels.
        groups : ndarray of shape (n_samples,) or None
            Equal integers mark rows that must not be torn apart by a split.
        sample_weight : ndarray of shape (n_samples,) or None
            Rows of the population that one row stands for (float64).
        split : ndarray of shape (n_samples,) or None
            "train" or "test" where the data has an official split.
        time : ndarray of shape (n_samples,) or None
            Clock of the rows, where the data has one.
        task : Task
            The roles of the columns.
        DESCR : str
            Short description.

    Raises
    ------
    ValueError
        When `name` is not in `TABLES`, or the file lacks a column of the task.
    FileNotFoundError
        When the file is not in the folder.
    ImportError
        When pyarrow is not installed.

    Examples
    --------
    >>> from sklimb.datasets import load_table
    >>> bunch = load_table("abalone_19")  # needs abalone.parquet in SKLIMB_DATA
    >>> bunch.X.shape, int(bunch.y.sum())
    ((4177, 8), 32)
    """
    if name not in TABLES:
        raise ValueError(f"name must be one of {sorted(TABLES)}, got {name!r}.")
    task = TABLES[name]
    path = find_file(task.file, data_home)
    if path is None:
        raise FileNotFoundError(_missing_file(task, data_home))
    return bunch_from_frame(read_frame(path), task)


def find_file(file, data_home=None):
    """Path of `file` in `data_home`, or in the folder of `SKLIMB_DATA`, or None."""
    folder = data_home or os.environ.get("SKLIMB_DATA")
    if not folder:
        return None
    path = Path(folder) / file
    return path if path.is_file() else None


def read_frame(path):
    """Read a parquet or a CSV file."""
    if Path(path).suffix != ".parquet":
        return pd.read_csv(path)
    try:
        return pd.read_parquet(path, engine="pyarrow")
    except ImportError as error:
        raise ImportError(
            f"Reading {Path(path).name} needs pyarrow, which is not installed. "
            "Run `pip install sklimb[data]`."
        ) from error


def bunch_from_frame(frame, task):
    """The Bunch of a data frame whose columns have the roles of `task`."""
    _require_columns(frame, task)
    without = {task.target, *task.drop, task.split, task.weight, task.time}
    if task.keep is not None:
        column, value = task.keep
        frame = frame[frame[column] == value].reset_index(drop=True)
        without.add(column)
    target = frame[task.target]
    if task.positive is None:
        y = np.array(target.tolist())
    else:
        y = target.isin(task.positive).to_numpy(dtype=np.int64)
    return Bunch(
        X=frame[[column for column in frame if column not in without]].copy(),
        y=y,
        groups=_identical_rows(frame, task.group) if task.group else None,
        sample_weight=_column(frame, task.weight, np.float64),
        split=_column(frame, task.split, object),
        time=_column(frame, task.time, np.float64),
        task=task,
        DESCR=f"{task.description}\n\nSource: {task.source}",
    )


def _require_columns(frame, task):
    roles = [task.target, *task.drop, *task.group, task.split, task.weight, task.time]
    if task.keep is not None:
        roles.append(task.keep[0])
    missing = [role for role in roles if role is not None and role not in frame]
    if missing:
        raise ValueError(
            f"{task.file} must have the columns {missing}, got {list(frame)}. It is "
            f"not the file that the task {task.name!r} describes; get it from "
            f"{task.source}."
        )


def _column(frame, column, dtype):
    return None if column is None else frame[column].to_numpy(dtype=dtype)


def _identical_rows(frame, columns):
    return frame.groupby(list(columns), sort=False, dropna=False).ngroup().to_numpy()


def _missing_file(task, data_home):
    folder = data_home or os.environ.get("SKLIMB_DATA")
    if folder:
        why = f"the folder {str(folder)!r} has no such file"
    else:
        why = "data_home is None and the environment variable SKLIMB_DATA is not set"
    todo = "Pass data_home, or set SKLIMB_DATA, to the folder that holds it"
    if task.fetcher is not None:
        todo += f", or call sklimb.datasets.{task.fetcher}"
    return (
        f"The task {task.name!r} needs {task.file}, but {why}. {todo}. "
        f"The data is published at {task.source}."
    )
