"""Progress bars of tqdm and lines beside them, in terminals and notebooks."""

import warnings


def progress_bar(**params):
    """A bar of tqdm, as a widget where a notebook can show one.

    tqdm is asked only now: in a notebook without ipywidgets its import warns, which
    is of no use to those who want no bar.
    """
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)
        from tqdm.auto import tqdm

    return tqdm(**params)


def finish(bar):
    """Close a bar whose work is done, with whatever count.

    tqdm shows bars in notebooks in red where their total was not reached.
    """
    bar.total = bar.n
    bar.close()


def say(text, file=None):
    """Write a line that leaves bars whole."""
    from tqdm import tqdm

    tqdm.write(text, file=file)
