"""Warnings of sklimb's own, to be caught or silenced by their class."""


class InputWarning(UserWarning):
    """X can be read, but hardly says what its owner means.

    Given by `fit` of columns that training can hardly use and of flat rows that become
    images of one line, and by predictions of columns all of whose values training has
    not seen and of images whose levels have another range than in training.

    Parameters
    ----------
    message : str
        What was found, and what to do about it.

    Examples
    --------
    >>> import warnings
    >>> import pandas as pd
    >>> from sklimb import TabularEncoder
    >>> from sklimb.exceptions import InputWarning
    >>> X = pd.DataFrame({"price": [f"{i}.50 $" for i in range(60)]})
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always", InputWarning)
    ...     encoder = TabularEncoder().fit(X)
    >>> "'price' (currency)" in str(caught[0].message)
    True
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


class DecisionWarning(UserWarning):
    """Too few held-out rows to tune a `decision` on; another one was taken.

    Given by `fit` of classifiers.

    Parameters
    ----------
    message : str
        What was found, and what was taken.

    Examples
    --------
    >>> import warnings
    >>> from sklimb.exceptions import DecisionWarning
    >>> warnings.simplefilter("error", DecisionWarning)
    """

    def __init__(self, message):
        super().__init__(message)


__all__ = ["DecisionWarning", "InputWarning", "UnlabeledWarning"]
