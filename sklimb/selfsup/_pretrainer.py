"""SelfSupervisedPretrainer: features of tables and images, learned without labels."""

import copy
from functools import partial
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from sklimb._checkpoint import Checkpoint
from sklimb._compat import HasMethods, Interval, _fit_context, names_of
from sklimb._documentation import Documented
from sklimb._messages import short
from sklimb._random import root_seed
from sklimb.base import BaseNeuralClassifier
from sklimb.fitting.checks import check_same_network
from sklimb.fitting.compatibility import check_joint_ssl
from sklimb.fitting.prepare import encoded_rows, read_unlabeled
from sklimb.fitting.pretraining import Schedule, pretrain
from sklimb.fitting.train import all_or_nothing
from sklimb.graph.models import Features, Parts
from sklimb.inputs.rowset import RowSet
from sklimb.nn.batch_first import plain_member
from sklimb.nn.join import Layout
from sklimb.selfsup._saved import SavedPretrainer
from sklimb.tabular_mlp import TabularMLPClassifier
from sklimb.training.device import NUMBERS, resolve_device
from sklimb.training.terms import ALL_TERMS, MoCo, make_term
from sklimb.training.views.columns import Pool

# What identifies a pre-training in its checkpoint, besides estimator, rows and seed.
_SETTINGS = (
    "method",
    "max_epochs",
    "batch_size",
    "lr",
    "weight_decay",
    "validation_fraction",
    "n_iter_no_change",
)


class SelfSupervisedPretrainer(
    Documented,
    SavedPretrainer,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Train a classifier's encoder and network on rows without labels.

    The network learns to know a row by a part of it: some columns are replaced by those
    of other rows, or an image is cropped, flipped and recoloured, and the features of
    both versions must agree (SCARF, SimCLR, VICReg, MoCo); or it tells by how many
    quarters an image was turned. Every few rows are held out; the weights that do best
    on them are kept.

    A classifier takes it as its parameter `pretrained`. Unfitted, it is trained inside
    the classifier's `fit`, on the training rows and `X_unlabeled`, with the network,
    encoder and member seeds of the classifier. Fitted and wrapped in
    `sklearn.frozen.FrozenEstimator`, it is taken as it is. As a transformer, it gives
    features for any other model.

    Parameters
    ----------
    estimator : sklimb classifier or None, default=None
        Whose network and encoder are trained, with its parameters; None is
        `TabularMLPClassifier()`. Not used inside a classifier. One network is trained,
        whatever its `n_members`.
    method : {"scarf", "simclr", "vicreg", "moco", "rotation"} or object, \
            default="scarf"
        What views are compared by; see `sklimb.strategies`. "scarf" is for tables,
        "rotation" for square images. Of images an object says how views are made,
        ``SimCLR(views="color")``; see `joint_ssl` in `ImageResNetClassifier`.
    max_epochs : int, default=100
        Most passes over the rows.
    batch_size : int, default=256
        Rows per step, two views each.
    lr : float, default=0.001
        Learning rate of AdamW.
    weight_decay : float, default=0.0001
        Decoupled from the gradient.
    validation_fraction : float in (0, 1), default=0.1
        Share of the rows that is held out; fewer than two rows are not.
    n_iter_no_change : int, default=10
        Epochs without a better loss on these rows after which training ends.
    warm_start : bool, default=False
        A further `fit` goes on from the last one's weights, with its encoder.
    checkpoint : str or path, default=None
        Folder where the state of the training is kept after each epoch: after a crash
        the same call goes on, and gives what it would have given without one. Not for
        a pretrainer inside a classifier.
    random_state : int, RandomState instance or None, default=None
        Not used inside a classifier.

    Attributes
    ----------
    estimator_ : sklimb classifier
        Holds the network, `estimator_.net_.module_`; its last layer is untrained.
    encoder_ : TabularEncoder or ImageEncoder
    n_features_in_ : int
    feature_names_in_ : array of shape (n_features_in_,)
        Only if X has string column names.
    n_iter_ : int
        Epochs trained.
    best_epoch_ : int
    best_score_ : float
        Loss on the held-out rows of the weights that are kept.
    history_ : list of dict
        "train_loss" and "valid_loss" of each epoch.

    References
    ----------
    Bahri et al., "SCARF: Self-Supervised Contrastive Learning using Random Feature
    Corruption", 2022. He et al., "Momentum Contrast for Unsupervised Visual
    Representation Learning", 2020. Gidaris et al., "Unsupervised Representation
    Learning by Predicting Image Rotations", 2018. Yang and Xu,
    "Rethinking the Value of Labels for Improving Class-Imbalanced Learning", 2020
    section 4.

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.datasets import make_transactions
    >>> from sklimb.selfsup import SelfSupervisedPretrainer
    >>> data = make_transactions(2000, fraud_rate=0.1, random_state=0)
    >>> small = TabularMLPClassifier(d_block=32, random_state=0)
    >>> pretrainer = SelfSupervisedPretrainer(small, max_epochs=3, random_state=0)
    >>> pretrainer.fit(data.X).transform(data.X).shape
    (2000, 32)

    Few labels, many rows:

    >>> clf = small.set_params(pretrained=SelfSupervisedPretrainer(max_epochs=3))
    >>> clf = clf.fit(data.X[:300], data.y[:300], X_unlabeled=data.X[300:])
    >>> clf.predict_proba(data.X).shape
    (2000, 2)

    Images:

    >>> from sklearn.datasets import load_digits
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklimb import ImageResNetClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> small = ImageResNetClassifier(backbone="resnet8", max_epochs=2, random_state=0)
    >>> pretrainer = SelfSupervisedPretrainer(small, "rotation", max_epochs=2)
    >>> pretrainer = FrozenEstimator(pretrainer.fit(X[:200]))
    >>> probe = small.set_params(pretrained=pretrainer, freeze="backbone")
    >>> probe.fit(X[:200], y[:200]).predict_proba(X).shape
    (1797, 10)
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "method": [names_of(ALL_TERMS), MoCo, callable],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "checkpoint": [str, HasMethods(["__fspath__"]), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator=None,
        method="scarf",
        *,
        max_epochs=100,
        batch_size=256,
        lr=1e-3,
        weight_decay=1e-4,
        validation_fraction=0.1,
        n_iter_no_change=10,
        warm_start=False,
        checkpoint=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.method = method
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.checkpoint = checkpoint
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        given = self.estimator
        tags.input_tags.allow_nan = True
        if given is not None:
            tags.input_tags = copy.deepcopy(get_tags(given).input_tags)
        tags.transformer_tags.preserves_dtype = []
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, X_unlabeled=None):
        """Train on X, and on further rows if there are.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features), or images
            As the estimator's `fit` takes it. The encoder is fitted on these rows.
        y : None
            Ignored.
        X_unlabeled : array-like or data frame of shape (n, n_features), default=None
            More rows of the same columns.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            Before training: an estimator that is none of sklimb's classifiers, other
            columns in X_unlabeled, with `warm_start` another network, a checkpoint of
            another pre-training, damaged or in use. After the first epoch: a loss that
            is not finite.
        KeyboardInterrupt
            Ctrl-C, after the best weights of the epochs that ended and all attributes
            are in place. If none has ended, it is as it was before.
        """
        given = self.estimator
        check_joint_ssl(self.method, getattr(given, "_of", "columns"), "method")
        with all_or_nothing(self), Checkpoint(self.checkpoint) as checkpoint:
            interrupted = self._fit(X, X_unlabeled, checkpoint)
        if interrupted:
            raise KeyboardInterrupt(
                f"pre-training was interrupted after {self.n_iter_} epochs; the best "
                "weights so far are in place"
            )
        return self

    def _fit(self, X, X_unlabeled, checkpoint):
        warm = self.warm_start and hasattr(self, "estimator_")
        inner = self._inner()
        if warm:
            self._check_same(inner)
            inner = self.estimator_
        given = None if self.random_state is None else root_seed(self.random_state)
        seed = checkpoint.seed if given is None else given
        table = self._read_table(inner, X, reset=not warm)
        rows = RowSet(table, np.zeros(table.n_rows, dtype=int), np.ones(table.n_rows))
        rows = rows.canonical(inner.merge_duplicates)
        if not warm:
            inner.encoder_ = inner._make_encoder()._fit_table(rows.table, rows.weight)
        encoded = encoded_rows(inner.encoder_, rows.table)
        parts, weights = [encoded], [rows.weight]
        if X_unlabeled is not None:
            more, weight = read_unlabeled(inner, X_unlabeled)
            parts, weights = [*parts, more], [*weights, weight]
        pool = Pool.joined(parts, weights)
        term, first_epoch, history = None, 0, []
        if warm:  # on copies: a failed fit must not touch what is there
            module, term = copy.deepcopy((inner.net_.module_, self._term))
            if term.term != make_term(self.method):
                raise ValueError(
                    f"method cannot change from {short(term.term)} to "
                    f"{short(self.method)} in a warm start: the projectors that are "
                    "there go on. Set it back, or start with a new estimator."
                )
            first_epoch, history = self.n_iter_, self.history_
            inner = copy.copy(inner)
        else:
            module = inner._make_unlabeled(pool.X, pool.weight, seed)
        checkpoint.open(
            seed,
            estimator=(type(inner).__qualname__, inner.get_params()),
            data=(pool.X, pool.weight),
            random_state=given,
            weights=(first_epoch, _arrays(module, term)) if warm else None,
            **{name: getattr(self, name) for name in _SETTINGS},
        )
        members = [inner._member_settings(int(inner.member_seeds_[0]))]
        dtype = getattr(torch, NUMBERS[inner.dtype])
        schedule = self._schedule()
        result = pretrain(
            module,
            schedule,
            pool,
            inner._view_maker()(schedule.term, Layout.of(inner.encoder_)),
            members,
            inner._device,
            dtype,
            term,
            first_epoch,
            None if self.checkpoint is None else checkpoint,
        )
        if result.interrupted and not result.history:
            raise KeyboardInterrupt(
                "pre-training was interrupted before its first epoch ended; nothing "
                "was fitted"
            )
        inner._keep_unlabeled(module)
        self.estimator_, self.encoder_, self._term = inner, inner.encoder_, result.term
        self.n_iter_ = first_epoch + len(result.history)
        self.best_epoch_ = int(result.best_epoch[0])
        self.best_score_ = float(result.best_score[0])
        rows = [{k: float(v[0]) for k, v in row.items()} for row in result.history]
        self.history_ = [*history, *rows]
        return result.interrupted

    def transform(self, X):
        """Features of X, what the network's last layer would see.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features), or images

        Returns
        -------
        array of shape (n_samples, d)
        """
        check_is_fitted(self, "estimator_")
        inner, parts = self.estimator_, []
        for part in inner._parts(X):
            encoded = inner._encode_table(self._read_table(inner, part, reset=False))
            parts.append(inner.net_.blocks_embed(encoded)[0].cpu().numpy())
        return np.concatenate(parts)

    def _graph_parts(self):
        network = partial(plain_member, self.estimator_.net_.module_, 0)
        return Parts([Features(self.encoder_, network)])

    @property
    def _n_features_out(self):
        net = self.estimator_.net_
        columns = self.encoder_.n_numeric_ + self.encoder_.n_indicators_
        columns += len(self.encoder_.cardinalities_)
        return net.blocks_embed(torch.zeros(1, columns, dtype=net._dtype())).shape[-1]

    def _inner(self):
        """A fresh copy of the estimator."""
        given = self.estimator
        inner = TabularMLPClassifier() if given is None else clone(given)
        if not isinstance(inner, BaseNeuralClassifier):
            raise ValueError(
                f"estimator must be a sklimb classifier, got {short(given)}: its "
                "network and encoder are what is trained."
            )
        inner._validate_params()
        if hasattr(inner, "freeze"):  # of a classifier's training; here it learns
            inner.freeze = None
        inner._device = resolve_device(inner.device)
        return inner

    def _read_table(self, inner, X, reset):
        """The columns of X; names and count are kept or checked on this estimator."""
        table = inner._read_table(X, reset, owner=self)
        if reset:
            for name in ("n_features_in_", "feature_names_in_", "_image_shape"):
                if hasattr(self, name):
                    setattr(inner, name, getattr(self, name))
        return table

    def _check_same(self, inner):
        """Refuse to go on with another network than the one that is there."""
        there = self.estimator_
        if type(inner) is not type(there):
            raise ValueError(
                f"estimator cannot change from a {type(there).__name__} to a "
                f"{type(inner).__name__} in a warm start: the network that is there "
                "goes on. Set it back, or start with a new pretrainer."
            )
        for name in ("module_config_", "encoder_", "dtype_"):
            setattr(inner, name, getattr(there, name))
        inner.n_members = 1
        check_same_network(inner)

    def _schedule(self):
        """How to train; a classifier asks for it."""
        return Schedule(
            make_term(self.method),
            self.max_epochs,
            self.batch_size,
            self.lr,
            self.weight_decay,
            self.validation_fraction,
            self.n_iter_no_change,
        )


def _arrays(*modules):
    """The tensors of modules, from which a warm start goes on."""
    states = [module.state_dict() for module in modules]
    return [{k: v.numpy(force=True) for k, v in s.items()} for s in states]
