"""
What has the network learned?
=============================

How each class is learned, the features of the last layer, how flat the loss is around
the fit, and rows that are unlike those of training.
"""

# %%
# A network that records the loss and the recall of each class after each epoch.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from sklimb import TabularMLPClassifier
from sklimb.analysis import ClassCurves
from sklimb.datasets import make_transactions
from sklimb.plots import (
    EmbeddingDisplay,
    HistoryDisplay,
    InputReportDisplay,
    LandscapeDisplay,
    SpectrumDisplay,
)

data = make_transactions(4000, fraud_rate=0.05, random_state=0)
X, X_test, y, y_test = train_test_split(data.X, data.y, stratify=data.y, random_state=0)
clf = TabularMLPClassifier(
    n_members=1, callbacks=[ClassCurves()], d_block=32, max_epochs=30, random_state=0
)
clf.fit(X, y)
HistoryDisplay.from_estimator(clf, panels=["valid_class_loss", "valid_class_recall"])
plt.show()

# %%
# Features in two dimensions. Of more rows than are drawn, those of rare classes stay.

EmbeddingDisplay.from_estimator(clf, X_test, y_test)
plt.show()

# %%
# The loss on the way from the fit into a random direction, of all rows and by class.

LandscapeDisplay.from_estimator(clf, X, y, span=0.5)
plt.show()

# %%
# The largest eigenvalues of the Hessian say how sharply the loss bends.

SpectrumDisplay.from_estimator(clf, X, y, k=5, by_class=True)
plt.show()

# %%
# Payments that come later: one column is missing more often, amounts have grown, and
# there are new countries. The columns that differ most are on top.

later = X_test.copy()
later["amount"] *= 30
later["country"] = later["country"].astype(object)
later.iloc[:300, later.columns.get_loc("country")] = "elsewhere"
later.iloc[200:600, later.columns.get_loc("amount_ratio")] = np.nan
InputReportDisplay.from_estimator(clf, later)
plt.show()
