"""Random inputs: each works as it should, or is refused with one sentence.

`SKLIMB_FUZZ_INPUTS` is how many, `SKLIMB_FUZZ_SEED` the first seed. A failure names the
seed of its input, which `SKLIMB_FUZZ_SEED=... SKLIMB_FUZZ_INPUTS=1` runs alone.
"""

import os
import pickle
import traceback
from collections import Counter, defaultdict

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError

import sklimb
from fuzz.inputs import draw, made
from fuzz.oracles import (
    Fault,
    Refused,
    Watch,
    check_classes,
    check_equal,
    check_probabilities,
    fingerprint,
    rows_of,
    same_values,
)
from sklimb.fitting import pretraining
from sklimb.training.net import _Net

INPUTS = int(os.environ.get("SKLIMB_FUZZ_INPUTS", "300"))
SEED = int(os.environ.get("SKLIMB_FUZZ_SEED", "0"))


@pytest.fixture
def epochs(monkeypatch):
    """A list that grows as soon as anything trains."""
    begun = []

    def counted(function):
        def wrapper(*arguments, **named):
            begun.append(1)
            return function(*arguments, **named)

        return wrapper

    monkeypatch.setattr(_Net, "fit_loop", counted(_Net.fit_loop))
    monkeypatch.setattr(pretraining, "_epoch", counted(pretraining._epoch))
    return begun


def output(estimator):
    """The method whose result is compared."""
    name = "predict_proba" if is_classifier(estimator) else "transform"
    return getattr(estimator, name)


class Case:
    """One input, its estimator and what must hold of it."""

    def __init__(self, given, epochs, folder):
        self.given, self.folder = given, folder
        self.X, self.estimator = given.X, given.estimator
        data = (given.X, given.arguments, given.parameters)
        self.watch = Watch(data, epochs)
        self.call = self.watch.call

    def run(self):
        """Raises Refused where the fit is, Fault where something is wrong."""
        given, estimator = self.given, self.estimator
        self.call("set_params", estimator.set_params, **given.parameters)
        before = fingerprint(vars(estimator))
        try:
            self.call("fit", estimator.fit, self.X, **given.arguments)
        except Refused as refused:
            if repr(fingerprint(vars(estimator))) != repr(before):
                raise Fault("fit: refused, and the estimator has changed") from None
            predicts = "predict" if is_classifier(estimator) else "transform"
            try:
                getattr(estimator, predicts)(self.X)
            except (NotFittedError, AttributeError):  # the latter with refit=False
                raise refused from None
            raise Fault("fit: refused, and predicts") from None
        if not getattr(estimator, "refit", True):
            return  # such a search predicts nothing
        self.p = self.predicted("predict", self.X)
        self.n = len(self.p)
        if hasattr(estimator, "classes_"):
            weighted = "sample_weight" in given.arguments
            check_classes(estimator.classes_, given.y, weighted)
            labels = self.call("predict", estimator.predict, self.X)
            if not set(labels.tolist()) <= set(estimator.classes_.tolist()):
                raise Fault("predict: labels that are no classes")
        self.equal("predict again", self.X, self.p)
        one = rows_of(self.X, [0])
        if one is not None:
            self.equal("one row", one, self.p[:1], 1e-5)
        for name, X in same_values(self.X).items():
            self.equal(name, X, self.p, 1e-6)
        # Last what changes the estimator for good.
        for name in sorted(given.after, key=("partial", "hostile").count):
            try:
                getattr(self, name)()
            except Refused:
                pass

    def predicted(self, what, X, estimator=None):
        estimator = self.estimator if estimator is None else estimator
        p = self.call(what, output(estimator), X)
        if hasattr(estimator, "classes_"):
            check_probabilities(p, len(p), estimator.classes_)
        elif not np.isfinite(p).all():
            raise Fault(f"{what}: features that are not finite")
        return p

    def equal(self, what, X, p, within=0.0, estimator=None):
        """The same probabilities as p; a refusal is one too many."""
        try:
            check_equal(self.predicted(what, X, estimator), p, what, within)
        except Refused as refused:
            raise Fault(f"{what}: refused: {str(refused)[:300]}") from None

    # What is done afterwards.

    def pickle(self):
        copy = self.call("pickle", lambda: pickle.loads(pickle.dumps(self.estimator)))
        self.equal("pickle", self.X, self.p, estimator=copy)

    def clone(self):
        copy = self.call("clone", clone, self.estimator)
        if hasattr(self.given.parameters.get("random_state"), "rand"):
            return
        try:
            self.call("fit of a clone", copy.fit, self.X, **self.given.arguments)
        except Refused as refused:
            raise Fault(f"clone: refused: {str(refused)[:300]}") from None
        self.equal("clone", self.X, self.p, estimator=copy)

    def save(self):
        if hasattr(self.estimator, "save"):
            path = os.path.join(self.folder, "saved")
            self.call("save", self.estimator.save, path)
            copy = self.call("load", sklimb.load, path)
            self.equal("load", self.X, self.p, estimator=copy)

    def refit(self):
        """Another fit, of rows that none can take, leaves the first one."""
        arguments, X = dict(self.given.arguments), self.X
        if is_classifier(self.estimator):
            arguments["y"] = np.zeros(self.n, dtype=int)
        else:
            X = np.full((self.n, 2), np.inf)
        try:
            self.call("refit", self.estimator.fit, X, **arguments)
        except Refused:
            self.equal("after a refused refit", self.X, self.p)
        else:
            raise Fault("refit: of one class or of infinite rows is accepted")

    def swapped(self):
        """Columns in another order: refused by name, or other rows."""
        shape = getattr(self.X, "shape", ())
        if len(shape) == 2 and type(self.X).__module__.split(".")[0] in (
            "numpy",
            "pandas",
        ):
            order = [*range(shape[1])][::-1]
            frame = hasattr(self.X, "iloc")
            X = self.X.iloc[:, order] if frame else self.X[:, order]
            self.predicted("swapped columns", X)

    def dtypes(self):
        """The same rows as another type, exact or not."""
        if hasattr(self.X, "astype"):
            for dtype in ("float32", "float16", "int64", "object", "str"):
                try:
                    X = made(lambda: self.X.astype(dtype))  # noqa: B023
                    self.predicted(f"as {dtype}", X)
                except Refused:
                    pass

    def unseen(self):
        """Other rows of the same kind."""
        self.predicted("other rows", made(self.given.make_X))

    def other(self):
        """Rows of another input."""
        self.predicted("rows of another input", draw(self.given.seed + 10**6).X)

    def hostile(self):
        """Set parameters of another input, and fit again."""
        before = self.estimator.get_params(deep=False)
        other = draw(self.given.seed + 10**6).parameters
        known = {name: value for name, value in other.items() if name in before}
        try:
            self.call("set_params", self.estimator.set_params, **known)
            self.call("second fit", self.estimator.fit, self.X, **self.given.arguments)
        except Refused:
            self.estimator.set_params(**before)
            self.equal("after a refused second fit", self.X, self.p)
            return
        self.predicted("predict of a second fit", self.X)

    def partial(self):
        if hasattr(self.estimator, "partial_fit"):
            y = self.given.y
            self.call("partial_fit", self.estimator.partial_fit, self.X, y)
            self.p = self.predicted("predict after partial_fit", self.X)

    def reports(self):
        """What else reads rows."""
        for name in ("input_report", "explain", "embed"):
            if hasattr(self.estimator, name):
                self.call(name, getattr(self.estimator, name), self.X)


def outcome(seed, epochs, folder):
    """("accepted" or "refused" or what is wrong, the input)."""
    given = draw(seed)
    try:
        Case(given, epochs, folder).run()
    except Refused:
        return "refused", given
    except Fault as fault:
        return str(fault), given
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"unexpected {error!r} at {place.filename}:{place.lineno}", given
    return "accepted", given


def test_random_inputs(epochs, tmp_path):
    counts, faults = defaultdict(Counter), []
    for seed in range(SEED, SEED + INPUTS):
        found, given = outcome(seed, epochs, tmp_path)
        if found not in ("accepted", "refused"):
            faults.append(f"{given}\n    {found}")
            found = "wrong"
        counts[given.kind][found] += 1
    for kind, count in counts.items():
        print(
            f"{kind:12}",
            *(f"{count[o]:6} {o}" for o in ("accepted", "refused", "wrong")),
        )
    assert not faults, "\n".join([f"{len(faults)} of {INPUTS} inputs:", *faults])
