"""ClassifierRetrainer: a new last layer on the features of a trained network."""

from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils.metadata_routing import (
    process_routing,
)
from sklearn.utils.validation import check_is_fitted

from sklimb._compat import (
    HasMethods,
    Interval,
    StrOptions,
    _fit_context,
    _routing_enabled,
)
from sklimb._decisions import Decisions
from sklimb._documentation import Documented
from sklimb._random import member_seeds, root_seed
from sklimb._wrapped import (
    Around,
    check_known,
    check_no_validation_rows,
    transformed,
    unwrap,
)
from sklimb.fitting.portfolio import mixed
from sklimb.fitting.train import all_or_nothing
from sklimb.training.optimizers import OPTIMIZERS
from sklimb.training.samplers import DRAWS
from sklimb.two_stage._checks import check_first_stage
from sklimb.two_stage._first_stage import (
    Backbone,
    first_stage,
    read_stage,
)
from sklimb.two_stage._methods import (
    CHOOSING,
    METHODS,
    SecondStage,
    with_drift,
)
from sklimb.two_stage._plain import PlainSecondStage
from sklimb.two_stage._probabilities import (
    joined,
    set_decision,
    set_probabilities,
)
from sklimb.two_stage._saved import SavedRetrainer


class ClassifierRetrainer(
    Documented,
    SavedRetrainer,
    PlainSecondStage,
    Decisions,
    Around,
    ClassifierMixin,
    BaseEstimator,
):
    """Second stage of two-stage training: features stay, the last layer is made anew.

    A network trained on imbalanced rows has good features and a biased last layer
    (Kang et al., 2020). The first stage is any sklimb classifier; what is trained here
    works on its penultimate features and leaves the classifier as it is. All methods
    can be compared in one search:
    `GridSearchCV(ClassifierRetrainer(clf), {"method": ["crt", "tau", "lws"]})`, or, to
    train the first stage once, around a `sklearn.frozen.FrozenEstimator`.

    Parameters
    ----------
    estimator : sklimb classifier, or Pipeline that ends in one
        The first stage. It is cloned and fitted, or taken as it is when it is wrapped
        in `sklearn.frozen.FrozenEstimator`.
    method : {"crt", "tau", "lws", "ncm", "mislas", "oltr"}, default="crt"
        - "crt": a new linear layer, drawn at random, trained on class-balanced draws.
        - "tau": weights of each class divided by the `tau`-th power of their length;
          no bias.
        - "lws": one factor per class on the logits, trained on class-balanced draws.
        - "ncm": the nearest class mean of centred features of length 1.
        - "mislas": the first stage's layer goes on with `lr * lr_factor`, label-aware
          smoothing and a factor per class. Its authors' first stage has `mix="mixup"`.
        - "oltr": a memory of class centroids enriches the features, then cosines.
    tau : float or "auto", default="auto"
        "auto" takes the first of 0, 0.1, ..., 2 with the best balanced accuracy on
        the held-out rows, for each member by itself. 0 only drops the bias. With two
        classes it hardly matters: their weights are nearly opposite, so of one length.
    smoothing_head : float in [0, 1), default=0.3
        Label smoothing of the most frequent class ("mislas").
    smoothing_tail : float in [0, 1), default=0.0
        Of the rarest class; classes with equal rows all get it.
    smoothing_shape : {"concave", "linear", "convex"} or float, default="concave"
        How smoothing grows with the rows of a class; a number is a power.
    lr_factor : float, default=0.5
        Learning rate of the layer over that of the factors ("mislas").
    shift_statistics : bool, default=False
        First let the running statistics of BatchNorm, in a copy of the network, drift
        over `n_epochs` of draws. For networks that have BatchNorm.
    sampler : {"balanced", "sqrt", "uniform"}, default="balanced"
        Which rows train.
    n_epochs : int or "auto", default="auto"
        "auto" is 5 for "lws" and 10 for the others; "tau" and "ncm" train nothing.
    batch_size : int or "auto", default="auto"
        "auto" is 128, and at least 8 where an epoch would have less than 50 steps.
    optimizer : {"adamw", "sgd"}, default="adamw"
        "sgd" has a momentum of 0.9.
    lr : float, default=0.01
        Falls to 0 along a cosine, epoch by epoch.
    weight_decay : float, default=0.0005
        Decoupled for "adamw", an L2 term for "sgd".
    target_prior : {"train", "uniform"}, array-like of shape (n_classes,) or None, \
            default="train"
        The class shares that `predict_proba` assumes. "train": mean probabilities
        equal the class shares of the rows of `fit`, by a bias that is solved on them
        (held-out ones too, but not X_val). "uniform", the balanced decision, and an
        array are these probabilities times the ratio of the shares. None leaves the
        method's own logits, which favour no class after class-balanced draws.
    validation_fraction : float in (0, 1), default=0.15
        Share of each class that `tau` and temperature are chosen on when the first
        stage holds nothing out.
    random_state : int, RandomState instance or None, default=None
        None takes the seeds of the first stage, an integer repeats the second stage
        with other draws.

    Attributes
    ----------
    estimator_ : estimator
        The fitted first stage.
    classes_ : array of shape (n_classes,)
    n_features_in_ : int
    feature_names_in_ : array of shape (n_features_in_,)
        Only if the first stage has it.
    head_ : torch module
        Features (n_members, rows, d) -> logits (n_members, rows, n_classes).
    tau_ : array of shape (n_members,)
        Only for "tau".
    temperature_ : array of shape (n_members,)
        What logits are divided by: fitted by log loss for "tau", "ncm" and, unless
        `target_prior` is None, "lws"; else 1.
    intercept_ : array of shape (n_members, n_classes)
        What is added to them then.
    class_prior_ : array of shape (n_classes,)
        Class shares of the rows that the second stage trains on, by sample weight.
    decision_factors_, threshold_, decision_scores_ : array, float, array
        As those of the first stage, whose `decision` counts here too.
    history_ : list of dict
        By epoch: "train_loss", "train_loss_members".

    Raises
    ------
    TypeError
        In `fit`: the estimator is no sklimb classifier.
    ValueError
        In `fit`: `shift_statistics` for a network without BatchNorm; `target_prior`
        beside the first stage's `class_weight`; a class without rows; a second stage
        that diverged.

    Notes
    -----
    Rows: the second stage splits the rows as the first stage does. So what the first
    stage held out, it neither trained on nor do these methods; "tau" and the
    temperature are chosen there. With a frozen first stage this holds if `fit` gets the
    rows that it was fitted on. If the first stage held nothing out
    (`early_stopping=False`, `validation_folds`), the choice is made on rows that it has
    seen, which flatters; where nothing can be held out or a class is missing there, on
    all rows.

    Weights: draws, means, choices and biases are by `sample_weight`, and a weight of k
    is k repetitions. The first stage's `class_weight` weighs rows here too.

    A first stage with a loss of its own ("focal", "vs") is left as it is; the second
    stage begins at its raw logits and minimises the cross-entropy.

    References
    ----------
    Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition",
    2020. Zhong et al., "Improving Calibration for Long-Tailed Recognition", 2021
    (MiSLAS). Liu et al., "Large-Scale Long-Tailed Recognition in an Open World", 2019
    (OLTR).

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.two_stage import ClassifierRetrainer
    >>> from sklimb.datasets import make_transactions
    >>> data = make_transactions(2000, fraud_rate=0.05, random_state=0)
    >>> clf = TabularMLPClassifier(d_block=32, max_epochs=10, random_state=0)
    >>> clf = clf.fit(data.X, data.y)
    >>> second = ClassifierRetrainer(FrozenEstimator(clf), method="lws")
    >>> p = second.fit(data.X, data.y).predict_proba(data.X)
    >>> bool(abs(p[:, 1].mean() - data.y.mean()) < 0.005)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "predict_proba"])],
        "method": [StrOptions(set(METHODS))],
        "tau": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "smoothing_head": [Interval(Real, 0, 1, closed="left")],
        "smoothing_tail": [Interval(Real, 0, 1, closed="left")],
        "smoothing_shape": [
            StrOptions({"concave", "linear", "convex"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "lr_factor": [Interval(Real, 0, None, closed="left")],
        "shift_statistics": ["boolean"],
        "sampler": [StrOptions(set(DRAWS))],
        "n_epochs": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "target_prior": [StrOptions({"train", "uniform"}), "array-like", None],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        method="crt",
        *,
        tau="auto",
        smoothing_head=0.3,
        smoothing_tail=0.0,
        smoothing_shape="concave",
        lr_factor=0.5,
        shift_statistics=False,
        sampler="balanced",
        n_epochs="auto",
        batch_size="auto",
        optimizer="adamw",
        lr=0.01,
        weight_decay=5e-4,
        target_prior="train",
        validation_fraction=0.15,
        random_state=None,
    ):
        self.estimator = estimator
        self.method = method
        self.tau = tau
        self.smoothing_head = smoothing_head
        self.smoothing_tail = smoothing_tail
        self.smoothing_shape = smoothing_shape
        self.lr_factor = lr_factor
        self.shift_statistics = shift_statistics
        self.sampler = sampler
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.target_prior = target_prior
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None, **fit_params):
        """Fit the first stage unless it is frozen, then the second.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
            For both stages. To a Pipeline inside it is given as its last step's.
        **fit_params : dict
            Further arguments of the first stage's `fit`, such as `groups` or `X_val`;
            the second stage splits by them too, and a frozen first stage takes these
            alone. Of a Pipeline without metadata routing, names have the step's prefix.

        Returns
        -------
        self : object
        """
        before, classifier, prefix = unwrap(self.estimator, "ClassifierRetrainer")
        check_first_stage(self, classifier, y)
        routed = given = dict(fit_params)
        if sample_weight is not None:
            given = {**given, "sample_weight": sample_weight}
            routed = {**routed, f"{prefix}sample_weight": sample_weight}
        if _routing_enabled():
            routed = process_routing(self, "fit", **given).estimator.fit
        given = {name.removeprefix(prefix): value for name, value in given.items()}
        if isinstance(self.estimator, FrozenEstimator):
            check_known(given, "ClassifierRetrainer")
        check_no_validation_rows("ClassifierRetrainer", before, given)
        with all_or_nothing(self):
            if isinstance(self.estimator, FrozenEstimator):
                self.estimator_ = self.estimator.estimator
                check_is_fitted(self.estimator_)
            else:
                self.estimator_ = first_stage(self.estimator).fit(X, y, **routed)
            before, classifier, _ = unwrap(self.estimator_)
            # Whatever the caller's gradient mode is.
            with torch.inference_mode(False), torch.enable_grad():
                self._fit_second(classifier, transformed(before, X), y, given)
        return self

    def _fit_second(self, classifier, X, y, given):
        stage = read_stage(
            classifier,
            X,
            y,
            given,
            sampler=self.sampler,
            own_fraction=self.validation_fraction if self.method in CHOOSING else None,
        )
        self.classes_ = classifier.classes_
        self.class_prior_ = stage.prior
        for name in ("n_features_in_", "feature_names_in_", "tau_"):
            vars(self).pop(name, None)  # of an earlier fit
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        seeds = classifier.member_seeds_
        if self.random_state is not None:
            seeds = member_seeds(root_seed(self.random_state), len(seeds))
        self._backbone = Backbone.of(classifier)
        if self.shift_statistics:
            self._backbone = with_drift(self, self._backbone, stage, seeds)
        h = self._backbone(stage.train.X)
        parts = [(h, stage.train.y, stage.train.weight)]
        chosen = None
        if stage.held_out is not None:
            held = stage.held_out
            chosen = self._backbone(held.X), held.y, held.weight
            if not stage.foreign:
                parts.append(chosen)
        everything = joined(parts)
        if chosen is None or len(np.unique(chosen[1])) < len(self.classes_):
            chosen = everything
        weight, bias = self._backbone.last_layer()
        task = SecondStage(self, h, stage, chosen, weight, bias, seeds, [])
        self.head_ = METHODS[self.method](task)
        if task.tau is not None:
            self.tau_ = task.tau
        self.history_ = [
            {"train_loss": float(loss.mean()), "train_loss_members": loss.tolist()}
            for loss in task.history
        ]
        set_probabilities(self, chosen, everything)
        set_decision(self, classifier, chosen)

    def predict_proba(self, X):
        """Probabilities, averaged over members.

        With the weights that the first stage gives its members.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        p = self.predict_proba_members(X)
        return mixed(unwrap(self.estimator_)[1].member_weights_, p)

    def predict_proba_members(self, X):
        """Probabilities of each member.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_members, n_samples, n_classes)
        """
        check_is_fitted(self, "head_")
        before, classifier, _ = unwrap(self.estimator_)
        device = self._backbone.net.device
        temperature = torch.tensor(self.temperature_, device=device)[:, None, None]
        bias = torch.tensor(self.intercept_, device=device)[:, None, :]

        def log_p(h):
            return torch.log_softmax(self.head_(h).double() / temperature + bias, -1)

        parts = [
            self._backbone(classifier._encode(part), log_p).exp_().cpu().numpy()
            for part in classifier._parts(transformed(before, X))
        ]
        return np.concatenate(parts, 1)
