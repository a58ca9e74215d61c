"""Constructor parameters of the imbalance strategies."""

from numbers import Integral, Real
from typing import Any

from sklimb._compat import HasMethods, Interval, StrOptions, names_of
from sklimb.parameters.fields import Parameters, one_of, parameter
from sklimb.training.losses import LOSSES
from sklimb.training.m2m import M2MS, M2m
from sklimb.training.mixing import MIXES
from sklimb.training.reweighting import EXCLUDES, ROW_WEIGHTINGS
from sklimb.training.samplers import SAMPLERS
from sklimb.training.scales import SCALES
from sklimb.training.steps import OTHER_STEPS, STEPS, MetaBalance
from sklimb.training.terms import TERMS, terms_for


def moves_prior_twice(parameters):
    """Why target_prior cannot be set beside class_weight, or None."""
    prior = parameters.target_prior
    if prior is None or (isinstance(prior, str) and prior == "train"):
        return None
    return (
        "both move the prior, so the probabilities would be corrected twice. Set "
        "class_weight=None or target_prior='train'."
    )


def balances_twice(parameters):
    """Why decision cannot be set beside class_weight, or None."""
    given = parameters.class_weight, parameters.decision
    if not all(isinstance(value, str) and value == "balanced" for value in given):
        return None
    return (
        "both make up for the class shares, so rare classes would be favoured twice. "
        "Set one of them to its default."
    )


class StrategyParameters(Parameters):
    """Parameters of loss, draws, augmentation of rows, steps and priors."""

    loss: Any = parameter(
        "ce",
        [names_of(LOSSES), callable, HasMethods("bind")],
        one_of(*LOSSES) + " or callable",
        """Loss of a row; see `sklimb.strategies`. The change of the class shares by a
        loss is divided out as `target_prior` says: "train" gives probabilities under
        the shares of the given rows, "uniform" under equal shares. A callable takes
        logits and soft targets, both of shape (members, rows, classes), and returns
        (members, rows). `FocalLoss(gamma)` sets gamma. Probabilities are P(y | x) under
        every loss: those of "focal" and of the margins, "ldam" and "cosface", are
        converted from the logits. Margins depend on small differences of cosines, which
        `dropout` blurs: for good probabilities set it to 0.0 and `temperature_scaling`
        to True.""",
    )
    class_weight: Any = parameter(
        None,
        [StrOptions({"balanced"}), dict, None],
        'None, "balanced" or dict',
        """Factor of each class in the loss. Unlike those of a sampler, its effects on
        probabilities are kept.""",
        {"target_prior": moves_prior_twice, "decision": balances_twice},
    )
    drw_start: float | None = parameter(
        None,
        [Interval(Real, 0, 1, closed="left"), None],
        "float in [0, 1) or None",
        """Share of `max_epochs` after which `sampler` or the weights of
        loss="class_balanced" begin; with neither, larger weights of rare classes
        (deferred re-weighting, Cao et al., 2019). Only later epochs can be best.""",
    )
    sampler: Any = parameter(
        "uniform",
        [names_of(SAMPLERS), HasMethods("share"), HasMethods("fit_resample")],
        one_of(*SAMPLERS) + ", object with `share` or imbalanced-learn object",
        """How rows are drawn. "balanced" and "sqrt" draw classes equally or by the
        square root of their shares, `Balanced(by)` groups of rows, an object with
        `share` by the shares that it returns; "over", "under", "smote" and objects of
        imbalanced-learn re-sample the encoded training rows once, after the internal
        split. An object whose `random_state` is None uses that of the fit. Prefer this
        parameter to a sampler as a Pipeline step before this classifier: that one puts
        copies of a row on both sides of the split, and its shift of probabilities
        cannot be corrected.""",
    )
    smoothing_eps: float = parameter(
        0.0,
        [Interval(Real, 0, 1, closed="left")],
        "float in [0, 1)",
        """Label smoothing of a class with factor 1 (Shwartz-Ziv et al., 2023, A.7); 0
        is off.""",
    )
    smoothing_scale: Any = parameter(
        "complement",
        [StrOptions(set(SCALES)), "array-like"],
        one_of(*SCALES) + " or array of shape (n_classes,)",
        """How smoothing differs by class: `eps_c = min(smoothing_max, eps * r_c)`.
        "complement" r = (1 - p) K / (K - 1) and "inverse" r = 1 / (K p) smooth rare
        classes more, "head" r = K p smooths frequent ones more (MiSLAS), "uniform" is
        plain smoothing, "max_ratio" r = max(p) / p is the authors' code, "printed"
        r = 1 / (1 - p) is equation 6 of Shwartz-Ziv et al. (2023), which contradicts
        their text.""",
    )
    smoothing_max: float = parameter(
        0.5,
        [Interval(Real, 0, 1, closed="left")],
        "float in [0, 1)",
        "Largest eps of a class.",
    )
    sam_asymmetric_rho: float = parameter(
        0.0,
        [Interval(Real, 0, None, closed="left")],
        "float",
        """Radius of sharpness-aware minimisation (Foret et al., 2021) with a larger
        ascent for rare classes (SAM-A, Shwartz-Ziv et al., 2023, 3.2); 0 is off. Adds
        one forward and backward pass per step.""",
    )
    sam_scale: Any = parameter(
        "inverse",
        [StrOptions(set(SCALES)), "array-like"],
        one_of(*SCALES) + " or array of shape (n_classes,)",
        """How the ascent differs by class, as `smoothing_scale`; "uniform" is plain
        SAM.""",
    )
    sam_scale_max: float = parameter(
        10.0,
        [Interval(Real, 1, None, closed="left")],
        "float",
        "Largest factor of a class.",
    )
    sam_norm: str = parameter(
        "batch",
        [StrOptions({"batch", "weighted"})],
        '{"batch", "weighted"}',
        """Length of the perturbation: rho times the batch's mean factor, or always rho
        (the authors' code). With "batch" it is shorter without rare rows.""",
    )
    step: Any = parameter(
        None,
        [names_of(STEPS), HasMethods("make"), None],
        one_of(*STEPS) + ", object or None",
        """A step of your own, which computes gradients: an object with `make`, or the
        name of a registered one; see `sklimb.strategies`. None uses the step that the
        other parameters select; the package's own steps are set in that way.""",
        OTHER_STEPS,
    )
    joint_ssl: Any = parameter(
        None,
        [names_of(TERMS), callable, None],
        one_of(*terms_for("columns")) + ", object or None",
        """Self-supervised term added to the loss, which still uses the clean rows. Each
        of two views of a row has some columns replaced by those of other rows;
        projections of both views are trained to agree ("vicreg") or to identify each
        other among all rows ("simclr", "scarf"). An object sets more, such as
        `SCARF(corruption=0.4)`; see `sklimb.strategies`. A step costs three to four
        times as much, in small networks up to eight. `fit` takes rows without labels as
        X_unlabeled.""",
    )
    joint_ssl_weight: float = parameter(
        0.1,
        [Interval(Real, 0, None, closed="left")],
        "float",
        """Factor of the term. "vicreg" is of the order of 20, "simclr" and "scarf" are
        of the size of the supervised loss and take 0.1 to 1.""",
    )
    mix: str | None = parameter(
        None,
        [StrOptions(set(MIXES)), None],
        one_of(*MIXES) + " or None",
        """Mix each row of a batch, and its label, with another one. "mixup" averages
        numbers and draws categories, "cutmix" takes each column from either.""",
    )
    mix_alpha: float = parameter(
        1.0,
        [Interval(Real, 0, None, closed="neither")],
        "float",
        """Shares are from Beta(mix_alpha, mix_alpha): 1 is uniform; near 0 rows hardly
        change.""",
    )
    m2m: Any = parameter(
        None,
        [names_of(M2MS), M2m, None],
        'None, "default" or M2m',
        """Major-to-minor translation (Kim et al., 2020): after 0.8 of `max_epochs`
        classes are drawn equally, and rows of frequent classes are changed until a
        plain network, trained first on the same rows, predicts the rare class that they
        replace. "default" is `sklimb.strategies.M2m()`, which documents its settings.
        Costs a second fit, and in the last epochs many passes per step.""",
    )
    metabalance_sampler: Any = parameter(
        None,
        [
            names_of(SAMPLERS),
            StrOptions({"natural"}),
            HasMethods("share"),
            HasMethods("fit_resample"),
            list,
            tuple,
            None,
        ],
        one_of("natural", *SAMPLERS) + ", imbalanced-learn object, pair or None",
        """MetaBalance (Bansal et al., 2021): each task takes a step on support rows and
        computes the loss of query rows; weights are updated to lower that loss. A pair
        gives the samplers of both; one alone is the query's, with natural support.
        `("natural", Balanced("sex"))` balances the groups of a column in queries alone.
        "natural" or any name or object that `sampler` takes; None is off.""",
        MetaBalance.excludes,
    )
    metabalance_steps: int = parameter(
        80,
        [Interval(Integral, 1, None, closed="left")],
        "int",
        "Tasks per update.",
    )
    metabalance_inner_lr: float = parameter(
        0.01,
        [Interval(Real, 0, None, closed="left")],
        "float",
        "Learning rate of a task's step.",
    )
    metabalance_beta: float = parameter(
        0.0,
        [Interval(Real, 0, None, closed="left")],
        "float",
        "Factor of the support loss in the update.",
    )
    metabalance_second_order: bool = parameter(
        False,
        ["boolean"],
        "bool",
        "Differentiate through the inner step, as printed; the authors' code does not.",
    )
    metabalance_support_batch_size: int = parameter(
        24,
        [Interval(Integral, 1, None, closed="left")],
        "int",
        "Support rows per task; `batch_size` is not used with MetaBalance.",
    )
    metabalance_query_batch_size: int = parameter(
        16,
        [Interval(Integral, 1, None, closed="left")],
        "int",
        "Query rows per task. An epoch is one pass over the query rows.",
    )
    row_weighting: Any = parameter(
        None,
        [
            names_of(ROW_WEIGHTINGS),
            HasMethods("make_step"),
            None,
        ],
        one_of(*ROW_WEIGHTINGS) + ", object or None",
        """Learn the weight of each row of a batch from its effect on the loss of a few
        balanced rows: in closed form ("l2rw", Ren et al., 2018) or by a small network
        that takes the row's loss ("meta_weight_net", Shu et al., 2019). Weights sum to
        1 over a batch; sample and class weights multiply them. See `sklimb.strategies`
        for `MetaWeightNet(hidden, lr)` and for methods of your own; None is off. The
        change of the class shares is not known in advance: `prior_shift_` lacks it, and
        the solved output bias corrects the mean probabilities (not with
        target_prior=None). Validation precedes that; a `monitor` of ranks, such as
        "roc_auc", is not affected by the shift.""",
        EXCLUDES,
    )
    row_weighting_rows: int = parameter(
        10,
        [Interval(Integral, 1, None, closed="left")],
        "int",
        """Balanced rows per class and member, drawn uniformly from the training rows
        (sample weights do not matter); its own batches lack them.""",
    )
    target_prior: Any = parameter(
        "train",
        [StrOptions({"train", "uniform"}), "array-like", None],
        '{"train", "uniform"}, array of shape (n_classes,) or None',
        """Class shares that probabilities assume. "train" divides out the change by
        `sampler` and `loss` and solves the output bias, so that mean probabilities
        equal the (weighted) class shares of the given rows, held-out ones included (but
        not X_val). "uniform" and an array multiply these probabilities by the ratio of
        the shares, so the array of the shares themselves equals "train". In
        `partial_fit`, which solves no bias, the shares are those of all calls. None
        does not correct the network's output.""",
    )
    decision: Any = parameter(
        "probability",
        [str, Interval(Real, 0, 1, closed="neither"), callable],
        '"probability", "balanced", float, name of a score or scorer',
        """How `predict` chooses; predict_proba does not change. "probability": the
        largest. "balanced": the largest over the class share, which catches rare
        classes at the price of false alarms; your `class_weight` still counts. A float:
        with two classes the second where its probability exceeds it. A name of
        `sklimb.metrics.get_scorer_names` or of scikit-learn's scorers of labels ("f1",
        "balanced_accuracy"), with `classes_[1]` as the positive class, or a scorer:
        `get_scorer("precision_with_recall_floor", min_recall=0.9)`: what is best on the
        held-out rows, with no further fit.""",
    )
    temperature_scaling: bool = parameter(
        False,
        ["boolean"],
        "bool",
        """Divide each member's log probabilities by the number that minimises the log
        loss on its held-out rows (Guo et al., 2017), with the output bias that
        `target_prior` then needs. With two classes a member's ranking of rows does not
        change. Rows of X_val serve too, and should have the class shares of X.""",
    )
