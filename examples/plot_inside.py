"""
What has the network learned?
=============================

The features of its last layer, and rows that are unlike those of training.
"""

# %%
# A network, and payments that come later: one column is missing more often, amounts
# have grown, and there are new countries.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from sklimb import TabularMLPClassifier
from sklimb.datasets import make_transactions
from sklimb.plots import EmbeddingDisplay, InputReportDisplay

data = make_transactions(4000, fraud_rate=0.05, random_state=0)
X, X_test, y, y_test = train_test_split(data.X, data.y, stratify=data.y, random_state=0)
clf = TabularMLPClassifier(d_block=32, max_epochs=30, random_state=0).fit(X, y)

later = X_test.copy()
later["amount"] *= 30
later["country"] = later["country"].astype(object)
later.iloc[:300, later.columns.get_loc("country")] = "elsewhere"
later.iloc[200:600, later.columns.get_loc("amount_ratio")] = np.nan

# %%
# Features in two dimensions. Of more rows than are drawn, those of rare classes stay.

EmbeddingDisplay.from_estimator(clf, X_test, y_test)
plt.show()

# %%
# What the encoder reports of the later rows, the columns that differ most on top.

InputReportDisplay.from_estimator(clf, later)
plt.show()
