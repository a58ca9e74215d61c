"""The same methods on two classes of CIFAR-10, of which one is rare."""

import warnings

import numpy as np
from sklearn.frozen import FrozenEstimator

from benchmarks.common.scores import timed_fit
from benchmarks.papers.cifar_lt.measure import images
from benchmarks.papers.posterior.measure import counts, rows_of, scores
from sklimb import ImageResNetClassifier
from sklimb.bayes import LaplaceClassifier, SGHMCClassifier

# Rare class and frequent class, each pair alike.
PAIRS = {
    "automobile of truck": (1, 9),
    "cat of dog": (3, 5),
    "deer of horse": (4, 7),
    "ship of airplane": (8, 0),
}


def run(key, settings, data_home, device):
    """Scores and processor seconds of all methods; the line that is kept."""
    name, ratio, seed = key[:3]
    (X, y), _ = images(data_home)
    wanted = counts(settings["total"], ratio)
    train, test = rows_of(y, PAIRS[name], wanted, settings["n_test"], seed)
    X_train, y_train = X[np.concatenate(train)], np.repeat([1, 0], wanted)
    X_test, y_test = X[np.concatenate(test)], np.repeat([1, 0], settings["n_test"])

    def network(n_members):
        return ImageResNetClassifier(
            backbone="resnet8",
            n_members=n_members,
            max_epochs=settings["max_epochs"],
            batch_size=32,
            clip_norm=5.0,
            device=device,
            random_state=seed,
        )

    chains = {k: settings[k] for k in ("n_samples", "cycles", "n_epochs")}
    with warnings.catch_warnings():
        # Epochs in which a rare class is never predicted; networks sure of few rows.
        warnings.simplefilter("ignore", UserWarning)
        single, _, seconds = timed_fit(lambda: network(1).fit(X_train, y_train))
        frozen = FrozenEstimator(single)
        models = {
            "single": single,
            "ensemble": network(5),
            "laplace": LaplaceClassifier(frozen, structure="diag"),
            "sghmc": SGHMCClassifier(frozen, **chains),
        }
        found, total = {}, seconds
        for method, model in models.items():
            added = 0.0
            if model is not single:
                _, _, added = timed_fit(lambda m=model: m.fit(X_train, y_train))
            total += added
            p = model.predict_proba(X_test)[:, 1]
            begun = method in ("laplace", "sghmc", "single")  # with that one network
            whole = added + seconds * begun
            found[method] = {**scores(y_test, p, ratio), "seconds": whole}
    return {"scores": found, "seconds": total}
