"""What the tests of Displays share: a backend without a screen, rows and fits."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sklimb import TabularMLPClassifier
from sklimb.datasets import make_transactions


@pytest.fixture(autouse=True)
def closed_figures():
    """No test leaves a figure behind."""
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def payments():
    """A mixed data frame with missing values, and labels."""
    data = make_transactions(600, fraud_rate=0.1, random_state=0)
    return data.X, data.y


@pytest.fixture(scope="session")
def fitted(payments):
    """A small classifier of two classes."""
    return small().fit(*payments)


@pytest.fixture(scope="session")
def three(payments):
    """Rows of three classes and a classifier of them."""
    X, y = payments
    labels = np.where(y == 1, "fraud", np.where(X["abroad"] == 1, "abroad", "home"))
    return X, labels, small().fit(X, labels)


def small(**parameters):
    """An unfitted classifier that trains in a moment."""
    parameters = {"max_epochs": 4, "d_block": 8, "random_state": 0, **parameters}
    return TabularMLPClassifier(**parameters)
