"""A loss that is not finite: one sentence, and the best weights so far."""

import numpy as np
import pytest
import torch
from helpers.images import SMALL as IMAGES
from helpers.images import X as PIXELS
from helpers.images import Y as LABELS
from helpers.packs import PLAIN, fixed_table
from skorch.callbacks import Callback

from sklimb import (
    FTTransformerClassifier,
    ImageResNetClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.model_selection import PackedSearchCV
from sklimb.training.monitor import MONITORS

X, Y = fixed_table(200)
ROWS, LABELS = PIXELS.reshape(len(PIXELS), 8, 8), (LABELS > 0).astype(int)
SMALL = {"n_blocks": 1, "d_block": 8, "max_epochs": 5, "random_state": 0}


class Poison(Callback):
    """Makes a member's weights NaN in an epoch."""

    def __init__(self, epoch, member=0):
        self.epoch, self.member = epoch, member

    def after_update(self, net):
        if len(net.history) == self.epoch:
            with torch.no_grad():
                net.parameters()[0][self.member] = torch.nan


FITS = {
    "mlp": (TabularMLPClassifier(**SMALL), X, Y),
    "resnet": (TabularResNetClassifier(**SMALL), X, Y),
    "transformer": (FTTransformerClassifier(**SMALL, attention_n_heads=2), X, Y),
    "images": (ImageResNetClassifier(**{**IMAGES, "max_epochs": 4}), ROWS, LABELS),
}


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("monitor", MONITORS)
@pytest.mark.parametrize("name", FITS)
def test_every_monitor_of_every_classifier(name, monitor, early_stopping):
    clf, A, y = FITS[name]
    clf.set_params(monitor=monitor, early_stopping=early_stopping)
    given = {} if early_stopping else {"X_val": A[::3], "y_val": y[::3]}
    clf.set_params(callbacks=[Poison(3)])
    with pytest.warns(RuntimeWarning, match="in epoch 3: training stopped") as caught:
        clf.fit(A, y, **given)
    assert len(caught) == 1
    assert clf.n_iter_ == 3 and clf.best_epoch_[0] in (1, 2)
    assert np.isfinite(clf.predict_proba(A)).all()
    clf.set_params(callbacks=[Poison(1)])
    with pytest.raises(ValueError, match=r"before anything was learned\. Lower lr"):
        clf.fit(A, y, **given)


@pytest.mark.parametrize("monitor", MONITORS)
def test_one_member_of_three(monitor):
    clf = TabularMLPClassifier(**SMALL, monitor=monitor, n_members=3)
    clf.set_params(callbacks=[Poison(2, member=1)])
    with pytest.warns(RuntimeWarning, match=r"in epoch 2 of member 1"):
        clf.fit(X, Y)
    assert clf.n_iter_ == 5 and clf.best_epoch_[1] == 1
    assert np.isfinite(clf.predict_proba_members(X)).all()


@pytest.mark.parametrize("monitor", MONITORS)
def test_a_search_scores_the_others(monitor):
    clf = TabularMLPClassifier(**{**SMALL, "max_epochs": 3}, optimizer="sgd")
    clf.set_params(monitor=monitor, num_embeddings=None)
    search = PackedSearchCV(clf, {"lr": [1e-3, 1e30]}, cv=2, refit=False)
    with pytest.warns(Warning) as caught:
        search.fit(X, Y)
    assert any("NaN or infinite" in str(w.message) for w in caught)
    assert "scikit-learn" not in " ".join(str(w.message) for w in caught)
    assert np.isfinite(search.cv_results_["mean_test_score"][0])


def test_a_score_that_is_not_finite_is_a_failure_though_the_loss_is_not():
    class Blind(Callback):
        """What a network of finite weights says when its outputs overflow."""

        def on_train_begin(self, net, **kwargs):
            score = net.monitor_.of
            net.monitor_.of = lambda y, p, weight: score(y, p * np.nan, weight)

    clf = TabularMLPClassifier(**SMALL, monitor="roc_auc", callbacks=[Blind()])
    with pytest.raises(ValueError, match="in epoch 1, before anything was learned"):
        clf.fit(X, Y)


@pytest.mark.parametrize("monitor", ["roc_auc", "average_precision"])
def test_a_class_without_weight_cannot_be_ranked(monitor):
    clf = TabularMLPClassifier(**PLAIN, monitor=monitor, class_weight={1: 0.0})
    with pytest.raises(ValueError, match="validation rows of two classes"):
        clf.set_params(early_stopping=True).fit(X, Y)
