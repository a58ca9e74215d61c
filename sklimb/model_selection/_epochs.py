"""Epochs of the fits of a search: how many, their scores, and who was halved."""

import numpy as np


def epochs_of(results, n_candidates):
    """Take the epochs out of the results of all fits, by candidate and split.

    Returns
    -------
    n_epochs : array of shape (n_candidates,)
        Mean over splits.
    found : dict
        Attributes of the search.
    """
    by_split = (n_candidates, -1)
    n_epochs = np.reshape([result.pop("n_epochs") for result in results], by_split)
    halved = np.reshape([result.pop("halved_epoch") for result in results], by_split)
    curves = [result.pop("valid_scores") for result in results]
    scores = np.full((len(curves), max(map(len, curves))), np.nan)
    for row, curve in zip(scores, curves, strict=True):
        row[: len(curve)] = curve
    # Candidates are halved as a whole; a split that failed was not there.
    halved = np.fmax.reduce(halved, axis=1)
    scores = scores.reshape(*n_epochs.shape, -1)
    return n_epochs.mean(1), {"halved_epochs_": halved, "valid_scores_": scores}
