"""scikit-learn's own checks of ClassifierRetrainer, one run a method."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from sklimb import TabularMLPClassifier
from sklimb.two_stage import ClassifierRetrainer
from sklimb.two_stage._methods import METHODS

# Small and quick; everything else is the default.
STAGE = TabularMLPClassifier(
    num_embeddings=None, d_block=16, max_epochs=20, lr=2e-2, random_state=0
)


@parametrize_with_checks([ClassifierRetrainer(STAGE, name) for name in METHODS])
def test_estimator_checks(estimator, check):
    check(estimator)
