"""LaplaceClassifier: a normal distribution around the weights of trained networks."""

from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from sklimb._compat import HasMethods, Interval, StrOptions
from sklimb._random import root_seed, stream_generator
from sklimb._wrapped import transformed, unwrap
from sklimb.bayes._around import Posterior
from sklimb.bayes._bias import calibration_rows, moved_prior, posterior_bias
from sklimb.bayes._curvature import STRUCTURES
from sklimb.bayes._gauss_newton import (
    check_loss_form,
    curvatures,
    factors_of,
    precisions,
    scaled,
)
from sklimb.bayes._jacobians import SUBSETS
from sklimb.bayes._predictive import probit, sampled, shifted
from sklimb.fitting.intercept import warn_of_gaps
from sklimb.fitting.portfolio import mixed


class LaplaceClassifier(Posterior):
    """Laplace approximation: a normal posterior around the trained weights.

    Its precision is the prior's plus the generalised Gauss-Newton matrix of the
    training loss, summed over the rows by their weights as in training; the network is
    taken as linear in its weights there. Every member of the classifier has a posterior
    of its own, and their probabilities are averaged.

    Parameters
    ----------
    estimator : sklimb classifier, or Pipeline that ends in one
        It is cloned and fitted, or taken as it is when it is wrapped in
        `sklearn.frozen.FrozenEstimator`. It is not changed.
    subset : {"last_layer", "all"}, default="last_layer"
        Which weights are uncertain.
    structure : {"auto", "diag", "kron", "full"}, default="auto"
        The matrix's diagonal, a Kronecker product for each tensor of weights, or the
        whole, for at most 5,000 weights. "auto" is "kron", but for all weights of a
        network for images, which have "diag" alone.
    prior_precision : float, "marginal_likelihood" or "validation", \
            default="marginal_likelihood"
        Inverse variance of the weights' normal prior, a number or chosen for each
        member: by the evidence, or by log loss on the rows that its fit held out
        (by the evidence where these rows are too few to hold any out). `np.inf`
        leaves the trained weights alone.
    predictive : {"probit", "sampling"}, default="probit"
        Mean probabilities by a formula, or over `n_samples` draws of the weights.
    n_samples : int, default=100
        Draws of the weights of each member.
    random_state : int, RandomState instance or None, default=None
        Of the draws. None takes the seed of the classifier's fit.

    Attributes
    ----------
    estimator_ : estimator
        The fitted classifier.
    classes_ : array of shape (n_classes,)
    n_features_in_ : int
    feature_names_in_ : array of shape (n_features_in_,)
        Only if the classifier has it.
    prior_precision_ : array of shape (n_members,)
    intercept_ : array of shape (n_members, n_classes)
        Output biases that are added to those of the classifier, so that mean
        probabilities on the rows of the fit equal the class shares.
    decision_factors_, threshold_, decision_scores_ : array, float, array
        As those of the classifier, whose `decision` counts here too; an objective is
        tuned again by the probabilities of the posterior.

    Raises
    ------
    TypeError
        In `fit`: the estimator is no sklimb classifier.
    ValueError
        In `fit`: a loss without a Gauss-Newton form; "validation" for a classifier
        that holds nothing out; "kron" or "full" of all weights of a network for
        images; "full" of too many weights; a network without a last layer `head`.

    Notes
    -----
    A loss has a Gauss-Newton form if it is the cross-entropy of the logits, times a
    factor plus a term of each class. Class weights, the draws of a sampler and the
    weights of rows count as in training; self-supervised terms and mixed rows do not.

    A frozen classifier needs the rows that it was fitted on. If it trained with
    mean loss and weight decay c on n rows, its own prior precision was about n * c.

    What the classifier divides out of its probabilities (shifts of the prior, the
    intercept, the temperature) is divided out here.

    Probabilities of the mean are nearer to equal ones than those of the network, and
    miss the class shares that the classifier's intercept was solved for. `intercept_`
    is solved for the posterior in the same way, on the same rows, unless the classifier
    has `target_prior=None`. It does not bring back what the mean has made alike:
    "diag" leaves out how weights vary together, makes logits look far less sure than
    they are, and had with few rare rows a worse log loss than the network, by 13 % on
    six tables; "kron" and "full", which are the same for the last layer of two classes,
    had 0.4 %, within the noise. Beside "diag" take "validation".

    References
    ----------
    MacKay, "A Practical Bayesian Framework for Backpropagation Networks", 1992.
    Daxberger et al., "Laplace Redux", 2021. Immer et al., "Improving predictions of
    Bayesian neural nets via local linearization", 2021.

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.bayes import LaplaceClassifier
    >>> from sklimb.datasets import make_transactions
    >>> data = make_transactions(1000, fraud_rate=0.1, random_state=0)
    >>> clf = TabularMLPClassifier(max_epochs=3, n_members=2, random_state=0)
    >>> laplace = LaplaceClassifier(clf).fit(data.X, data.y)
    >>> laplace.predict_proba(data.X).shape, laplace.prior_precision_.shape
    ((1000, 2), (2,))
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "predict_proba"])],
        "subset": [StrOptions(set(SUBSETS))],
        "structure": [StrOptions({"auto", *STRUCTURES})],
        "prior_precision": [
            StrOptions({"marginal_likelihood", "validation"}),
            Interval(Real, 0, None, closed="right"),
        ],
        "predictive": [StrOptions({"probit", "sampling"})],
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        subset="last_layer",
        structure="auto",
        prior_precision="marginal_likelihood",
        predictive="probit",
        *,
        n_samples=100,
        random_state=None,
    ):
        self.estimator = estimator
        self.subset = subset
        self.structure = structure
        self.prior_precision = prior_precision
        self.predictive = predictive
        self.n_samples = n_samples
        self.random_state = random_state

    def _check(self, classifier, given):
        check_loss_form(classifier.loss)
        if classifier._of == "images" and self.subset == "all":
            if self.structure not in ("auto", "diag"):
                raise ValueError(
                    f"structure={self.structure!r} with subset='all' is not for "
                    "images, whose networks have too many weights. Use 'diag', or "
                    "subset='last_layer'."
                )
        holds_out = classifier.early_stopping or given.get("X_val") is not None
        if self.prior_precision == "validation" and not holds_out:
            raise ValueError(
                "prior_precision='validation' needs held-out rows, and "
                "early_stopping=False of the estimator holds none out. Use "
                "'marginal_likelihood' or early_stopping='auto'."
            )

    def _fit_posterior(self, classifier, jobs):
        net, subset, n_classes = classifier.net_, self.subset, len(self.classes_)
        self._seed = int(classifier.member_seeds_[0])
        if self.random_state is not None:
            self._seed = root_seed(self.random_state)
        n_members = len(classifier.member_seeds_)
        structure = self.structure
        if structure == "auto":
            whole_image = classifier._of == "images" and subset == "all"
            structure = "diag" if whole_image else "kron"
        self._curvatures, chosen = [], []
        self._moved = np.zeros((n_members, n_classes))
        for job in jobs:
            own = self._own(len(chosen), job)
            found = curvatures(job, net, subset, structure)
            self._moved[own] = moved_prior(job)

            def log_p(job=job, own=own):
                moved = net.blocks_log_probability(torch.from_numpy(job.validation[0]))
                return moved[own] - moved.new_tensor(self._moved[own, None])

            scales = [self._scale(net, k) for k in _each(own)]
            prior = self.prior_precision
            chosen += [*precisions(prior, job, net, subset, found, log_p, scales)]
            self._curvatures += found
        self.prior_precision_ = np.array(chosen)
        self.intercept_ = self._solved(net, jobs, n_classes)

    @staticmethod
    def _own(begin, job):
        """Positions of a job's members, which begin there."""
        return slice(begin, begin + len(job.members))

    def _solved(self, net, jobs, n_classes):
        """The intercept of each member: its mean probabilities are the shares."""
        found, gaps = np.zeros((len(self._moved), n_classes)), []
        self.intercept_, begin = found.copy(), 0
        draw = self.predictive == "sampling"
        for job in jobs:
            own = self._own(begin, job)
            begin = own.stop
            rows = calibration_rows(job, n_classes * (self.n_samples if draw else 1))
            if rows is None or np.isinf(self.prior_precision_[own]).all():
                continue
            X, y, weight = rows
            p = self._of_rows(net, torch.from_numpy(X), draw, (job.module, own), False)
            with np.errstate(divide="ignore"):
                solved = [posterior_bias(np.log(each), y, weight) for each in p]
            found[own] = [bias for bias, _ in solved]
            gaps += [gap for _, gap in solved]
        warn_of_gaps(gaps)
        return found

    @staticmethod
    def _scale(net, k):
        """Factors of member k's logits in its log probabilities, or None if 1."""
        adjusted = factors_of(net.criterion_.loss_function)
        temperature = net.criterion_.temperature
        if adjusted is None and temperature is None:
            return None
        scale = torch.ones(net.n_classes, dtype=torch.float64, device=net.device)
        if adjusted is not None:
            scale = adjusted[0][k % len(adjusted[0])]
        return scale if temperature is None else scale / temperature[k, 0].double()

    def predict_proba(self, X):
        """Mean probabilities under the posterior, averaged over members.

        With the weights that the classifier gives its members.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        p = self._by_member(X, self.predictive == "sampling").mean(1)
        return mixed(unwrap(self.estimator_)[1].member_weights_, p)

    def predict_proba_members(self, X):
        """Probabilities of networks drawn from the posterior.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_members * n_samples, rows of X, n_classes)
            All draws of the first member of the classifier, then of the next. The same
            draws at each call.
        """
        p = self._by_member(X, True)
        return p.reshape(-1, *p.shape[2:])

    def _weights_of_draws(self, n):
        """Weight of each of the n networks of `predict_proba_members`."""
        weights = unwrap(self.estimator_)[1].member_weights_
        return np.repeat(weights * len(weights) / n, n // len(weights))

    def _by_member(self, X, draw):
        """Probabilities (members, draws or 1, rows, classes)."""
        check_is_fitted(self, "prior_precision_")
        before, classifier, _ = unwrap(self.estimator_)
        parts = [
            self._of_rows(classifier.net_, classifier._encode(part), draw)
            for part in classifier._parts(transformed(before, X))
        ]
        return np.concatenate(parts, 2)

    @torch.no_grad()
    def _of_rows(self, net, X, draw, part=None, moved=True):
        """As `_by_member`, of encoded rows; `moved` is by `target_prior`.

        `part` is a network of some members and their positions among all.
        """
        module, own = part or (net.module_, slice(0, len(self._moved)))
        log_p = net.blocks_log_probability(X)
        log_p -= log_p.new_tensor(self._moved[:, None])
        total = log_p.new_tensor(self.intercept_ + self._moved * moved)
        view = SUBSETS[self.subset](net, module)
        weights = self._draws() if draw else None
        n_draws = self.n_samples if draw else 1
        out = np.empty((own.stop - own.start, n_draws, *log_p.shape[1:]))
        for i, rows, _, jacobian in view.blocks(X):
            k = own.start + i
            scale = self._scale(net, k)
            if draw:
                change = jacobian.through(weights[k])
                change = change if scale is None else change * scale.unsqueeze(-1)
                p = sampled(log_p[k, rows] + total[k], change)
            else:
                precision = self.prior_precision_[k]
                covariance = self._curvatures[k].covariance(jacobian, precision)
                p = probit(log_p[k, rows], scaled(covariance, scale))[None]
                # After the mean: within, what is unsure would need far larger ones,
                # which make the other rows too sure.
                p = shifted(p, total[k])
            out[i, :, rows] = p.cpu().numpy()
        return out

    def _draws(self):
        """Deviations of the weights of each member, the same at each call."""
        pairs = zip(self._curvatures, self.prior_precision_, strict=True)
        return [
            curvature.draws(
                self.n_samples, precision, stream_generator(self._seed, "posterior", k)
            )
            for k, (curvature, precision) in enumerate(pairs)
        ]

    def _held_out(self, jobs):
        _, classifier, _ = unwrap(self.estimator_)
        weights, begin, found = classifier.member_weights_, 0, []
        for job in jobs:
            own = slice(begin, begin + len(job.members))
            begin = own.stop
            if job.validation is None:
                continue
            X = torch.from_numpy(job.validation[0])
            draw = self.predictive == "sampling"
            p = self._of_rows(classifier.net_, X, draw, (job.module, own))
            found.append(mixed(weights[own] / weights[own].sum(), p.mean(1)))
        return found


def _each(own):
    """The positions of a slice."""
    return range(own.start, own.stop)
