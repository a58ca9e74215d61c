"""ClassCurves against losses and recalls of the fit that it has watched."""

import numpy as np
import pytest
from helpers.analysed import blobs

import sklimb
from sklimb import ImageResNetClassifier, TabularMLPClassifier
from sklimb.analysis import ClassCurves, class_curves

SMALL = {
    "d_block": 8,
    "max_epochs": 4,
    "target_prior": None,  # probabilities without a solved intercept
    "random_state": 0,
}


def by_hand(clf, X, y, weight):
    """Loss and recall of each class, and accuracy, by `predict_proba`."""
    p = clf.predict_proba(X)
    nll, hit = -np.log(p[np.arange(len(y)), y]), p.argmax(1) == y
    of = [y == c for c in range(len(clf.classes_))]
    loss = [np.average(nll[own], weights=weight[own]) for own in of]
    recall = [np.average(hit[own], weights=weight[own]) for own in of]
    return loss, recall, np.average(hit, weights=weight)


def test_the_last_epoch_is_that_of_the_fit():
    X, y = blobs()
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    clf = TabularMLPClassifier(
        callbacks=[ClassCurves()], early_stopping=False, **SMALL
    ).fit(X, y, weight)
    found = class_curves(clf)
    loss, recall, accuracy = by_hand(clf, X, y, weight)
    # float32 weights of the rows
    np.testing.assert_allclose(found.train_loss[-1], loss, rtol=1e-5)
    np.testing.assert_allclose(found.train_recall[-1], recall, rtol=1e-5)
    assert found.train_accuracy[-1] == pytest.approx(accuracy, rel=1e-5)
    assert found.train_loss.shape == (4, 3) and found.epoch.tolist() == [1, 2, 3, 4]
    assert found.valid_loss is None
    assert found.train_loss[-1].mean() < found.train_loss[0].mean()


def test_held_out_rows_at_the_epoch_that_is_kept():
    X, y = blobs(n=400)
    X_val, y_val = blobs(seed=1)
    clf = TabularMLPClassifier(
        callbacks=[ClassCurves()],
        **{**SMALL, "max_epochs": 12, "lr": 0.02},
        n_iter_no_change=20,
        ema_decay=0.9,
        dropout=0.2,
    ).fit(X, y, X_val=X_val, y_val=y_val)
    found, kept = class_curves(clf), clf.best_epoch_[0] - 1
    loss, recall, accuracy = by_hand(clf, X_val, y_val, np.ones(len(y_val)))
    np.testing.assert_allclose(found.valid_loss[kept], loss, rtol=1e-5)
    np.testing.assert_allclose(found.valid_recall[kept], recall, rtol=1e-5)
    assert found.valid_accuracy[kept] == pytest.approx(accuracy)
    loss, recall, _ = by_hand(clf, X, y, np.ones(len(y)))
    np.testing.assert_allclose(found.train_loss[kept], loss, rtol=1e-5)
    share = np.bincount(y_val) / len(y_val)
    whole = [row["valid_loss"] for row in clf.history_]
    np.testing.assert_allclose(found.valid_loss @ share, whole, rtol=1e-5)


def test_the_fit_is_not_changed():
    X, y = blobs()
    plain = TabularMLPClassifier(**SMALL, n_members=2).fit(X, y)
    watched = TabularMLPClassifier(**SMALL, n_members=2, callbacks=[ClassCurves()])
    np.testing.assert_array_equal(
        watched.fit(X, y).predict_proba(X), plain.predict_proba(X)
    )


def test_members_and_files(tmp_path):
    X, y = blobs()
    clf = TabularMLPClassifier(
        callbacks=[ClassCurves()],
        **{**SMALL, "max_epochs": 30, "lr": 0.05},
        n_members=3,
        n_iter_no_change=2,
    ).fit(X, y)
    found = class_curves(clf)
    assert found.train_loss_members.shape == (3, clf.n_iter_, 3)
    ended = np.isnan(found.train_loss_members).any(-1)
    assert ended.any() and not ended[:, 0].any()
    there = np.nanmean(found.train_loss_members, 0)
    np.testing.assert_allclose(found.train_loss, there, rtol=1e-9)
    clf.save(tmp_path / "curves.safetensors")
    with pytest.warns(UserWarning, match="callbacks"):
        loaded = sklimb.load(tmp_path / "curves.safetensors")
    again = class_curves(loaded)
    for name, value in vars(found).items():
        np.testing.assert_array_equal(getattr(again, name), value)


def test_what_a_sampler_shifts_is_divided_out():
    X, y = blobs(2)
    few = np.flatnonzero((y == 0) | (np.arange(len(y)) % 6 == 0))
    X, y = X[few], y[few]
    clf = TabularMLPClassifier(
        callbacks=[ClassCurves()],
        **{**SMALL, "target_prior": "train"},
        early_stopping=False,
        sampler="balanced",
    ).fit(X, y)
    log_p = np.log(clf.predict_proba(X)) - clf.intercept_[0]
    log_p -= np.logaddexp.reduce(log_p, 1, keepdims=True)
    want = [-log_p[y == c, c].mean() for c in range(2)]
    np.testing.assert_allclose(class_curves(clf).train_loss[-1], want, rtol=1e-5)
    # The rare class is far less probable than among the rows as they are drawn.
    drawn = clf.net_.blocks_logits(clf._encode(X))[0].log_softmax(-1).numpy()
    assert -drawn[y == 1, 1].mean() < 0.8 * want[1]


def test_images():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (40, 8, 8), dtype=np.uint8), np.arange(40) % 2
    clf = ImageResNetClassifier(
        backbone="resnet8",
        max_epochs=2,
        callbacks=[ClassCurves()],
        early_stopping=False,
        target_prior=None,
        random_state=0,
    ).fit(X, y)
    loss, recall, _ = by_hand(clf, X, y, np.ones(40))
    np.testing.assert_allclose(class_curves(clf).train_loss[-1], loss, rtol=1e-4)
    np.testing.assert_allclose(class_curves(clf).train_recall[-1], recall)


def test_a_fit_that_nothing_has_watched():
    X, y = blobs()
    clf = TabularMLPClassifier(**SMALL).fit(X, y)
    with pytest.raises(ValueError, match=r"fit with callbacks=\[ClassCurves\(\)\]"):
        class_curves(clf)
