"""scikit-learn's own checks of the posteriors."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from sklimb import TabularMLPClassifier
from sklimb.bayes import LaplaceClassifier, SGHMCClassifier

# Small and quick; everything else is the default.
INSIDE = TabularMLPClassifier(
    num_embeddings=None,
    d_block=16,
    max_epochs=20,
    lr=2e-2,
    n_members=2,
    random_state=0,
)


@parametrize_with_checks(
    [
        LaplaceClassifier(INSIDE),
        LaplaceClassifier(INSIDE, "all", "kron", "validation", "sampling"),
        SGHMCClassifier(INSIDE, 4, 2, n_epochs=5),
    ]
)
def test_estimator_checks(estimator, check):
    check(estimator)
