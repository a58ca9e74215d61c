"""In tests the defaults, which are "auto", are one network with one split.

Most tests ask about one network, and five of them would take five times as long. What
users get is asked of `OutOfTheBox` (tests/fitting/test_budget.py, scikit-learn's
checks) and of the README's blocks. conftest.py imports this before any test.
"""

from sklimb import TabularMLPClassifier

OF_USERS = TabularMLPClassifier._networks
TabularMLPClassifier._networks = ()


class OutOfTheBox(TabularMLPClassifier):
    """With the budget of networks that users get."""

    _networks = OF_USERS
