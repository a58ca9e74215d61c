"""From prepared rows to jobs: class shares, draws, members and their networks."""

import copy
import warnings
from dataclasses import replace

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator

from sklimb._random import member_seeds
from sklimb.fitting.checks import (
    check_loss,
    check_numbers_vary,
    check_per_class,
    check_temperature_rows,
    resolve_prior,
)
from sklimb.fitting.pack import Job
from sklimb.fitting.plan import (
    class_shares,
    class_weight_vector,
    make_plan,
)
from sklimb.fitting.portfolio import settings_of
from sklimb.fitting.pretraining import copy_backbone, pretrain
from sklimb.inputs.on_disk import take_rows
from sklimb.inputs.splits import check_classes_left, split_folds
from sklimb.nn.join import Layout
from sklimb.training.balanced_rows import check_enough
from sklimb.training.device import NUMBERS
from sklimb.training.losses import bind, effective_number_weights, make_loss
from sklimb.training.m2m import GUIDE_PARAMETERS
from sklimb.training.monitor import check_monitor
from sklimb.training.samplers import is_uniform, sampler_pair

# Deferred re-weighting: the authors' (Cao et al., 2019).
DRW_BETA = 0.9999


def make_job(estimator, prepared, *, warm=False, partial=False):
    """Class shares, draws, members and their module: all that `train` needs.

    Sets the fitted attributes that are known before training.
    """
    if not warm:
        n_members = estimator.n_members * len(settings_of(estimator))
        estimator.member_seeds_ = member_seeds(prepared.seed, n_members)
    if not partial or not hasattr(estimator, "baseline_"):
        estimator.baseline_ = estimator._baseline(prepared)
    members = estimator._members()
    module = copy.deepcopy(estimator.net_.module_) if warm else None
    return _job(estimator, prepared, members, module, partial)


def make_fold_jobs(estimator, prepared):
    """One job for each of `validation_folds`, every one on a copy of the estimator.

    The encoder is that of all rows: it knows inputs of the validation rows, no labels.
    """
    folds = split_folds(prepared.train, estimator.validation_folds, prepared.seed)
    n_members = estimator.n_members * len(settings_of(estimator))
    estimator.member_seeds_ = member_seeds(prepared.seed, n_members * len(folds))
    estimator.baseline_ = estimator._baseline(prepared)
    members = estimator._members()
    jobs = []
    for i, (train, held_out) in enumerate(folds):
        part = replace(
            prepared,
            train=prepared.train.take(train),
            held_out=prepared.train.take(held_out),
            X=take_rows(prepared.X, train),
            X_held=take_rows(prepared.X, held_out),
            pretrained=[],
        )
        check_classes_left(prepared.train, part.train, estimator.classes_)
        own = members[i * n_members : (i + 1) * n_members]
        jobs.append(_job(copy.copy(estimator), part, own, None, False))
    weight = np.bincount(prepared.train.y, weights=prepared.counted_weight)
    estimator.class_weight_sum_ = weight
    estimator.class_prior_ = weight / weight.sum()
    return jobs


def _job(estimator, prepared, members, module, partial):
    train, held_out = prepared.train, prepared.held_out
    n_classes = len(estimator.classes_)
    dtype = getattr(torch, NUMBERS[estimator.dtype])
    loss = make_loss(estimator.loss)
    counted_weight = prepared.counted_weight
    counts = np.bincount(train.y, weights=counted_weight, minlength=n_classes)
    check_loss(bind(loss, counts[None], torch.empty(0, dtype=dtype)), n_classes, dtype)
    for name in ("smoothing_scale", "sam_scale"):
        check_per_class(name, getattr(estimator, name), n_classes)
    factor = class_weight_vector(
        estimator.class_weight, train.y, counted_weight, estimator.classes_
    )
    encoder = estimator.encoder_
    device_factor = np.ones(n_classes)
    if hasattr(loss, "class_factor"):
        device_factor = loss.class_factor(counts)

    def plan_of(sampler, device_factor):
        plan = make_plan(
            prepared.X,
            train.y,
            train.weight,
            sampler=sampler,
            class_factor=factor,
            device_factor=device_factor,
            classes=estimator.classes_,
            layout=(encoder.n_numeric_, encoder.n_indicators_),
            seed=prepared.seed,
        )
        return replace(plan, prior=counts / counts.sum())

    if estimator.row_weighting is not None:
        sure = train.y if train.pseudo is None else train.y[~train.pseudo]
        check_enough(sure, estimator.row_weighting_rows, estimator.classes_)
    if estimator.metabalance_sampler is None:
        plan = plan_of(estimator.sampler, device_factor)
        if estimator.row_weighting is not None:  # its samplers keep the rows
            plan.pseudo = train.pseudo
    else:
        support, query = sampler_pair(estimator.metabalance_sampler)
        support = plan_of(support, device_factor)
        plan = replace(plan_of(query, device_factor), support=support)
    if estimator.drw_start is not None and not partial:
        # What is deferred: the sampler's draws, or else the weights of rare classes.
        late = plan
        if is_uniform(estimator.sampler) and (device_factor == 1).all():
            weights = effective_number_weights(counts, DRW_BETA)
            late = plan_of("uniform", weights)
        plan = replace(plan_of("uniform", np.ones(n_classes)), late=late)
    if estimator.m2m is not None:
        check_numbers_vary(prepared.X[:, : encoder.n_numeric_])
        plan = replace(plan, late=plan_of("balanced", device_factor))
    validation = None
    if held_out is not None:
        check_monitor(estimator.monitor, held_out.y, n_classes)
        weight = held_out.weight * factor[held_out.y]
        validation = prepared.X_held, held_out.y, weight
    if estimator.temperature_scaling:
        check_temperature_rows(validation)
    calibration = None
    if estimator.target_prior is not None and not partial:
        calibration = [(prepared.X, train.y, counted_weight * factor[train.y])]
        if validation is not None and not prepared.foreign:
            calibration.append(validation)
    _count_classes(estimator, counts, plan.last, partial, device_factor, calibration)
    _warn_if_clamped(estimator, len(plan.y))
    epochs_before = 0
    if module is None:
        module = estimator._make_members(plan, members)
        if estimator._pretrainer is not None:
            _start_pretrained(estimator, prepared, plan, module, members)
    else:  # `module` is a copy: a failed fit must not touch what is there
        epochs_before = estimator.n_iter_
    pool = None if estimator.joint_ssl is None else prepared.pool
    job = Job(
        estimator, module, members, plan, validation, calibration, pool, epochs_before
    )
    if estimator.m2m is not None:
        job.guide = _guide_job(job, prepared)
    return job


def _start_pretrained(estimator, prepared, plan, module, members):
    """Give a new module's features what rows without labels teach."""
    given = estimator._pretrainer
    if isinstance(given, FrozenEstimator):
        copy_backbone(given.estimator.estimator_.net_.module_, module)
        return
    dtype, schedule = getattr(torch, NUMBERS[estimator.dtype]), given._schedule()
    own = schedule, dtype, [(m["seed"], m.get("dropout")) for m in members]
    drawn = copy.deepcopy(module.state_dict())
    for other, start, learned in prepared.pretrained:
        same = own == other and drawn.keys() == start.keys()
        if same and all(torch.equal(t, start[name]) for name, t in drawn.items()):
            module.to(estimator._device, dtype).load_state_dict(learned)
            return
    learner = module
    if getattr(estimator, "freeze", None) is not None:  # what is frozen learns first
        whole = copy.copy(estimator)
        whole.freeze = None
        learner = whole._make_members(plan, members)
    result = pretrain(
        learner,
        schedule,
        prepared.pool,
        estimator._make_views(schedule.term, Layout.of(estimator.encoder_)),
        members,
        estimator._device,
        dtype,
    )
    if result.interrupted:
        raise KeyboardInterrupt("pre-training was interrupted: there is no fit yet")
    if learner is not module:
        module.to(dtype).load_state_dict(learner.state_dict())
    learned = copy.deepcopy(module.state_dict())
    prepared.pretrained.append((own, drawn, learned))


def _guide_job(job, prepared):
    """The fit of the plain networks that guide M2m, one for each of the members."""
    guide = copy.copy(job.estimator)
    for name, value in GUIDE_PARAMETERS.items():
        setattr(guide, name, value)
    guide.batch_size = job.batch_size  # clamped already, and told
    off = {k: v for k, v in GUIDE_PARAMETERS.items() if k in job.members[0]}
    return _job(guide, prepared, [{**m, **off} for m in job.members], None, False)


def _warn_if_clamped(estimator, n_rows):
    wanted = estimator.batch_size
    if estimator.metabalance_sampler is not None:  # it has batches of its own
        return
    if wanted != "auto" and wanted > n_rows:
        warnings.warn(
            f"batch_size={wanted} is larger than the {n_rows} training rows and is "
            f"taken as {n_rows}.",
            UserWarning,
            stacklevel=4,
        )


def _count_classes(estimator, weight, plan, partial, device_factor, calibration):
    """Class shares of training, and what the sampler made of them.

    Probabilities are those of the rows that the output bias is solved on (of all calls
    of partial_fit, where none is solved): target_prior moves them from there.
    """
    if partial and hasattr(estimator, "net_"):
        weight = weight + estimator.class_weight_sum_
    estimator.class_weight_sum_ = weight
    estimator.class_prior_ = prior = weight / weight.sum()
    if partial:
        plan.accumulate(prior, estimator.sampler, device_factor)
    if calibration is not None:
        prior = class_shares(calibration, len(prior))
    wanted = resolve_prior(estimator.target_prior, prior, estimator.classes_)
    estimator.prior_shift_ = np.ones(len(prior))
    if wanted is not None:
        there = prior > 0
        ratio = np.where(there, prior / np.where(there, wanted, 1), 1.0)
        estimator.prior_shift_ = plan.shift * ratio
