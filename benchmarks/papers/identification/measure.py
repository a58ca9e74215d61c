"""Images of identities of two groups, one of them rare, and one fit on them."""

import os
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks.common.scores import timed_fit
from sklimb import ImageResNetClassifier
from sklimb.datasets import read_image_list
from sklimb.metrics import rank_1_report
from sklimb.strategies import Balanced, CosFaceLoss

HEADS = {"cosface": CosFaceLoss(), "cosface_focal": CosFaceLoss(gamma=2.0)}
METHODS = ("naive", "over", "metabalance")
RARE = "f"


@lru_cache(maxsize=1)
def faces(data_home):
    """CelebA's paths, identities and groups "f" and "m", from its published files.

    Raises
    ------
    FileNotFoundError
        There is no folder celeba in `SKLIMB_DATA`.
    """
    home = Path(data_home or os.environ.get("SKLIMB_DATA", ".")) / "celeba"
    if not home.is_dir():
        raise FileNotFoundError("the folder celeba is not here")
    data = read_image_list(home / "identity_CelebA.txt", home / "img_align_celeba")
    lines = (home / "list_attr_celeba.txt").read_text().splitlines()
    place = lines[1].split().index("Male") + 1
    male = {line.split()[0]: line.split()[place] == "1" for line in lines[2:]}
    group = np.array(["m" if male[Path(path).name] else RARE for path in data.X])
    return data.X, data.y, group


def generated(n_identities, n_images, size, seed):
    """Images: a pattern of the group, one of the identity, light and noise."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(n_identities), n_images)
    of_group = rng.normal(size=(2, size, size))
    own = rng.normal(size=(n_identities, size, size))
    noise = rng.normal(size=(len(y), size, size))
    light = rng.uniform(0.5, 1.5, (len(y), 1, 1))
    values = light * (of_group[y % 2] + 0.7 * own[y] + noise)
    images = np.clip(128 + 30 * values, 0, 255).astype(np.uint8)
    return images, y, np.array(["m", RARE])[y % 2]


def parts(X, y, group, test_share, kept, seed):
    """Training and test images of different identities; few of a rare group to train.

    Of the rare group a share of `kept`, two of each identity at least, stay in training
    (Bansal et al., 2021, section 4.1).
    """
    rng = np.random.default_rng(seed)
    train, test = [], []
    for name in np.unique(group):
        identities = rng.permutation(np.unique(y[group == name]))
        n_test = max(1, round(test_share * len(identities)))
        for i, identity in enumerate(identities):
            rows = rng.permutation(np.flatnonzero(y == identity))
            if i < n_test:
                test.append(rows)
            elif name == RARE:
                train.append(rows[: max(2, round(kept * len(rows)))])
            else:
                train.append(rows)
    train, test = np.concatenate(train), np.concatenate(test)
    return (X[train], y[train], group[train]), (X[test], y[test], group[test])


def run(key, settings, data_home, device):
    """Fit one method; the rest of the line that is kept."""
    data, method, head, seed = key[:4]
    if data == "celeba":
        rows = faces(data_home)
    else:
        rows = generated(*settings["generated"], seed)
    (X, y, group), (X_test, y_test, group_test) = parts(
        *rows, settings["test_share"], settings["kept"], seed
    )
    labels, first = np.unique(y, return_index=True)
    by_group = Balanced(group[first].tolist())
    strategy = {
        "naive": {"max_epochs": settings["epochs"]},
        "over": {"max_epochs": settings["epochs"], "sampler": by_group},
        # As many query as natural rows per step; an epoch is a pass over queries.
        "metabalance": {
            "max_epochs": settings["meta_epochs"],
            "metabalance_sampler": ("natural", by_group),
            "metabalance_steps": settings["meta_steps"],
            "metabalance_support_batch_size": settings["batch_size"],
            "metabalance_query_batch_size": settings["batch_size"],
        },
    }[method]
    model = ImageResNetClassifier(
        backbone=settings["backbone"],
        image_shape=settings["image_shape"],
        loss=HEADS[head],
        augment=["flip"],
        batch_size=settings["batch_size"],
        lr=settings["lr"],
        weight_decay=5e-4,
        early_stopping=False,
        target_prior=None,
        device=device,
        random_state=seed,
        **strategy,
    )
    model, seconds, processor = timed_fit(lambda: model.fit(X, y))
    report = rank_1_report(y_test, model.embed(X_test), groups=group_test)["accuracy"]
    return {
        "total": float(report["all"]),
        "rare": float(report[RARE]),
        "frequent": float(report.drop(["all", RARE]).mean()),
        "n_classes": len(labels),
        "seconds": seconds,
        "processor_seconds": processor,
    }
