"""Warnings of sklimb's own, to be caught or silenced by their class."""


class InputWarning(UserWarning):
    """A table that can be read, but hardly says what its owner means.

    Given by `fit` of columns that training can hardly use, and by predictions of
    columns all of whose values training has not seen.

    Examples
    --------
    >>> import warnings
    >>> from sklimb.exceptions import InputWarning
    >>> warnings.simplefilter("ignore", InputWarning)
    """


__all__ = ["InputWarning"]
