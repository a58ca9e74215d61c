"""Jobs made of prepared rows: class shares, draws, members and their networks."""

import copy
import warnings
from dataclasses import replace

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator

from sklimb._random import member_seeds
from sklimb.fitting.budget import members_of_each
from sklimb.fitting.checks import (
    check_batches_of_one,
    check_loss,
    check_numbers_vary,
    check_per_class,
    check_temperature_rows,
    resolve_prior,
)
from sklimb.fitting.class_weights import class_shares, class_totals, class_weight_vector
from sklimb.fitting.decision import check_decision
from sklimb.fitting.linear_start import add_lines, has_lines
from sklimb.fitting.plan import make_plan
from sklimb.fitting.portfolio import settings_of, varied
from sklimb.fitting.pretraining import copy_backbone, pretrain
from sklimb.fitting.recipe import Job, Recipe, parameters_of
from sklimb.fitting.sample import sample_of
from sklimb.fitting.sampler_groups import sampler_groups
from sklimb.fitting.schedule import is_short, rows_per_step, schedule_for
from sklimb.fitting.sizes import check_size
from sklimb.inputs.on_disk import take_rows
from sklimb.inputs.splits import check_classes_left, split_folds
from sklimb.nn.join import Layout
from sklimb.training.balanced_rows import check_enough
from sklimb.training.losses import bind, effective_number_weights, make_loss
from sklimb.training.m2m import GUIDE_PARAMETERS
from sklimb.training.monitor import check_monitor
from sklimb.training.samplers import is_uniform, sampler_pair

# Deferred re-weighting: the authors' (Cao et al., 2019).
DRW_BETA = 0.9999


def make_job(estimator, prepared, *, warm=False, partial=False):
    """Class shares, draws, members and their module: all that `train` needs.

    Sets `member_seeds_` and `baseline_` of the estimator, and `module_config_` and
    `classes_` by its hooks; all other fitted attributes are those of the job.
    """
    if not warm:
        n_members = _members_of_fold(estimator, prepared)
        check_size(estimator, n_members)
        estimator.member_seeds_ = member_seeds(prepared.seed, n_members)
    if not partial or not hasattr(estimator, "baseline_"):
        estimator.baseline_ = estimator._baseline(prepared)
    members = estimator._members()
    if partial and is_short(estimator) and estimator.lr == "auto":
        # Calls have no end that a large rate could fall towards.
        members = [{**m, "lr": estimator._auto["lr"]} for m in members]
    module = copy.deepcopy(estimator.net_.module_) if warm else None
    return _job(estimator, prepared, members, module, partial)


def make_fold_jobs(estimator, prepared):
    """One job for each of `n_folds_`.

    The encoder is that of all rows: it knows inputs of the validation rows, no labels.
    """
    merge = estimator.merge_duplicates
    folds = split_folds(prepared.train, estimator.n_folds_, prepared.seed, merge)
    estimator.n_folds_ = len(folds)  # the largest class may have fewer rows
    n_members = _members_of_fold(estimator, prepared)
    check_size(estimator, n_members * len(folds))
    estimator.member_seeds_ = member_seeds(prepared.seed, n_members * len(folds))
    estimator.baseline_ = estimator._baseline(prepared)
    members = estimator._members()
    lines = has_lines(estimator, prepared.train)
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
        fold = i if lines else None
        jobs.append(_job(estimator, part, own, None, False, fold))
    weight = np.bincount(prepared.train.y, weights=prepared.counted_weight)
    estimator.class_weight_sum_ = weight
    estimator.class_prior_ = weight / weight.sum()
    return jobs


def _members_of_fold(estimator, prepared):
    """Members of all settings in one fold."""
    each = members_of_each(estimator, prepared.n_rows)
    return each * len(settings_of(estimator))


def _n_rows(prepared):
    """Rows that train or validate, of those that the caller gave for training."""
    if prepared.held_out is None or prepared.foreign:
        return len(prepared.train)
    return len(prepared.train) + len(prepared.held_out)


def make_recipe(estimator, prepared, partial):
    """The Recipe of an estimator for rows that are prepared."""
    encoder, batch_size = estimator.encoder_, estimator._auto_batch_size
    parameters, n_rows = parameters_of(estimator), _n_rows(prepared)
    if not partial:
        batch_size = rows_per_step(estimator, n_rows)
        parameters = replace(parameters, **schedule_for(estimator, n_rows))
    return Recipe(
        parameters=parameters,
        classes=estimator.classes_,
        device=estimator._device,
        batch_size=batch_size,
        image_size=estimator._image_size(),
        numeric_columns=encoder.numeric_columns_,
        augment=estimator._make_augment(),
        make_views=estimator._view_maker(),
        widest=estimator._widest,
    )


def _job(estimator, prepared, members, module, partial, fold=None):
    """A job; its networks have lines if they are told the number of their `fold`."""
    recipe, train = make_recipe(estimator, prepared, partial), prepared.train
    p, n_classes = recipe.parameters, len(recipe.classes)
    counted = prepared.counted_weight
    counts = class_totals(train.y, counted, n_classes)
    _check(recipe, prepared, counts)
    factor = class_weight_vector(p.class_weight, train.y, counted, recipe.classes)
    layout = Layout.of(estimator.encoder_)
    device_factor = np.ones(n_classes)
    loss = make_loss(p.loss)
    if hasattr(loss, "class_factor"):
        device_factor = loss.class_factor(counts)
    plan = _plan(recipe, prepared, layout, counts, (factor, device_factor), partial)
    validation = _validation(p, prepared, factor)
    calibration = None
    if p.target_prior is not None and not partial:
        calibration = _calibration(prepared, counted, factor, validation)
    if partial and hasattr(estimator, "net_"):
        counts = counts + estimator.class_weight_sum_
    if partial:
        sampler = p.sampler
        if p.metabalance_sampler is not None:
            sampler = sampler_pair(p.metabalance_sampler)[1]
        plan.last.accumulate(counts / counts.sum(), sampler, device_factor)
    attributes = _class_statistics(recipe, counts, plan.last, calibration)
    _warn_if_clamped(p, len(plan.y))
    epochs_before = 0
    if module is None:
        module = estimator._make_members(plan, members)
        if fold is not None and (n_lines := add_lines(module, plan, fold)):
            estimator.module_config_["n_lines"] = n_lines
        if estimator._pretrainer is not None:
            _start_pretrained(estimator, recipe, prepared, plan, module, members)
    else:  # `module` is a copy: a failed fit must not touch what is there
        epochs_before = estimator.n_iter_
    check_batches_of_one(module, p)
    attributes["module_config_"] = dict(estimator.module_config_)
    made = factor if isinstance(p.class_weight, str) else np.ones(n_classes)
    job = Job(
        recipe,
        module,
        members,
        plan,
        layout,
        attributes,
        validation,
        calibration,
        None if p.joint_ssl is None else prepared.pool,
        epochs_before,
        estimator._states,
        varied=tuple(varied(settings_of(estimator))),
        shares=_assumed(
            counts * made, factor / made, plan.last, calibration, attributes
        ),
    )
    if p.m2m is not None:
        job.guide = _guide_job(estimator, job, prepared)
    return job


def _calibration(prepared, counted, factor, validation):
    """The parts (X, y, weight) of the rows that the output bias is solved on."""
    if prepared.solved_on is not None:
        X, y, weight = prepared.solved_on
        return [(X, y, weight * factor[y])]
    y = prepared.train.y
    parts = [sample_of(prepared.X, y, counted * factor[y])]
    if validation is not None and not prepared.foreign:
        parts.append(validation)
    return parts


def _check(recipe, prepared, counts):
    """Refuse what the classes and rows at hand rule out."""
    p, train, n_classes = recipe.parameters, prepared.train, len(recipe.classes)
    bound = bind(make_loss(p.loss), counts[None], torch.empty(0, dtype=recipe.dtype))
    check_loss(bound, n_classes, recipe.dtype)
    check_decision(p.decision, recipe.classes)
    for name in ("smoothing_scale", "sam_scale"):
        check_per_class(name, getattr(p, name), n_classes)
    if p.row_weighting is not None:
        sure = train.y if train.pseudo is None else train.y[~train.pseudo]
        check_enough(sure, p.row_weighting_rows, recipe.classes)


def _plan(recipe, prepared, layout, counts, factors, partial):
    """Draws and loss weights, with what takes over later and MetaBalance's support.

    `factors` of the classes are those of class_weight and of the loss.
    """
    p, train = recipe.parameters, prepared.train
    class_factor, device_factor = factors

    def plan_of(sampler, device_factor):
        plan = make_plan(
            prepared.X,
            train.y,
            train.weight,
            sampler=sampler,
            class_factor=class_factor,
            device_factor=device_factor,
            classes=recipe.classes,
            layout=(layout.n_numeric, len(layout.indicators)),
            seed=prepared.seed,
            group=sampler_groups(sampler, train.table),
        )
        order = prepared.order or plan.order
        return replace(plan, prior=counts / counts.sum(), order=order)

    if p.metabalance_sampler is None:
        plan = plan_of(p.sampler, device_factor)
        if p.row_weighting is not None:  # its samplers keep the rows
            plan.pseudo = train.pseudo
    else:
        support, query = sampler_pair(p.metabalance_sampler)
        support = plan_of(support, device_factor)
        plan = replace(plan_of(query, device_factor), support=support)
    if p.drw_start is not None and not partial:
        # What is deferred: the sampler's draws, or else the weights of rare classes.
        late = plan
        if is_uniform(p.sampler) and (device_factor == 1).all():
            late = plan_of("uniform", effective_number_weights(counts, DRW_BETA))
        plan = replace(plan_of("uniform", np.ones(len(counts))), late=late)
    if p.m2m is not None:
        check_numbers_vary(prepared.X[:, : layout.n_numeric])
        plan = replace(plan, late=plan_of("balanced", device_factor))
    return plan


def _validation(p, prepared, factor):
    """Encoded validation rows with their labels and weights, or None."""
    held_out, validation = prepared.held_out, None
    if held_out is not None:
        weight = held_out.weight * factor[held_out.y]
        check_monitor(p.monitor, held_out.y[weight > 0])
        validation = prepared.X_held, held_out.y, weight
    if p.temperature_scaling:
        check_temperature_rows(validation)
    return validation


def _class_statistics(recipe, weight, plan, calibration):
    """Class shares of training, and what the sampler made of them, as attributes.

    Probabilities are those of the rows that the output bias is solved on (of all calls
    of partial_fit, where none is solved): target_prior moves them from there.
    """
    class_prior = prior = weight / weight.sum()
    if calibration is not None:
        prior = class_shares(calibration, len(prior))
    wanted = resolve_prior(recipe.parameters.target_prior, prior, recipe.classes)
    shift = np.ones(len(prior))
    if wanted is not None:
        there = prior > 0
        ratio = np.where(there, prior / np.where(there, wanted, 1), 1.0)
        shift = plan.shift * ratio
    return {
        "class_weight_sum_": weight,
        "class_prior_": class_prior,
        "prior_shift_": shift,
    }


def _assumed(weight, factor, plan, calibration, attributes):
    """Class shares that probabilities assume, but for a `class_weight` of the user's.

    That is a statement, which no decision undoes. "balanced" is none: shares that it
    has made equal are not divided out a second time (`factor` is ones then).
    """
    if calibration is not None:
        shares = class_shares(calibration, len(weight))
        weight = np.where(factor > 0, shares / np.where(factor > 0, factor, 1), shares)
    shares = weight * plan.shift / attributes["prior_shift_"]
    return shares / shares.sum()


def _start_pretrained(estimator, recipe, prepared, plan, module, members):
    """Give a new module's features what rows without labels teach."""
    given = estimator._pretrainer
    if isinstance(given, FrozenEstimator):
        copy_backbone(given.estimator.estimator_.net_.module_, module)
        return
    dtype, schedule = recipe.dtype, given._schedule()
    own = schedule, dtype, [(m["seed"], m.get("dropout")) for m in members]
    drawn = copy.deepcopy(module.state_dict())
    for other, start, learned in prepared.pretrained:
        same = own == other and drawn.keys() == start.keys()
        if same and all(torch.equal(t, start[name]) for name, t in drawn.items()):
            module.to(recipe.device, dtype).load_state_dict(learned)
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
        recipe.make_views(schedule.term, Layout.of(estimator.encoder_)),
        members,
        recipe.device,
        dtype,
    )
    if result.interrupted:
        raise KeyboardInterrupt("pre-training was interrupted: there is no fit yet")
    if learner is not module:
        module.to(dtype).load_state_dict(learner.state_dict())
    learned = copy.deepcopy(module.state_dict())
    prepared.pretrained.append((own, drawn, learned))


def _guide_job(estimator, job, prepared):
    """The fit of the plain networks that guide M2m, one for each of the members."""
    guide = copy.copy(estimator)
    for name, value in GUIDE_PARAMETERS.items():
        setattr(guide, name, value)
    guide.batch_size = job.batch_size  # clamped already, and told
    off = {k: v for k, v in GUIDE_PARAMETERS.items() if k in job.members[0]}
    return _job(guide, prepared, [{**m, **off} for m in job.members], None, False)


def _warn_if_clamped(p, n_rows):
    wanted = p.batch_size
    if p.metabalance_sampler is not None:  # it has batches of its own
        return
    if wanted != "auto" and wanted > n_rows:
        warnings.warn(
            f"batch_size={wanted} is larger than the {n_rows} training rows and is "
            f"taken as {n_rows}.",
            UserWarning,
            stacklevel=4,
        )
