"""Warnings of sklimb's own, to be caught or silenced by their class."""


class InputWarning(UserWarning):
    """X can be read, but hardly says what its owner means.

    Given of images whose levels have another range than in training, and of flat rows
    that become images of one line.

    Parameters
    ----------
    message : str
        What was found, and what to do about it.

    Examples
    --------
    >>> import warnings
    >>> from sklimb.exceptions import InputWarning
    >>> warnings.simplefilter("ignore", InputWarning)
    """

    def __init__(self, message):
        super().__init__(message)


__all__ = ["InputWarning"]
