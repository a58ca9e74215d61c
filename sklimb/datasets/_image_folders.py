"""Images in folders by class: their paths and labels."""

import os
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from sklimb._messages import short

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")


def read_image_folder(folder, *, suffixes=_SUFFIXES):
    """Paths and labels of images in one folder per class: folder/class/.../name.png.

    Image classifiers take the paths as X, and read files when they need them.

    Parameters
    ----------
    folder : str or path-like
        Its folders are the classes; hidden ones, and files beside them, are left out.
    suffixes : tuple of str, default=(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", \
            ".tiff", ".webp")
        Ends of file names, in small letters, that are images; capitals count too.

    Returns
    -------
    data : Bunch
        - X: array of shape (n_images,), paths as str, by class and then by name
        - y: array of shape (n_images,), names of folders

    Raises
    ------
    FileNotFoundError
        There is no such folder.
    ValueError
        Fewer than two folders with images, or one without.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklimb.datasets import read_image_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("cat/1.png", "cat/2.JPG", "dog/1.png", "dog/notes.txt"):
    ...         path = Path(folder, name)
    ...         path.parent.mkdir(exist_ok=True)
    ...         path.touch()
    ...     data = read_image_folder(folder)
    >>> data.y.tolist()
    ['cat', 'cat', 'dog']
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            "folder must hold one folder per class, got "
            f"{short(str(folder))}, which is none."
        )
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] != ".")
    paths, labels = [], []
    for own in classes:
        found = sorted(
            os.path.join(place, name)
            for place, _, names in os.walk(own)
            for name in names
            if name.lower().endswith(tuple(suffixes)) and name[0] != "."
        )
        if not found:
            raise ValueError(
                f"folder must hold images in each of its folders, and "
                f"{short(own.name)} has none that ends in {', '.join(suffixes)}. "
                "Remove it, or name other suffixes."
            )
        paths += found
        labels += [own.name] * len(found)
    if len(classes) < 2:
        raise ValueError(
            f"folder must hold one folder per class, two at least, and "
            f"{short(str(folder))} has {len(classes)}."
        )
    return Bunch(X=np.array(paths, dtype=object), y=np.array(labels))
