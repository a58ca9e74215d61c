"""Decisions: predict and its scores, from predict_proba and `decision_factors_`."""

import numpy as np

from sklimb.fitting.decision import decided, decision_values, floored, threshold_of


class Decisions:
    """What follows from the probabilities of a classifier and its `decision`.

    The class has `predict_proba`, `classes_` and `decision_factors_`.
    """

    @property
    def threshold_(self):
        """Probability of `classes_[1]` above which `predict` chooses it (2 classes)."""
        factors = vars(self).get("decision_factors_")
        if factors is None or len(factors) != 2:
            raise AttributeError("threshold_ is there after a fit of two classes.")
        return threshold_of(factors)

    def predict(self, X):
        """Labels that `decision` chooses, by default those of the largest probability.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples,)
        """
        p = self.predict_proba(X)
        return self.classes_[decided(p, self.decision_factors_)]

    def predict_log_proba(self, X):
        """Logarithms of `predict_proba`, finite.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples, n_classes)
        """
        return np.log(floored(self.predict_proba(X)))

    def decision_function(self, X):
        """How clearly `predict` chooses each class, in log odds; finite.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_classes)
            Of two classes the log odds of `classes_[1]` less those of the threshold:
            `predict` chooses it where they are positive. Of more classes log
            probabilities plus the logarithms of `decision_factors_`, of which `predict`
            chooses the largest.
        """
        p = self.predict_proba(X)
        return decision_values(p, self.decision_factors_)
