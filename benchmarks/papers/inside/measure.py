"""One fit on images or on the toy problem, and what its analysis finds."""

import numpy as np
from sklearn.datasets import make_moons

from benchmarks.common.scores import timed_fit
from benchmarks.papers.cifar_lt.measure import images
from benchmarks.papers.image_curves.measure import make_rows
from sklimb import ImageResNetClassifier, TabularMLPClassifier
from sklimb.analysis import (
    ClassCurves,
    class_curves,
    hessian_eigenvalues,
    loss_landscape,
    margins,
    neural_collapse,
    region_volumes,
)
from sklimb.strategies import VICReg

# Of S002's Table 4.
METHODS = {
    "erm": {},
    "reweighting": {"class_weight": "balanced"},
    "resampling": {"sampler": "balanced"},
    "ldam_drw": {"loss": "ldam", "drw_start": 0.8},
    "ssl_sam_a": {"joint_ssl": VICReg(), "sam_asymmetric_rho": 0.05},
}
# Of S000's Figure 9 and S002's Figure 18.
TOY = {
    "erm": {},
    "sam": {"sam_asymmetric_rho": 0.1, "sam_scale": "uniform"},
    "sam_a": {"sam_asymmetric_rho": 0.1},
}
# Classes of S002's minority: the fifth with the fewest rows.
_MINORITY = 0.2


def run(key, settings, data_home, device):
    """Fit one method; the rest of the line that is kept."""
    part, method, ratio, seed = key[:4]
    if part == "toy":
        return _toy(method, ratio, seed, settings)
    return _images(method, ratio, seed, settings, data_home, device)


def _images(method, ratio, seed, settings, data_home, device):
    (X, y), (X_test, y_test) = images(data_home)
    train, _, order = make_rows(y, settings["total"], ratio, 1, seed)
    model = ImageResNetClassifier(
        backbone=settings["backbone"],
        augment=["crop", "flip"],
        max_epochs=settings["epochs"],
        batch_size=settings["batch_size"],
        early_stopping=False,
        callbacks=[ClassCurves()],
        clip_norm=5.0,
        device=device,
        random_state=seed,
        **METHODS[method],
    )
    rows, labels = X[train], y[train]
    model, seconds, processor = timed_fit(lambda: model.fit(rows, labels))
    test = np.random.default_rng(0).permutation(len(y_test))[: settings["test"]]
    codes = np.searchsorted(model.classes_, order)  # by size, the largest first
    n_few = max(2, round(_MINORITY * len(order)))
    few, many = codes[-n_few:], codes[:n_few]
    curves = class_curves(model)
    collapse = neural_collapse(model, rows, labels)
    counts = collapse.n_rows[few]
    out = {
        "accuracy": float((model.predict(X_test[test]) == y_test[test]).mean()),
        "train_accuracy": curves.train_accuracy.tolist(),
        "few_recall": curves.train_recall[:, few].mean(1).tolist(),
        "many_recall": curves.train_recall[:, many].mean(1).tolist(),
        "cdnv": float(np.average(collapse.class_cdnv[few], weights=counts)),
        "ncm_accuracy": float(
            np.average(collapse.class_ncm_accuracy[few], weights=counts)
        ),
        "ncm_agreement": float(
            np.average(collapse.class_ncm_agreement[few], weights=counts)
        ),
        "seconds": seconds,
        "processor_seconds": processor,
    }
    if method == "erm":
        some = np.random.default_rng(0).permutation(len(rows))[: settings["curvature"]]
        spectrum = hessian_eigenvalues(
            model, rows[some], labels[some], k=settings["k"], n_probes=2, tol=0.01
        )
        landscape = loss_landscape(
            model, rows[some], labels[some], n_points=settings["points"], span=0.5
        )
        out |= {
            "eigenvalues": spectrum.largest[0].tolist(),
            "positions": landscape.positions.tolist(),
            "landscape": landscape.loss.tolist(),
        }
    if method in ("erm", "ssl_sam_a") and ratio < 1:
        regions = region_volumes(model, rows, labels, settings["planes"], resolution=9)
        out["regions"] = regions.share[codes].tolist()
    return out


def _toy(method, ratio, seed, settings):
    """Two moons with a rare one, which a small network tells apart."""
    n_many = settings["toy_rows"]
    X, y = make_moons(
        (n_many, max(4, int(ratio * n_many))), noise=0.2, random_state=seed
    )
    model = TabularMLPClassifier(
        numeric_transform="standard",
        num_embeddings=None,
        d_block=64,
        dropout=0.0,
        lr=0.01,
        max_epochs=settings["toy_epochs"],
        early_stopping=False,
        target_prior=None,
        random_state=seed,
        **TOY[method],
    )
    model, seconds, processor = timed_fit(lambda: model.fit(X, y))
    found = margins(model, X, y)
    regions = region_volumes(model, X, y, settings["planes"])
    return {
        "rare_margin": float(found.class_mean[1]),
        "frequent_margin": float(found.class_mean[0]),
        "rare_lowest": float(found.class_lowest[1]),
        "rare_region": float(regions.share[1]),
        "seconds": seconds,
        "processor_seconds": processor,
    }
