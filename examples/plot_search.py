"""
Which candidates were worth it?
===============================

A search that trains all candidates side by side and drops those that fall behind, over
epochs and against each parameter.
"""

# %%
# Twelve candidates in two folds are one program. After 4 epochs the better third goes
# on, after 12 the best of these.

import matplotlib.pyplot as plt

from sklimb import TabularMLPClassifier
from sklimb.datasets import make_transactions
from sklimb.model_selection import PackedSearchCV
from sklimb.plots import SearchDisplay

data = make_transactions(3000, fraud_rate=0.05, random_state=0)
clf = TabularMLPClassifier(d_block=16, max_epochs=30, random_state=0)
grid = {
    "lr": [1e-4, 1e-3, 1e-2],
    "dropout": [0.0, 0.3],
    "class_weight": [None, "balanced"],
}
search = PackedSearchCV(
    clf, grid, cv=2, scoring="average_precision", halving_factor=3, max_members=24
)
search.fit(data.X, data.y)

# %%
# Each line ends where its candidate was stopped. The curves are log losses of held-out
# rows, by which each fit stops early; candidates are compared by their average
# precision on these rows, and scored by that of the test rows.

SearchDisplay.from_estimator(search, panels=["epochs"])
plt.show()

# %%
# The scores against each parameter. Those of a candidate that was dropped are of the
# few epochs that it had. Searches of scikit-learn can be drawn like this, too.

SearchDisplay.from_estimator(search, panels=list(grid))
plt.show()
