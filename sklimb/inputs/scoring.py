"""Which scorers were asked for: names that exist, or callables."""

from collections.abc import Mapping
from difflib import get_close_matches

from sklearn.metrics import get_scorer_names

from sklimb._messages import short


def check_scoring_names(scoring):
    """Refuse a search's scorers that do not exist, without listing all that do.

    Raises
    ------
    ValueError
        No scorer, a name that scikit-learn does not know, or a value that is none.
    """
    if isinstance(scoring, Mapping):
        given = list(scoring.values())
    else:
        given = scoring if isinstance(scoring, list | tuple) else [scoring]
    if not given:
        raise ValueError(
            f"scoring must hold at least one scorer, got {scoring!r}. None takes the "
            "estimator's own score."
        )
    for scorer in given:
        if not is_scorer(scorer):
            raise ValueError(
                f"scoring must hold names of scorers or callables, got "
                f"{short(scorer)}. {names_near(scorer)}"
            )


def is_scorer(scorer):
    """Whether scikit-learn can score with it alone; None is the estimator's score."""
    if scorer is None or callable(scorer):
        return True
    return isinstance(scorer, str) and scorer in get_scorer_names()


def names_near(scorer):
    """A sentence with the names of scorers that may have been meant."""
    close = get_close_matches(str(scorer), get_scorer_names())
    return (
        f"Names near it are {', '.join(close or ['roc_auc', 'neg_log_loss'])}; "
        "sklearn.metrics.get_scorer_names() lists them all."
    )
