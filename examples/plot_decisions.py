"""
Where to put the threshold?
===========================

A classifier says how likely each payment is a fraud. Which to stop depends on how
many alerts can be looked at and on what they cost.
"""

# %%
# Simulated payments, 2 % of which are frauds, and a network whose decision is tuned
# to the largest F1 on the rows that it holds out.

import matplotlib.pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklimb import TabularMLPClassifier
from sklimb.datasets import make_transactions
from sklimb.plots import GainDisplay, ThresholdDisplay

data = make_transactions(10000, fraud_rate=0.02, random_state=0)
X, X_test, y, y_test = train_test_split(data.X, data.y, stratify=data.y, random_state=0)
clf = TabularMLPClassifier(decision="f1", d_block=32, max_epochs=40, random_state=0)
clf.fit(X, y)

# %%
# Precision, recall, alerts and cost against the threshold. An alert costs a call of 5,
# a missed fraud its amount. The dashed line is the threshold that `predict` uses: the
# cost is smallest elsewhere.

ThresholdDisplay.from_estimator(
    clf, X_test, y_test, cost_matrix=[[0, 5], [1, 5]], amount=X_test["amount"]
)
plt.show()

# %%
# If the number of payments that can be inspected is what is given, read off which share
# of the frauds is among them. Any scikit-learn classifier can stand beside ours.

numbers = data.X.select_dtypes("number").columns
linear = make_pipeline(StandardScaler(), LogisticRegression())
linear.fit(X[numbers].fillna(0), y)
display = GainDisplay.from_estimator(clf, X_test, y_test)
GainDisplay.from_estimator(
    linear, X_test[numbers].fillna(0), y_test, name="logistic", ax=display.ax_
)
plt.show()
