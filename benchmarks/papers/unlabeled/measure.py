"""Labelled and unlabelled images of given tails, and one round of self-training."""

import numpy as np

from benchmarks.common.scores import timed_fit
from benchmarks.papers.cifar_lt.measure import classifier, images, largest_outputs
from benchmarks.papers.cifar_lt.real_images import real_images
from benchmarks.papers.simplifying.batch_size import exponential_counts
from sklimb.semisup import PseudoLabelClassifier

# Unlabelled images for each labelled one (Yang and Xu, 2020).
TIMES = 5
# Where irrelevant images are mixed in, they are those of the last two classes.
N_KNOWN = 8


def make_rows(y, n_max, ratio, unlabeled_ratio, relevance, seed, n_known=10):
    """Numbers of labelled and of unlabelled images, and the classes by their size.

    A long tail of `n_known` random classes is labelled. Of TIMES as many unlabelled
    images a share of `relevance` is a tail of the same classes and order, of the ratio
    `unlabeled_ratio`, the others are of other classes. None of the two has an image of
    the other. Without `unlabeled_ratio` there are no unlabelled images.

    Raises
    ------
    ValueError
        A class has too few images.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.unique(y))
    known, others = order[:n_known], order[n_known:]
    shares = (1 / ratio) ** (np.arange(n_known) / (n_known - 1))
    counts = dict(zip(known, (n_max * shares).astype(int), strict=True))
    extra = dict.fromkeys(order, 0)
    if unlabeled_ratio:
        total = TIMES * sum(counts.values())
        relevant = round(relevance * total)
        tail = exponential_counts(n_known, max(relevant, 1), 1 / unlabeled_ratio)
        extra |= dict(zip(known, tail if relevant else 0 * tail, strict=True))
        for c in others:
            extra[c] = (total - relevant) // len(others)
    labelled, unlabelled = [], []
    for c in order:
        rows, n = rng.permutation(np.flatnonzero(y == c)), counts.get(c, 0)
        if len(rows) < n + extra[c]:
            raise ValueError(
                f"Class {c!r} has {len(rows)} images, and {n} with and {extra[c]} "
                "without labels are wanted. Lower n_max."
            )
        labelled.append(rows[:n])
        unlabelled.append(rows[n : n + extra[c]])
    return np.concatenate(labelled), np.concatenate(unlabelled), known


def run(key, settings, data_home, device):
    """Fit to labelled images, or to both; the rest of the line that is kept."""
    part, method, ratio, unlabeled_ratio, relevance, seed = key[:6]
    if part == "svhn":  # without the easier "extra" images
        (X, y), (X_test, y_test) = real_images("svhn_lt100", data_home)
    else:
        (X, y), (X_test, y_test) = images(data_home)
    n_known = N_KNOWN if part == "relevance" else 10
    labelled, unlabelled, known = make_rows(
        y, settings["n_max"], ratio, unlabeled_ratio, relevance, seed, n_known
    )
    # Raw networks label and decide, as in the paper.
    base = classifier(method, settings, seed, device).set_params(target_prior=None)
    # NOTE[DIFF]: LDAM's pseudo-labels are those of the largest probability, the
    # authors' those of the largest cosine. Their counts hold pseudo-labels, too.
    model = PseudoLabelClassifier(base, count_pseudo_labels=True)
    more = {"X_unlabeled": X[unlabelled]} if len(unlabelled) else {}
    model, seconds, processor = timed_fit(
        lambda: model.fit(X[labelled], y[labelled], **more)
    )
    test = np.random.default_rng(0).permutation(len(y_test))[: settings["test"]]
    test = test[np.isin(y_test[test], known)]
    right = largest_outputs(model.estimator_, X_test[test]) == y_test[test]
    rare = np.isin(y_test[test], known[-(n_known // 3) :])
    return {
        "accuracy": float(right.mean()),
        "rare": float(right[rare].mean()),
        "n_labeled": len(labelled),
        "n_unlabeled": len(unlabelled),
        "seconds": seconds,
        "processor_seconds": processor,
    }
