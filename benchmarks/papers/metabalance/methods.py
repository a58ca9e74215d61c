"""The methods of "MetaBalance" (Bansal et al., 2021) as parameters of classifiers."""

from sklimb import TabularMLPClassifier
from sklimb.training.losses import ClassBalancedLoss

BETA = {"loan": 0.01, "fraud": 0.0}
# The betas of the class-balanced loss that the authors found best.
EFFECTIVE = {"loan": 0.999, "fraud": 0.9}
SAMPLERS = ("over", "under", "smote", "borderline_smote", "svm_smote", "adasyn")
SAMPLERS += ("all_knn", "cluster_centroids", "near_miss", "smote_enn")
WEIGHTINGS = ("meta_weight_net", "l2rw")


def has_row_weighting():
    """Whether this version of the package has L2RW and Meta-Weight-Net."""
    return "row_weighting" in TabularMLPClassifier().get_params()


def strategies(name, support_for_ms, n_clean, modern=False):
    """Parameters of every method on a table, {method: parameters}.

    `n_clean` are the balanced rows per class of Meta-Weight-Net and L2RW.
    """
    found = {"naive": {}}
    found |= {sampler: {"sampler": sampler} for sampler in SAMPLERS}
    found["class_balanced"] = {"loss": ClassBalancedLoss(EFFECTIVE[name])}
    if has_row_weighting():
        found |= {
            w: {"row_weighting": w, "row_weighting_rows": n_clean} for w in WEIGHTINGS
        }
    for support in ("natural", *support_for_ms):
        method = "metabalance" if support == "natural" else f"metabalance {support}"
        if modern:
            # As many query rows and updates an epoch as the plain fit has.
            found[method] = {
                "metabalance_sampler": (support, "balanced"),
                "metabalance_steps": 4,
                "metabalance_support_batch_size": 64,
                "metabalance_query_batch_size": 64,
            }
        else:
            found[method] = {
                "metabalance_sampler": (support, "under"),
                "metabalance_beta": BETA[name],
            }
    return found
