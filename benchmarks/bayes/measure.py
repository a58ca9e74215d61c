"""Processor seconds of posteriors, next to the fits that they begin with."""

import time

import numpy as np
from sklearn.frozen import FrozenEstimator

from sklimb import TabularMLPClassifier
from sklimb.bayes import LaplaceClassifier, SGHMCClassifier
from sklimb.datasets import make_transactions

# Most of the fit's time that last-layer Laplace takes; of one chain's, that eight take.
GOALS = {"laplace": 0.1, "chains": 2.5}
N_CHAINS = 8


def seconds(work):
    """Result and processor seconds of a call."""
    begin = time.process_time()
    made = work()
    return made, time.process_time() - begin


def laplace_ratio(n_rows, structure, n_members):
    """Seconds of a default fit and of last-layer Laplace on it."""
    data = make_transactions(n_rows, fraud_rate=0.05, random_state=0)
    clf = TabularMLPClassifier(n_members=n_members, random_state=0)
    fitted, fit = seconds(lambda: clf.fit(data.X, data.y))
    laplace = LaplaceClassifier(FrozenEstimator(fitted), structure=structure)
    own = min(seconds(lambda: laplace.fit(data.X, data.y))[1] for _ in range(3))
    return {"fit": fit, "posterior": own, "ratio": own / fit}


def chains_ratio(repeats, n_rows=4000, width=64, batch_size=32):
    """Seconds of eight chains and of one, in turn; the median of their ratios."""
    data = make_transactions(n_rows, fraud_rate=0.05, random_state=0)
    X = data.X.select_dtypes("number")
    models = {}
    for n in (1, N_CHAINS):
        clf = TabularMLPClassifier(
            num_embeddings=None,
            d_block=width,
            max_epochs=1,
            n_members=n,
            batch_size=batch_size,
            early_stopping=False,
            random_state=0,
        )
        models[n] = SGHMCClassifier(
            FrozenEstimator(clf.fit(X, data.y)), 1, 1, n_epochs=4, burn_in=0.0
        )
    times = {n: [] for n in models}
    for repeat in range(repeats + 1):
        for n, model in models.items():  # in turn: other load affects both
            _, own = seconds(lambda model=model: model.fit(X, data.y))
            if repeat:  # the first call of each allocates
                times[n].append(own)
    one, many = (np.array(times[n]) for n in models)
    return {
        "fit": float(np.median(one)),
        "posterior": float(np.median(many)),
        "ratio": float(np.median(many / one)),
    }
