"""
Why this row?
=============

What each column adds to the log odds of a fraud: of one payment, and of many.
"""

# %%
# `explain` shares out the difference in log odds between a row and a class-balanced
# median row among the columns.

import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

from sklimb import TabularMLPClassifier
from sklimb.datasets import make_transactions
from sklimb.plots import ReasonsDisplay

data = make_transactions(6000, fraud_rate=0.03, random_state=0)
X, X_test, y, y_test = train_test_split(data.X, data.y, stratify=data.y, random_state=0)
clf = TabularMLPClassifier(d_block=32, max_epochs=40, random_state=0).fit(X, y)

# %%
# The payment of the highest probability, as a waterfall: from the baseline at the
# bottom to the row at the top.

highest = clf.predict_proba(X_test)[:, 1].argmax()
ReasonsDisplay.from_estimator(clf, X_test.iloc[[highest]])
plt.show()

# %%
# Many payments, one dot for each in each line. The colour is the rank of the value in
# its column.

ReasonsDisplay.from_estimator(clf, X_test.iloc[:300])
plt.show()
