"""A fitted pre-trainer in a file: its network, and the projectors of a warm start."""

from sklimb.base import BaseNeuralClassifier
from sklimb.persistence import Saved
from sklimb.persistence.header import is_count, is_history
from sklimb.persistence.networks import build_part, n_columns
from sklimb.persistence.values import from_json, plain, to_json
from sklimb.training.moco import make_pretraining_term

_KEYS = {"term", "n_iter", "best_epoch", "best_score", "history"}


class SavedPretrainer(Saved):
    """What a file holds beside parameters and the trained network."""

    _saved_when = "estimator_"
    _saved_parts = ("estimator_",)

    @staticmethod
    def _takes(part):
        return isinstance(part, BaseNeuralClassifier)

    def _own_state(self):
        try:
            term = to_json(self._term.term)
        except TypeError as error:
            raise ValueError(
                f"method={self._term.term!r} is code, which a file of numbers cannot "
                "hold. Use joblib.dump, one of sklimb's terms, or a frozen dataclass "
                "that is registered: TERMS.register(name, term)."
            ) from error
        own = {
            "term": term,
            "n_iter": self.n_iter_,
            "best_epoch": self.best_epoch_,
            "best_score": self.best_score_,
            "history": plain(self.history_),
        }
        return own, {f"term.{k}": v for k, v in self._term.state_dict().items()}

    def _set_own_state(self, config, arrays):
        if set(config) != _KEYS or not is_history(config["history"]):
            raise ValueError("it does not describe a pre-trainer.")
        numbers = config["n_iter"], config["best_epoch"]
        score = config["best_score"]
        if not all(map(is_count, numbers)) or type(score) not in (int, float):
            raise ValueError("its epochs or its score are no numbers.")
        inner = self.estimator_
        self.encoder_, self.n_features_in_ = inner.encoder_, inner.n_features_in_
        for name in ("feature_names_in_", "_image_shape"):
            if hasattr(inner, name):
                setattr(self, name, getattr(inner, name))
        self._term = _term(inner, config["term"], arrays)
        self.n_iter_, self.best_epoch_ = numbers
        self.best_score_, self.history_ = float(score), config["history"]


def _term(inner, value, arrays):
    """The projectors of a file."""
    term = from_json(value)
    if not isinstance(value, dict) or "term" not in value:
        raise ValueError("its method is none.")
    state = {name.removeprefix("term."): t for name, t in arrays.items()}
    module, seeds = inner.net_.module_, inner.member_seeds_.tolist()
    n_rows = 4 * state["queue"].shape[1] if "queue" in state else 0
    like = next(module.parameters())
    width = inner.net_.blocks_embed(like.new_zeros(1, n_columns(inner))).shape[-1]

    def make():
        made = make_pretraining_term(term, module, width, seeds, n_rows)
        return made.to(like)

    return build_part(make, {name: t.to(like.device) for name, t in state.items()})
