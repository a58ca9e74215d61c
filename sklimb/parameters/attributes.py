"""Documentation of the fitted attributes that classifiers share."""

ATTRIBUTES = {
    "classes_": """array of shape (n_classes,)""",
    "n_features_in_": """int""",
    "feature_names_in_": """array of shape (n_features_in_,)
    Only if X has string column names.""",
    "encoder_": """TabularEncoder
    Fitted on the training rows.""",
    "net_": """skorch net
    `net_.module_` is the packed network.""",
    "n_iter_": """int
    Epochs trained.""",
    "best_epoch_, best_score_": """arrays of shape (n_members,)
    Epoch whose weights each member keeps, and its validation score.""",
    "history_": """list of dict
    One per epoch; names that end in `_members` hold one value per member.""",
    "n_folds_": """int
    Folds that were trained, 1 without `validation_folds`: what its "auto" has taken.
    `len(member_seeds_)` counts the networks of all folds.""",
    "member_seeds_": """array of shape (n_members,)
    `random_state` of the single fit that equals each member, if it has the same rows.
    The internal split and re-sampling before training depend on `random_state`, so
    only member 0 gets the same rows from them: for the others hold out by `X_val`, by
    `validation_split` or not at all, and give a sampler object its own seed.""",
    "member_weights_": """array of shape (n_members,)
    Share of each member in predict_proba.""",
    "portfolio_": """data frame
    Settings, validation score and weight of each member; only with a portfolio.""",
    "class_prior_": """array of shape (n_classes,)
    Class shares, by sample weight, of the training rows that the internal split
    leaves; strategies use these.""",
    "prior_shift_": """array of shape (n_classes,)
    Factor of each class by which probabilities are divided: the change of
    `class_prior_` by sampler and loss, times the share of the rows on which the bias
    is solved over the share that `target_prior` sets.""",
    "intercept_": """array of shape (n_members, n_classes)
    Solved output biases, the same for every `target_prior` but None.""",
    "decision_factors_": """array of shape (n_classes,)
    By which `predict` multiplies probabilities before it takes the largest.""",
    "threshold_": """float
    The same as a threshold on the probability of `classes_[1]`; only two classes.""",
    "decision_scores_": """array of shape (n_tried, 2) or (n_tried, n_classes + 1)
    Thresholds (factors of more classes) that were tried and the value of the objective
    on the held-out rows; only if `decision` is one.""",
    "baseline_": """array of shape (n_encoded_columns,)
    Encoded class-balanced median row, with which `explain` compares rows.""",
    "temperature_": """array of shape (n_members,)
    Divisor of each member's log probabilities (with "ldam" and "cosface" of the
    scaled logits and margins), 0.1 to 30; 1 without `temperature_scaling`.""",
}
