"""
How did the fit go?
===================

Losses and scores after each epoch, which epoch is kept, and how well each class is told
apart in the end.
"""

# %%
# A fit holds rows out, stops when their loss no longer falls, and keeps the weights of
# the epoch in which it was smallest. `HistoryDisplay` draws what `history_` recorded.

import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

from sklimb import TabularMLPClassifier
from sklimb.datasets import make_transactions
from sklimb.plots import ClassReportDisplay, HistoryDisplay

data = make_transactions(4000, fraud_rate=0.03, random_state=0)
X, X_test, y, y_test = train_test_split(data.X, data.y, stratify=data.y, random_state=0)
small = {"d_block": 32, "max_epochs": 40, "random_state": 0, "validation_folds": None}
clf = TabularMLPClassifier(n_members=1, **small).fit(X, y)
HistoryDisplay.from_estimator(clf)
plt.show()

# %%
# Several networks train side by side. Each has a thin line and its own best epoch; here
# they stop by the average precision instead of the loss, which has a panel of its own.

ensemble = TabularMLPClassifier(n_members=3, monitor="average_precision", **small)
HistoryDisplay.from_estimator(ensemble.fit(X, y))
plt.show()

# %%
# What comes of it for each class: `predict` takes the larger probability, and finds few
# of the rare ones. A balanced decision finds more, with less precision.

figure, axes = plt.subplots(2, 2, figsize=(8, 4.5), layout="constrained")
for own, decision in zip(axes, ("probability", "balanced"), strict=True):
    clf = TabularMLPClassifier(n_members=1, decision=decision, **small).fit(X, y)
    ClassReportDisplay.from_estimator(clf, X_test, y_test, ax=own)
    own[1].set_title(f"decision={decision!r}", fontsize="medium")
plt.show()
