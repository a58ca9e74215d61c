"""Wrong files: mutations of saved classifiers are refused in one way, or do no harm.

`SKLIMB_FUZZ_FILES=5000` tries that many; `SKLIMB_FUZZ_SEED` is 0 by default. A
failure names base, number and mutation, from which it can be made again.
"""

import os
import warnings
from collections import Counter
from itertools import islice

import numpy as np
import pytest
from helpers.record import SAVED, images, rows
from helpers.saved import fitted, read_by

import sklimb
from fuzz.mutate_files import Parts, mutations

N_FILES = int(os.environ.get("SKLIMB_FUZZ_FILES", "200"))
SEED = int(os.environ.get("SKLIMB_FUZZ_SEED", "0"))
BASES = sorted(SAVED.glob("*.safetensors"))
# Estimators with parts: each file of theirs is mutated as those of classifiers are.
OBJECTS = ["lws", "ncm", "frozen", "pseudo", "moco", "encoder"]


@pytest.mark.filterwarnings("ignore:.*has no checksum")
@pytest.mark.parametrize("base", BASES, ids=lambda path: path.stem)
def test_wrong_files_are_refused_or_do_no_harm(base, tmp_path, record_property):
    """With the old checksum nothing changes in silence; with a new one, nothing breaks.

    Who computes the checksum anew can write another classifier, with other weights or
    names: that one gives probabilities like every other.
    """
    X = (images() if "Image" in base.stem else rows())[0][:20]
    path = tmp_path / "m"
    sklimb.load(base).save(path)
    _mutate(path, X, base.stem, BASES.index(base), record_property)


@pytest.mark.parametrize("kind", OBJECTS)
def test_wrong_files_of_other_estimators(kind, tmp_path, record_property):
    one, X = fitted(kind)
    one.save(tmp_path / "m")
    _mutate(tmp_path / "m", X[:20], kind, 10 + OBJECTS.index(kind), record_property)


def _mutate(path, X, base, stream, record_property):
    """Try mutations of the file at a path."""
    whole, p = path.read_bytes(), read_by(sklimb.load(path), X)
    rng = np.random.default_rng([SEED, stream])
    found = Counter()
    n_files = -(-N_FILES // len(BASES))
    for i, (name, data) in enumerate(islice(mutations(rng, whole), n_files)):
        path.write_bytes(data)
        where = f"seed {SEED}, {base}, number {i}: {name}"
        outcome = _outcome(path, X, p, where)
        found[outcome] += 1
        assert outcome != "changed" or name.startswith("sealed"), where
    record_property("outcomes", dict(found))
    print(f"seed {SEED}, {base}: {dict(found)}")
    assert found["refused"] > n_files / 2


def _outcome(path, X, p, where):
    """What came of a file; everything but "refused", "same", "changed" is an error."""
    try:
        clf = sklimb.load(path)
    except ValueError as error:
        assert str(path) in str(error), where
        return "refused"
    except Exception as error:
        raise AssertionError(f"{where}: {error!r}") from error
    try:
        with warnings.catch_warnings():
            # Weights of 1e30 overflow somewhere; that is what they say.
            warnings.simplefilter("ignore", RuntimeWarning)
            found = read_by(clf, X)
    except ValueError as error:  # other names or pixels are those of other rows
        told = ("feature names", "X holds bytes", "X holds floats")
        assert any(what in str(error) for what in told), where
        return "changed"
    if hasattr(clf, "classes_"):
        assert found.shape == (len(X), len(clf.classes_)), where
    assert len(found) == len(X), where
    return "same" if np.array_equal(found, p) else "changed"


def test_a_file_that_is_put_together_again_is_the_same_file(tmp_path):
    """So that "sealed" mutations are refused for what was changed alone."""
    X = rows()[0][:20]
    with pytest.warns(UserWarning, match="has no checksum"):
        clf = sklimb.load(SAVED / "TabularMLPClassifier.safetensors")
    clf.save(tmp_path / "m")
    parts = Parts((tmp_path / "m").read_bytes())
    assert parts.seal() == parts.checksum
    (tmp_path / "m").write_bytes(parts.bytes())
    again = sklimb.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_mutations_are_those_of_their_seed():
    whole = _upgraded()
    first, again = (
        list(islice(mutations(np.random.default_rng(3), whole), 40)) for _ in range(2)
    )
    assert first == again
    kinds = {name.split(":")[0] for name, _ in first}
    assert kinds == {"stale", "sealed"}


def _upgraded():
    parts = Parts((SAVED / "TabularMLPClassifier.safetensors").read_bytes())
    parts.header["format"] = 2
    return parts.bytes()
