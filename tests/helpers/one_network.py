"""In tests the defaults, which are "auto", are one network with one split.

Most tests ask about one network, and five of them would take five times as long. What
users get is asked of `OutOfTheBox` (tests/fitting/test_budget.py, scikit-learn's
checks), of the README's blocks and of the docstrings' examples.
"""

from sklimb import TabularMLPClassifier
from sklimb.fitting.budget import NETWORKS as OF_USERS


def one_network():
    """From now on "auto" is one network."""
    TabularMLPClassifier._networks = ()


class OutOfTheBox(TabularMLPClassifier):
    """With the budget of networks that users get."""

    _networks = OF_USERS
