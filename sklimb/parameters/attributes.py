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
    By epoch; names that end in `_members` hold one value a member.""",
    "member_seeds_": """array of shape (n_members,)
    `random_state` of the single fit that equals each member, if it is given the same
    rows: those of an internal split and of re-sampling before training follow
    `random_state`, so that only member 0 meets them again. Hold out by `X_val`, a
    `validation_split` or not at all, and give a sampler object its own seed.""",
    "member_weights_": """array of shape (n_members,)
    Share of each member in predict_proba.""",
    "portfolio_": """data frame
    Settings, validation score and weight of each member; only with a portfolio.""",
    "class_prior_": """array of shape (n_classes,)
    Class shares of the rows that were trained on, those left after the internal
    split, by sample weight: what strategies count by.""",
    "prior_shift_": """array of shape (n_classes,)
    Factor of each class that is divided out: what the sampler and the loss did to
    `class_prior_`, times the share of the rows that the bias is solved on over the
    share that `target_prior` asks for.""",
    "intercept_": """array of shape (n_members, n_classes)
    Solved output biases, the same for every `target_prior` but None.""",
    "baseline_": """array of shape (n_encoded_columns,)
    Encoded class-balanced median row, which `explain` compares rows with.""",
    "temperature_": """array of shape (n_members,)
    What each member's log probabilities are divided by (with "ldam" and "cosface"
    the scaled logits and margins), 0.1 to 30; 1 without `temperature_scaling`.""",
}
