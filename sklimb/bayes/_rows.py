"""The training and held-out rows of a fitted classifier, made ready again."""

import copy

import numpy as np

from sklimb.fitting.class_weights import class_weight_vector
from sklimb.fitting.jobs import make_fold_jobs, make_job
from sklimb.fitting.portfolio import settings_of
from sklimb.fitting.prepare import prepare
from sklimb.nn.join import Layout, split


def jobs_of(classifier, X, y, given):
    """The jobs of the fit that has made a classifier, one for each fold.

    Rows are split, weighed and drawn as that fit did it, since all follows from its
    parameters and seed; the networks are copies of the fitted ones. The classifier
    stays as it is.

    Parameters
    ----------
    classifier : fitted sklimb classifier
    X, y : its rows
    given : dict
        Further arguments of `fit`.
    """
    twin = copy.copy(classifier)
    n_folds = classifier.n_folds_
    n_each = len(classifier.member_seeds_) // (n_folds * len(settings_of(classifier)))
    twin.n_members = n_each
    if n_folds > 1:  # an "auto" goes without folds where networks are there
        twin.validation_folds = n_folds
    # Member 0 keeps the seed of the fit.
    twin.random_state = int(classifier.member_seeds_[0])
    rows = prepare(twin, X, y, warm=True, **given)
    if n_folds == 1:
        return [make_job(twin, rows, warm=True)]
    twin.pretrained = None  # the weights are there
    twin._states = {}
    jobs = make_fold_jobs(twin, rows)
    for job in jobs:
        job.module.to(job.recipe.device, job.recipe.dtype)
    layouts = [Layout.of(classifier.encoder_)] * len(jobs)
    split(classifier.net_.module_, [job.module for job in jobs], layouts)
    return jobs


def row_weights(job):
    """How much each row of `job.plan.last` counts: weights whose sum is that of all.

    A row counts by its weight and by how often the sampler draws it. Draws and
    synthetic rows move weight from class to class and make no more of it: the sum is
    that of the given rows, by `sample_weight` and `class_weight`.
    """
    plan = job.plan.last
    weight = plan.weight
    if hasattr(plan.order, "cumulative"):
        weight = weight * np.diff(plan.order.cumulative.numpy(), prepend=0.0)
    return weight * (total_weight(job) / weight.sum())


def total_weight(job):
    """Weight of all training rows, by `sample_weight` and `class_weight`."""
    plan, p, classes = job.plan.last, job.recipe.parameters, job.recipe.classes
    factor = class_weight_vector(p.class_weight, plan.y, plan.row_weight, classes)
    if isinstance(p.class_weight, str):  # balanced: the classes share the same sum
        return float(job.counts.sum())
    return float(job.counts @ factor)
