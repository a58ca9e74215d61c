"""Random images, in usual and odd containers."""

import io
import pathlib
import tempfile
from functools import cache

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from PIL import Image

from fuzz.tables import read_only


def pixels(*shape, dtype="u1", scale=255):
    """A maker of n random images of this shape."""
    return lambda rng, n: (rng.random((n, *shape)) * scale).astype(dtype)


def each(function, *shape):
    """A list of what a function makes of images, one by one."""
    make = pixels(*(shape or (8, 8)))
    return lambda rng, n: [function(image) for image in make(rng, n)]


@cache
def folder():
    """A folder of image files, of which one is none and one is cut off."""
    place = tempfile.TemporaryDirectory()
    rng, path = np.random.default_rng(0), pathlib.Path(place.name)
    for i in range(8):
        Image.fromarray(pixels(8, 8, 3)(rng, 1)[0]).save(path / f"{i}.png")
    whole = (path / "0.png").read_bytes()
    (path / "cut.png").write_bytes(whole[:60])
    (path / "text.png").write_text("no image")
    (path / "empty.png").write_bytes(b"")
    return place


def files(*names, kind=str):
    """Paths of these files by turns."""

    def make(rng, n):
        given = names or [f"{i}.png" for i in range(8)]
        return [kind(f"{folder().name}/{given[i % len(given)]}") for i in range(n)]

    return make


def encoded(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return file.getvalue()


def pictures(mode):
    return each(lambda image: Image.fromarray(image).convert(mode), 8, 8, 3)


def with_value(value):
    def make(rng, n):
        images = pixels(8, 8, dtype="f4", scale=1)(rng, n)
        images[..., 0, 0] = value
        return images

    return make


IMAGES = {
    "usual": {
        "bytes": pixels(8, 8),
        "colours": pixels(8, 8, 3),
        "channels first": pixels(3, 8, 8, dtype="f4", scale=1),
        "flat": pixels(64, dtype="f8", scale=16),
        "PIL": pictures("RGB"),
    },
    "odd": {
        **{
            f"array {t}": pixels(8, 8, dtype=t) for t in "f2 f8 g i1 i8 u2 ? c8".split()
        },
        **{f"PIL {mode}": pictures(mode) for mode in "1 L P RGBA CMYK I F".split()},
        "1 pixel": pixels(1, 1),
        "1 line": pixels(1, 9, 1),
        "2 channels": pixels(8, 8, 2),
        "no pixels": pixels(0, 8),
        "5 dimensions": pixels(2, 3, 4, 3),
        "objects": each(lambda image: image.astype(object)),
        "text": each(lambda image: "no file"),
        "with NaN": with_value(np.nan),
        "infinite": with_value(np.inf),
        "3e38": with_value(3e38),
        "constant": pixels(8, 8, scale=0),
        "list of arrays": each(lambda image: image),
        "lists": lambda rng, n: pixels(4, 4)(rng, n).tolist(),
        "other sizes": lambda rng, n: [np.zeros((i + 1, 3)) for i in range(n)],
        "paths": files(),
        "Path": files(kind=pathlib.Path),
        "Series of paths": lambda rng, n: pd.Series(files()(rng, n)),
        "frame of paths": lambda rng, n: pd.DataFrame({"path": files()(rng, n)}),
        "no file": files("0.png", "none.png"),
        "cut file": files("0.png", "cut.png"),
        "text file": files("text.png"),
        "empty file": files("0.png", "empty.png"),
        "folder": files("."),
        "path with NUL": files("\0.png"),
        "encoded": each(encoded),
        "pictures and None": lambda rng, n: [*pictures("L")(rng, n)[:-1], None],
        "pictures and paths": lambda rng, n: [*pictures("L")(rng, n)[1:], "none.png"],
        "frame": lambda rng, n: pd.DataFrame(pixels(64)(rng, n)),
        "torch": lambda rng, n: torch.from_numpy(pixels(3, 8, 8)(rng, n)),
        "one image": lambda rng, n: pixels(8)(rng, 8),
        "None": lambda rng, n: None,
        "generator": lambda rng, n: (image for image in pixels(8, 8)(rng, n)),
        "read-only": lambda rng, n: read_only(pixels(8, 8)(rng, n)),
        "Fortran": lambda rng, n: np.asfortranarray(pixels(8, 8, 3)(rng, n)),
        "scipy": lambda rng, n: sp.csr_matrix(pixels(64)(rng, n)),
    },
}
