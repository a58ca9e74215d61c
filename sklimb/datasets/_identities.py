"""Images of identities: a folder for each, and groups from a list."""

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sklimb._messages import listed, short
from sklimb.datasets._image_folders import read_image_folder


def read_identities(folder, groups=None, *, columns=("identity", "group")):
    """Paths of images in one folder per identity, with the group of each identity.

    For identification with imbalance between groups (Bansal et al., "MetaBalance",
    2021, section 5.4): image classifiers take the paths as X and the identities as y,
    `sklimb.strategies.Balanced(data.group_of_class)` balances the groups among the rows
    that are drawn, and `sklimb.metrics.rank_1_report` judges them.

    Parameters
    ----------
    folder : str or path-like
        Its folders are the identities; see `read_image_folder`.
    groups : str or path-like, default=None
        CSV file with a header that names the group of each identity. None: no groups.
    columns : (str, str), default=("identity", "group")
        Its columns of identities, as their folders are called, and of groups.

    Returns
    -------
    bunch : Bunch
        - X: array of shape (n_images,), paths as str
        - y: array of shape (n_images,), identities
        - group: array of shape (n_images,), group of each image, or None
        - group_of_class: list, group of each identity in sorted order, or None

    Raises
    ------
    FileNotFoundError
        There is no such folder or file.
    ValueError
        Fewer than two identities, one without an image, or the file lacks a column or
        an identity.

    Notes
    -----
    CelebA names identities in a list: `read_image_list("identity_CelebA.txt",
    "img_align_celeba")`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklimb.datasets import read_identities
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("images/ann/1.png", "images/ann/2.png", "images/bob/1.png"):
    ...         path = Path(folder, name)
    ...         path.parent.mkdir(parents=True, exist_ok=True)
    ...         path.touch()
    ...     table = Path(folder, "sex.csv")
    ...     _ = table.write_text("identity,group\\nbob,m\\nann,f\\n")
    ...     data = read_identities(Path(folder, "images"), table)
    >>> data.y.tolist(), data.group.tolist(), data.group_of_class
    (['ann', 'ann', 'bob'], ['f', 'f', 'm'], ['f', 'm'])
    """
    data = read_image_folder(folder)
    if groups is None:
        return Bunch(X=data.X, y=data.y, group=None, group_of_class=None)
    frame = pd.read_csv(groups, dtype=str, keep_default_na=False)
    for column in columns:
        if column not in frame:
            raise ValueError(
                f"{short(str(groups))} has no column {short(column)}, only "
                f"{listed(frame.columns)}."
            )
    group_of = dict(zip(frame[columns[0]], frame[columns[1]], strict=True))
    names = np.unique(data.y).tolist()
    absent = [name for name in names if name not in group_of]
    if absent:
        raise ValueError(
            f"{short(str(groups))} names no group of {len(absent)} of the {len(names)} "
            f"identities: {listed(absent, most=2)}."
        )
    group = np.array([group_of[name] for name in data.y.tolist()])
    return Bunch(
        X=data.X, y=data.y, group=group, group_of_class=[group_of[n] for n in names]
    )
