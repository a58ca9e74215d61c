"""Scores of networks, ensembles and lists of settings on one split."""

from itertools import combinations

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import label_binarize

from benchmarks.common.scores import SCORES
from benchmarks.studies.portfolio.measure import CANDIDATES, SEEDS
from sklimb.fitting.portfolio import MIN_MINORITY_ROWS, select

METRICS = ("roc_auc", "average_precision", "log_loss")
SIGN = np.array([SCORES[name] for name in METRICS])
LIST_SIZE = 4
LISTS = list(combinations(range(len(CANDIDATES)), LIST_SIZE))
DRAWS = 10  # of validation rows, for each number of rare ones


def scores(y, p):
    """`METRICS` of the probabilities of one mixture, shape (rows, classes)."""
    one_hot = label_binarize(y, classes=np.arange(p.shape[1]))
    p_rank = p[:, 1:] if p.shape[1] == 2 else p
    return np.array(
        [
            roc_auc_score(one_hot, p_rank, average="macro"),
            average_precision_score(one_hot, p_rank, average="macro"),
            nll(p[np.arange(len(y)), y]),
        ]
    )


def nll(p_true):
    """Log loss from the probabilities of the labels that came."""
    return -np.log(np.maximum(p_true, 1e-300)).mean()


def greedy(p_true):
    """Weights as `TabularMLPClassifier` chooses them, from (members, rows)."""
    return select(lambda mixture: nll(mixture @ p_true), len(p_true), False)


class Split:
    """What is known of one split: scores of networks, ensembles and lists.

    Attributes
    ----------
    minority : int
        Validation rows of the rarest class.
    single : array of shape (candidates, SEEDS, metrics)
    members : array of shape (candidates, metrics)
        All networks of a candidate, averaged.
    greedy, equal : arrays of shape (lists, SEEDS, metrics)
        One network each of the candidates of a list, combined.
    """

    def __init__(self, path):
        with np.load(path) as data:
            kept = dict(data)
        k = len(CANDIDATES)
        shape = (SEEDS, k, *kept["p_test"].shape[1:])
        self.p = kept["p_test"].astype(float).reshape(shape)
        self.y, self.y_validation = kept["y_test"], kept["y_validation"]
        p_validation = kept["p_validation"].astype(float)
        p_true = p_validation[:, np.arange(len(self.y_validation)), self.y_validation]
        self.p_true = p_true.reshape(SEEDS, k, -1)
        counts = np.bincount(self.y_validation)
        self.minority = int(counts[counts > 0].min())
        self.n_train, self.n_test = int(kept["n_train"]), len(self.y)
        self.n_classes = self.p.shape[-1]
        self.cpu_seconds = float(kept["fit_cpu_seconds"])
        self.source = str(kept["source"])
        # The estimator's own weights of all its networks must be ours.
        own = np.full(len(p_true), 1 / len(p_true))
        own = greedy(p_true) if self.minority >= MIN_MINORITY_ROWS else own
        self.weights_agree = bool(np.allclose(own, kept["weights"], atol=1e-6))
        self.best_epoch = kept["best_epoch"].reshape(SEEDS, k).mean(0)
        self.single = np.array(
            [[scores(self.y, self.p[s, c]) for s in range(SEEDS)] for c in range(k)]
        )
        self.members = np.array(
            [scores(self.y, self.p[:, c].mean(0)) for c in range(k)]
        )
        shape = (len(LISTS), SEEDS, len(METRICS))
        self.greedy, self.equal = np.empty(shape), np.empty(shape)
        for i, chosen in enumerate(LISTS):
            for s in range(SEEDS):
                p = self.p[s, list(chosen)]
                weights = greedy(self.p_true[s, list(chosen)])
                self.greedy[i, s] = scores(self.y, np.tensordot(weights, p, 1))
                self.equal[i, s] = scores(self.y, p.mean(0))

    def with_rule(self, least=MIN_MINORITY_ROWS):
        """Scores of lists, weighted greedily from `least` rare validation rows on."""
        return (self.greedy if self.minority >= least else self.equal).mean(1)

    def half_way(self, chosen, least):
        """Score of a list with weights half-way from equal to greedy."""
        found = []
        for s in range(SEEDS):
            weights = np.full(len(chosen), 1 / len(chosen))
            if self.minority >= least:
                weights = (weights + greedy(self.p_true[s, list(chosen)])) / 2
            found.append(
                scores(self.y, np.tensordot(weights, self.p[s, list(chosen)], 1))
            )
        return np.mean(found, 0)

    def from_fewer_rows(self, chosen, n_rare, rng):
        """Greedy minus equal (metrics, more is better) with `n_rare` rare rows."""
        y, rare = self.y_validation, np.bincount(self.y_validation).argmin()
        n_others = round(n_rare * (y != rare).sum() / (y == rare).sum())
        gains = []
        for s in range(SEEDS):
            p = self.p[s, list(chosen)]
            equal = scores(self.y, p.mean(0))
            for _ in range(DRAWS):
                rows = np.concatenate(
                    [
                        rng.choice(np.flatnonzero(y == rare), n_rare, replace=False),
                        rng.choice(np.flatnonzero(y != rare), n_others, replace=False),
                    ]
                )
                weights = greedy(self.p_true[s, list(chosen)][:, rows])
                gains.append(scores(self.y, np.tensordot(weights, p, 1)) - equal)
        return SIGN * np.mean(gains, 0)
