"""The recipe of a fit, and the job that is made of it and prepared rows.

Code below `base` reads these, never an estimator.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch

from sklimb.fitting.schedule import schedule_of
from sklimb.nn.join import Layout
from sklimb.parameters import TrainingParameters
from sklimb.training.device import NUMBERS


@dataclass(frozen=True)
class Recipe:
    """How to train: the parameters of one fit, with what an estimator makes of them.

    Attributes
    ----------
    parameters : TrainingParameters
        As the user gave them, but for epochs and their schedule.
    classes : array of shape (n_classes,)
    device : torch.device
    batch_size : int
        What "auto" stands for.
    image_size : (height, width) or None
        Where rows are images.
    numeric_columns : array of int
        Which input column each encoded number belongs to.
    augment : callable or None
        (rows, generator) -> rows, before all else.
    make_views : callable
        (term, common layout) -> what makes the views of a self-supervised term.
    widest : callable
        (module, its configuration, columns) -> numbers per row that a step holds.
    """

    parameters: TrainingParameters
    classes: np.ndarray
    device: torch.device
    batch_size: int
    image_size: tuple | None
    numeric_columns: np.ndarray
    augment: Callable | None
    make_views: Callable
    widest: Callable

    @property
    def dtype(self):
        """Of weights and rows."""
        return getattr(torch, NUMBERS[self.parameters.dtype])

    @property
    def has_images(self):
        """Whether rows are images."""
        return self.image_size is not None


def parameters_of(estimator):
    """The TrainingParameters that an estimator has, epochs and schedule resolved."""
    names = [f.name for f in fields(TrainingParameters)]
    given = {name: getattr(estimator, name) for name in names}
    return TrainingParameters(**{**given, **schedule_of(estimator)})


@dataclass
class Job:
    """One estimator's fit, ready to train.

    Attributes
    ----------
    recipe : Recipe
    module : nn.Module
        Packed, with one member for each item of `members`.
    members : list of dict
        Settings that may differ from member to member.
    plan : Plan
    layout : Layout
        The columns of the encoded rows.
    attributes : dict
        Fitted attributes of the estimator: the class statistics to begin with, and
        after training all the others.
    validation : tuple (X, y, weight) or None
    calibration : list of tuples (X, y, weight) or None
        Rows that the intercept is solved on.
    pool : Pool or None
        Rows that views are made from.
    epochs_before : int
        Epochs of earlier fits that this one goes on from.
    states : dict
        What the last call of partial_fit left: of the optimiser, of the step.
    error : Exception or None
        Why nothing was learned.
    guide : Job or None
        The fit of the networks that guide M2m, trained before this one.
    varied : tuple of str
        What the settings of a portfolio vary.
    shares : array of shape (n_classes,)
        Class shares that the probabilities assume.
    """

    recipe: Recipe
    module: Any
    members: list
    plan: Any
    layout: Layout
    attributes: dict
    validation: tuple | None = None
    calibration: list | None = None
    pool: Any = None
    epochs_before: int = 0
    states: dict = field(default_factory=dict)
    error: Exception | None = None
    guide: "Job | None" = None
    varied: tuple = ()
    shares: np.ndarray | None = None

    def without_late(self):
        """Forget the later plan, of which a fit that was interrupted has seen nothing.

        Its shift of the class shares is divided out of no probability.
        """
        early, late = self.plan.shift, self.plan.last.shift
        self.plan = replace(self.plan, late=None)
        if self.recipe.parameters.target_prior is not None:
            shift = self.attributes["prior_shift_"] * early / late
            self.attributes["prior_shift_"] = shift

    @property
    def widest(self):
        """Numbers per row that a step holds, over eight: for the packs of a search."""
        config = self.attributes["module_config_"]
        return self.recipe.widest(self.module, config, self.layout.n_columns)

    @property
    def batch_size(self):
        """Rows per step, at most all of them."""
        wanted = self.recipe.parameters.batch_size
        wanted = self.recipe.batch_size if wanted == "auto" else wanted
        return int(min(wanted, len(self.plan.y)))

    @property
    def prior(self):
        """Class shares of the training rows."""
        return self.attributes["class_prior_"]

    @property
    def counts(self):
        """Weight of each class in the training rows."""
        return self.attributes["class_weight_sum_"]

    @property
    def n_rows(self):
        """Rows per epoch: at first, at last, and of MetaBalance's support."""
        plans = self.plan, self.plan.last, self.plan.support or self.plan
        return tuple(plan.order.n_rows for plan in plans)

    @property
    def sort_key(self):
        """Members that step alike stand side by side (see optimizers.py)."""
        first = self.members[0]
        plans = (self.plan, self.plan.last)
        n_steps = tuple(-(-plan.order.n_rows // self.batch_size) for plan in plans)
        return n_steps, first["lr"], first["weight_decay"]
