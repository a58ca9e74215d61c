"""Warnings of sklimb's own, to be caught or silenced by their class."""


class InputWarning(UserWarning):
    """A table that can be read, but hardly says what its owner means.

    Given by `fit` of columns that training can hardly use, and by predictions of
    columns all of whose values training has not seen.

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


class UnlabeledWarning(InputWarning):
    """A label -1 beside others, which scikit-learn takes for rows without a label.

    Given by `PseudoLabelClassifier.fit`.

    Parameters
    ----------
    message : str
        What was found, and what to do about it.

    Examples
    --------
    >>> import warnings
    >>> from sklimb.exceptions import UnlabeledWarning
    >>> warnings.simplefilter("error", UnlabeledWarning)
    """


__all__ = ["InputWarning", "UnlabeledWarning"]
