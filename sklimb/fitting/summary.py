"""The last line of a fit that shows progress: what ended it, and what it found."""

import numpy as np

from sklimb.fitting.decision import decided, held_out_of


def summary(jobs, found, interrupted):
    """What ended training, which epoch is kept, held-out recall of the rarest class.

    Parameters
    ----------
    jobs : list of Job
        The folds of one fit, trained.
    found : dict
        Fitted attributes of all of them.
    interrupted : str or None
    """
    p, classes = jobs[0].recipe.parameters, jobs[0].recipe.classes
    n, before = found["n_iter_"], jobs[0].epochs_before
    if interrupted:
        ended = f"interrupted after {n} epochs"
    elif n - before >= p.max_epochs:
        ended = f"ended after all {p.max_epochs} epochs"
    else:
        ended = f"stopped after {n} epochs, {p.n_iter_no_change} without a better score"
    kept = found["best_epoch_"]
    first, last = int(kept.min()), int(kept.max())
    epochs = f"epoch {first}" if first == last else f"epochs {first} to {last}"
    told = [ended, f"kept {epochs}"]
    if all(job.validation is not None for job in jobs):
        probabilities, y, weight = held_out_of(jobs, found["member_weights_"])
        rows = np.bincount(y, weights=weight, minlength=len(classes))
        rare = int(rows.argmin())
        if rows[rare] > 0:
            called = decided(probabilities, found["decision_factors_"])
            recall = np.average(called[y == rare] == rare, weights=weight[y == rare])
            told.append(
                f"held-out recall of class {classes[rare]} is {recall:.2f} with "
                f"decision={p.decision!r}"
            )
    return "; ".join(told)
