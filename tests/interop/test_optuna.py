"""Optuna: trials report every epoch, and are pruned by it."""

import optuna
import pytest
from helpers.packs import PLAIN, fixed_table
from optuna.trial import TrialState
from skorch.callbacks import Callback

from sklimb import TabularMLPClassifier

pytestmark = pytest.mark.interop
X, Y = fixed_table()
HELD = {**PLAIN, "early_stopping": True, "max_epochs": 6}


class Pruning(Callback):
    """Reports the held-out loss of each epoch and stops hopeless trials."""

    def __init__(self, trial):
        self.trial = trial

    def on_epoch_end(self, net, **kwargs):
        epoch = len(net.history)
        self.trial.report(net.history[-1, "valid_loss"], step=epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def test_hopeless_trials_end_early():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    epochs = []

    def objective(trial):
        lr = trial.suggest_categorical("lr", [1e-2, 1e-7])
        clf = TabularMLPClassifier(**{**HELD, "lr": lr}, callbacks=[Pruning(trial)])
        try:
            clf.fit(X, Y)
        finally:
            epochs.append(len(trial.study.trials[trial.number].intermediate_values))
            # A pruned fit leaves nothing half fitted behind.
            assert hasattr(clf, "net_") == (epochs[-1] == HELD["max_epochs"])
        return clf.history_[-1]["valid_loss"]

    sampler = optuna.samplers.GridSampler({"lr": [1e-2, 1e-7]}, seed=1)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=1)
    study = optuna.create_study(sampler=sampler, pruner=pruner)
    study.enqueue_trial({"lr": 1e-2})
    study.enqueue_trial({"lr": 1e-7})
    study.optimize(objective, n_trials=2)
    states = [trial.state for trial in study.trials]
    assert states == [TrialState.COMPLETE, TrialState.PRUNED]
    assert epochs[0] == 6 and epochs[1] < 6
    assert study.best_params == {"lr": 1e-2}
