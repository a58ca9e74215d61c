"""Small fitted classifiers whose analysis can be computed by hand."""

import numpy as np
from torch import nn

from sklimb import TabularNetworkClassifier

QUICK = {
    "numeric_transform": None,
    "dtype": "float64",
    "batch_size": 64,
    "early_stopping": False,
    "random_state": 0,
}


class Linear(nn.Module):
    """One linear layer, whose features are its inputs."""

    def __init__(self, n_columns, n_classes):
        super().__init__()
        self.head = nn.Linear(n_columns, n_classes)

    def embed(self, x):
        return x

    def forward(self, x):
        return self.head(x)

    def reset_parameters(self, generator):
        nn.init.normal_(self.head.weight, std=0.1, generator=generator)
        nn.init.zeros_(self.head.bias)


class LinearClassifier(TabularNetworkClassifier):
    """Multinomial logistic regression."""

    @staticmethod
    def make_network(n_numeric, n_indicators, cardinalities, n_classes):
        return Linear(n_numeric + n_indicators + len(cardinalities), n_classes)


def blobs(n_classes=3, n=150, seed=0, n_columns=3):
    """Rows around one centre for each class, the later ones rarer."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, n_classes + 1)
    y = rng.choice(n_classes, n, p=share / share.sum())
    centres = 1.5 * rng.standard_normal((n_classes, n_columns))
    return centres[y] + rng.standard_normal((n, n_columns)), y


def linear_of(clf, member=0):
    """Weights (classes, columns) and biases of a LinearClassifier's probabilities."""
    head = clf.net_.module_.members.head
    weight = head.weight[member].detach().numpy()
    bias = head.bias[member].detach().numpy()
    shift = clf.net_.criterion_.log_shift
    if shift is not None:
        bias = bias - shift.numpy()[member, 0]
    return weight, bias
