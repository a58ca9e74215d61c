"""The inner face of classifiers: hooks for subclasses, tools for meta-estimators."""

import sys
from abc import abstractmethod
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from sklimb._progress import say
from sklimb._random import member_seeds
from sklimb.fitting.portfolio import AUTO, resolved, settings_of
from sklimb.fitting.prepare import encoded_rows, read_rows, split_rows
from sklimb.fitting.probabilities import make_net
from sklimb.fitting.schedule import transform_for
from sklimb.fitting.summary import summary
from sklimb.fitting.train import fitted_attributes, train
from sklimb.inputs.streams import frames_of, is_stream
from sklimb.inputs.table import read_table
from sklimb.parameters import TrainingParameters
from sklimb.preprocessing import TabularEncoder
from sklimb.training.device import NUMBERS
from sklimb.training.losses import CrossEntropy
from sklimb.training.views.columns import views_of_columns


class InnerFace(TrainingParameters):
    """What a kind of classifier decides, and what meta-estimators build on."""

    # Hooks: what a kind of classifier decides.

    # What "auto" stands for.
    _auto: ClassVar[dict] = AUTO
    _auto_batch_size: ClassVar[int] = 256
    # (merged rows below which, networks) that "auto" takes: one, where it is empty.
    _networks: ClassVar[tuple] = ()
    # What members of one pack may differ in, beside their seeds.
    _varied: ClassVar[tuple] = (
        "lr",
        "weight_decay",
        "smoothing_eps",
        "sam_asymmetric_rho",
        "joint_ssl_weight",
    )
    # Parameters that make the network larger, for `_count_weights`.
    _sizes: ClassVar[tuple] = ()
    # What brings X to the network.
    _encoder_class = TabularEncoder
    # Whether the network can end in cosines, which some losses need.
    _offers_cosine_head: ClassVar[bool] = False
    # What X holds: "columns" or "images". Some self-supervised terms are for one alone.
    _of: ClassVar[str] = "columns"

    @abstractmethod
    def _make_members(self, plan, members):
        """The packed module of `members`, one dict of settings each, for a Plan."""

    def _make_encoder(self, n_rows=None):
        return TabularEncoder(
            categorical_features=self.categorical_features,
            numeric_transform=transform_for(self, n_rows),
            min_frequency=self.min_frequency,
            dtype=NUMBERS[self.dtype],
        )

    @property
    def _pretrainer(self):
        """A SelfSupervisedPretrainer, a frozen one, or None."""
        return self.pretrained

    @classmethod
    def _widest(cls, module, config, n_columns):
        """Numbers per row that a step holds, over eight: for the packs of a search.

        Of a module with its `module_config_`, for rows of so many encoded columns.
        """
        return sum(module.widths)  # of the packed MLP: its embedded inputs

    def _count_weights(self, **sizes):
        """About how many weights a member has by its `_sizes`, 1 at least."""
        return 1

    def _image_size(self):
        """(height, width) where rows are images, else None."""
        return None

    def _baseline(self, prepared):
        """Where explanations start."""
        return prepared.baseline

    def _view_maker(self):
        """(term, common layout) -> what makes the views of a self-supervised term."""
        return partial(views_of_columns, self.encoder_.numeric_columns_)

    def _make_augment(self):
        """What changes the rows of a batch before all else, or None."""
        return None

    def _parts(self, X):
        """X in parts that are read one after the other."""
        if not is_stream(X):
            return [X]
        names = getattr(self, "feature_names_in_", None)
        return frames_of(X, None if names is None else names.tolist())

    def _read_table(self, X, reset, owner=None):
        """The columns of X; names and count are those of `owner`, by default `self`."""
        spec = self.categorical_features if reset else self._is_categorical
        owner = self if owner is None else owner
        table = read_table(X, categorical_features=spec, estimator=owner, reset=reset)
        if reset:
            self._is_categorical = table.is_categorical
        return table

    def _member_settings(self, seed):
        """What may differ from member to member."""
        return {
            "seed": int(seed),
            **{name: resolved(self, name) for name in self._varied},
        }

    # Tools: what meta-estimators build on.

    # What the last call of partial_fit left for the next one.
    _states: ClassVar[dict] = {}
    # Which rows of one fit have pseudo-labels, and whether these count as labels.
    _pseudo_labels: ClassVar[Any] = None

    @contextmanager
    def _with_pseudo_labels(self, is_pseudo, counted):
        """Within it, `fit` takes the labels of some rows for those of a model.

        Such rows train and never validate.

        Parameters
        ----------
        is_pseudo : bool array of shape (n_samples,)
        counted : bool
            Whether they are part of the class statistics.
        """
        self._pseudo_labels = is_pseudo, counted
        try:
            yield self
        finally:  # not for later fits of this model
            del self._pseudo_labels

    def _read_rows(self, X, y, sample_weight=None, groups=None):
        """The rows of X as a RowSet, with the columns and classes of this fit."""
        return read_rows(self, X, y, sample_weight, groups, reset=False)

    def _split_rows(self, rows, X_val=None, y_val=None, sample_weight_val=None):
        """Training and held-out rows (or None), split as `fit` splits them."""
        seed = int(self.member_seeds_[0])  # member 0 keeps the seed of the fit
        return split_rows(self, rows, X_val, y_val, sample_weight_val, seed)

    def _encode(self, X, name="X"):
        """Encoded rows of X as a tensor on the CPU, ready for the net."""
        check_is_fitted(self, "net_")
        return self._encode_table(self._read_table(X, reset=False), name)

    def _encode_table(self, table, name=None):
        encoded = torch.from_numpy(encoded_rows(self.encoder_, table, name))
        if encoded.dtype == torch.uint8:  # the network reads bytes
            return encoded
        return encoded.to(getattr(torch, self.dtype_))

    def _members(self):
        """Settings of all members, in the order of `member_seeds_`."""
        settings = settings_of(self)
        return [
            {**self._member_settings(seed), **settings[i % len(settings)]}
            for i, seed in enumerate(self.member_seeds_)
        ]

    def _make_unlabeled(self, X, weight, seed):
        """One network for encoded rows without labels, its weights drawn.

        Its last layer has two classes and is not trained. Sets `member_seeds_` and
        `classes_`.
        """
        self.member_seeds_ = member_seeds(seed, 1)
        self.classes_ = np.arange(2)
        plan = SimpleNamespace(X=X, row_weight=weight)
        return self._make_members(plan, [self._member_settings(seed)])

    def _keep_unlabeled(self, module):
        """Keep a network that was trained without labels, to read features from it."""
        net = make_net(CrossEntropy(), module, len(self.classes_), self._device)
        self.net_ = net.prepare(None, None, None).release()
        self.dtype_ = NUMBERS[self.dtype]

    def _train(self, jobs, *, partial=False, callbacks=(), until=None):
        """Train the members of all jobs and keep what comes of it.

        Returns
        -------
        str or None
            That training was interrupted, when everything is in place.
        """
        interrupted = train(jobs, partial=partial, callbacks=callbacks, until=until)
        self._keep(jobs)
        if jobs[0].recipe.parameters.verbose:
            say(summary(jobs, vars(self), interrupted), file=sys.stderr)
        return interrupted

    def _keep(self, jobs):
        """Set the fitted attributes of jobs that have been trained."""
        for name in ("_states", "decision_scores_"):  # of an earlier fit
            vars(self).pop(name, None)
        vars(self).update(fitted_attributes(jobs))
