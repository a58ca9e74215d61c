"""The pictures that examples write, for the gallery."""

import shutil

from sphinx_gallery.scrapers import figure_rst
from written import OUT


def pictures(block, block_vars, gallery_conf):
    """Move the PNG files that an example wrote to its page."""
    paths = []
    for written in sorted(OUT.glob("*.png"), key=lambda path: path.stat().st_mtime):
        path = next(block_vars["image_path_iterator"])
        shutil.move(written, path)
        paths.append(path)
    return figure_rst(paths, gallery_conf["src_dir"])
