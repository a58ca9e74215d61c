"""Published figures, copied from the papers' tables; none was measured by us.

None: not printed, or not legible in the text that we have.
"""

# "MetaBalance" (Bansal et al., 2021), Tables 2 and 6: test AUC, selected by test AUC.
METABALANCE = {
    "fraud": {
        "naive": 0.968,
        "over": 0.966,
        "under": 0.966,
        "smote": 0.968,
        "borderline_smote": 0.950,
        "svm_smote": 0.968,
        "adasyn": 0.963,
        "all_knn": 0.967,
        "cluster_centroids": 0.966,
        "near_miss": 0.926,
        "smote_enn": 0.955,
        "class_balanced": 0.976,
        "meta_weight_net": 0.986,
        "metabalance": 0.967,
        "ms_metabalance": 0.977,
    },
    "loan": {
        "naive": 0.655,
        "over": 0.647,
        "under": 0.645,
        "smote": 0.616,
        "borderline_smote": 0.632,
        "svm_smote": 0.633,
        "adasyn": 0.612,
        "all_knn": 0.660,
        "cluster_centroids": 0.558,
        "near_miss": 0.604,
        "smote_enn": 0.617,
        "class_balanced": 0.658,
        "meta_weight_net": 0.659,
        "metabalance": 0.666,
        "ms_metabalance": 0.668,
    },
}
# Its Table 7: standard errors over runs. The cell of "naive" is not legible.
METABALANCE_ERRORS = {
    "fraud": {
        "over": 0.003,
        "under": 0.003,
        "smote": 0.008,
        "svm_smote": 0.003,
        "all_knn": 0.003,
        "cluster_centroids": 0.004,
        "metabalance": 0.004,
        "ms_metabalance": 0.002,
    },
    "loan": {
        "over": 0.013,
        "under": 0.004,
        "smote": 0.008,
        "svm_smote": 0.011,
        "all_knn": 0.002,
        "cluster_centroids": 0.009,
        "metabalance": 0.003,
        "ms_metabalance": 0.004,
    },
}
METABALANCE_NOTES = (
    'S003\'s "LRwt" is the class-balanced loss of Cui et al., not L2RW: it stands '
    "beside our class-balanced row, and nobody has published L2RW here.",
    "In the authors' code Meta-Weight-Net's learned weights are not used and its "
    "network is evaluated in evaluation mode, while the other fraud networks keep "
    "dropout on at test time; their 0.986 is plain cross-entropy, and no evidence for "
    "or against it.",
    "The authors chose learning rates and samplers by test AUC; ours are chosen on "
    "validation rows.",
)
# Shwartz-Ziv et al. (2023), Table 6: test accuracy.
SIMPLIFYING = {
    "adult": {
        "xgboost": 0.875,
        "mlp": 0.874,
        "resnet": 0.874,
        "ft_transformer": 0.873,
        "mlp_sam": 0.876,
    },
    "otto": {
        "xgboost": 0.827,
        "mlp": 0.830,
        "resnet": 0.825,
        "ft_transformer": 0.823,
        "mlp_sam": 0.832,
    },
    "covertype": {
        "xgboost": 0.969,
        "mlp": 0.975,
        "resnet": 0.975,
        "ft_transformer": 0.975,
        "mlp_sam": 0.976,
    },
}
# Gorishniy et al. (2022), rtdl-num-embeddings: test accuracy, single networks (mean of
# 15) and ensembles of 5, of XGBoost, MLP-PLR, ResNet-PLR and Transformer-PLR.
GORISHNIY = {
    "adult": {
        "xgboost": (0.8736, 0.8745),
        "mlp": (0.8704, 0.8735),
        "resnet": (0.8691, 0.8744),
        "ft_transformer": (0.8697, 0.8733),
    },
    "otto": {
        "xgboost": (0.8253, 0.8272),
        "mlp": (0.8187, 0.8300),
        "resnet": (0.8157, 0.8252),
        "ft_transformer": (0.8142, 0.8233),
    },
    "covertype": {
        "xgboost": (0.9688, 0.9693),
        "mlp": (0.9697, 0.9747),
        "resnet": (0.9720, 0.9749),
        "ft_transformer": (0.9719, 0.9746),
    },
}
SIMPLIFYING_NOTES = (
    "S002's baselines equal, to the digit, Gorishniy et al.'s ensembles of five of "
    "XGBoost, MLP-PLR, ResNet-PLR and Transformer-PLR, though the text speaks of "
    "averages of 15 single runs. Compare them with our ensembles, and our single "
    "networks with Gorishniy's single ones. Whether S002's SAM-A row is an ensemble is "
    "not said; it has no error bar.",
    "Our Covertype rows are a random 16 % of the full table, on which the published "
    "figures were made: they are not comparable. Nor are those of any table where the "
    "rows were capped.",
)
# "On Representation Learning under Class Imbalance" has pictures without numbers.
REPRESENTATION = {
    "equal_beats_balanced": (
        "Figure 1: on imbalanced test sets, training at the test's ratio is better "
        "than training on balanced rows of the same number."
    ),
    "equal_is_near_optimal": (
        "Figures 1 and 2: the test's ratio is nearly the best training ratio."
    ),
    "more_majority_harms": (
        "Figure 3: with fixed minority rows, ever more majority rows degrade the "
        "accuracy on a balanced test set in the end."
    ),
    "oversampling_fits": (
        "Figure 5, A.2: over-sampling fits the minority's training rows."
    ),
    "oversampling_balanced": (
        "Figure 5: fitting them does not help neural networks on a balanced test set, "
        "and helps XGBoost."
    ),
    "oversampling_imbalanced": (
        "A.2: over-sampling does not help on the imbalanced test set."
    ),
}
# CIFAR-10 with a long tail of ratio 100, 50 and 10, ResNet-32: test accuracy. From
# LDAM-DRW (Cao et al., 2019) and Yang and Xu (2020) for the first, then the paper of
# each method.
CIFAR_LT = {
    "lt100": {
        "erm": 0.704,
        "focal": 0.704,
        "class_balanced": 0.724,
        "ldam_drw": 0.770,
        "mixup": 0.728,
        "mislas": 0.825,
        "m2m": 0.783,
        "ssp": 0.735,
        "logit_adjusted": 0.786,
        "ssp_resampling": 0.765,
        "ssp_ldam_drw": 0.778,
    },
    "lt50": {"erm": 0.748, "ldam_drw": 0.809, "mislas": 0.857},
    "lt10": {"erm": 0.864, "ldam_drw": 0.882, "mislas": 0.900},
    # Bansal et al. (2021), ResNet-18: 5 images of nine classes, 5 to 55.
    # Of the other cells three are legible.
    "severe": {
        "erm": 0.161,
        "erm_uniform": 0.228,
        "metabalance": 0.299,
        "os_cutmix": 0.125,
        "meta_weight_net": 0.106,
        "class_balanced": 0.139,
    },
    # Yang and Xu (2020), Tables 3 and 4, ResNet-50: 1 less the error.
    "imagenet_lt": {
        "erm": 0.384,
        "moco": 0.456,
        "resampling": 0.403,
        "moco_resampling": 0.476,
        "crt": 0.473,
        "moco_crt": 0.513,
    },
    "inaturalist": {
        "erm": 0.607,
        "moco": 0.644,
        "resampling": 0.635,
        "moco_resampling": 0.659,
        "ldam_drw": 0.646,
        "crt": 0.652,
        "moco_crt": 0.681,
    },
    "moderate": {
        "erm": 0.315,
        "metabalance": 0.406,
        "os_cutmix": 0.310,
        "meta_weight_net": 0.179,
        "class_balanced": 0.303,
    },
}
# Shwartz-Ziv et al. (2023), Table 1: WideResNet-28-10 with TrivialAugment, CutMix,
# smoothing and averaging.
CIFAR_LT_S002 = {
    "erm": 0.849,
    "sam_a": 0.854,
    "joint_ssl": 0.852,
    "joint_sam": 0.859,
    "m2m": 0.845,
    "reweighting": 0.818,
    "resampling": 0.821,
    "focal": 0.832,
    "ldam_drw": 0.849,
    "mislas": 0.851,
    "recipe": 0.849,
    "recipe_best": 0.860,
}
CIFAR_LT_NOTES = (
    "The images here were JPEG-compressed once more than the published ones: figures "
    "run slightly low.",
    "MiSLAS reports its best epoch on the test set. A user of SSP could not reproduce "
    "its gain. S002's figures, of a larger network and a stronger recipe, have their "
    "own column.",
    "Decisions by the raw network (`target_prior=None`), as in the papers; the row "
    "with the prior divided out is ERM with `target_prior='uniform'`, which costs "
    "nothing.",
    "ERM with and without the prior is one network, and so is what cRT begins with; "
    "MiSLAS begins with mixup's. Such a network is trained once for each seed; the "
    "others' seconds are those of what they add to it.",
)
# "On Representation Learning under Class Imbalance", section 6: a figure of errors on
# balanced CIFAR-10 test images, by training ratio, without numbers.
POSTERIOR = {
    "figure_8": "Bayesian inference (Laplace, SGHMC) improves performance, especially "
    "on imbalanced training data (balanced test set).",
}
