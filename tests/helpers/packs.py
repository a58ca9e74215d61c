"""A fixed imbalanced table, and packs whose members differ in a setting."""

import numpy as np
from sklearn.datasets import make_classification

from sklimb import TabularMLPClassifier

# Small, deterministic, without anything that is not asked for.
PLAIN = {
    "num_embeddings": None,
    "numeric_transform": None,
    "d_block": 16,
    "dropout": 0.0,
    "lr": 5e-3,
    "batch_size": 32,
    "max_epochs": 5,
    "early_stopping": False,
    "random_state": 0,
}


def fixed_table(n=400):
    """300-odd negatives, 60-odd positives, some of them on the wrong side."""
    X, y = make_classification(
        n, 6, n_informative=4, weights=[0.85], flip_y=0.05, random_state=3
    )
    return X.astype(np.float32), y


class Pack(TabularMLPClassifier):
    """A pack whose member k has `settings[k]` on top of the estimator's own."""

    settings = ()

    def _members(self):
        pairs = zip(super()._members(), self.settings, strict=True)
        return [{**member, **own} for member, own in pairs]


def fit_pack(settings, **params):
    """Fit one pack on the fixed table."""
    pack = Pack(**{**PLAIN, "n_members": len(settings), **params})
    pack.settings = settings
    return pack.fit(*fixed_table())


def weights(clf):
    """The trained weights, name -> array with a leading member axis."""
    return {
        name: p.detach().cpu().numpy()
        for name, p in clf.net_.module_.named_parameters()
    }


def same_bits(a, b):
    """Whether two fitted classifiers have the same weights and probabilities."""
    X = fixed_table()[0]
    wa, wb = weights(a), weights(b)
    return all(np.array_equal(wa[k], wb[k]) for k in wa) and np.array_equal(
        a.predict_proba(X), b.predict_proba(X)
    )
