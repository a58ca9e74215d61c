"""What the short examples share: the command line, a small network, simulated rows."""

from loan_workflow import start
from sklearn.model_selection import train_test_split

from sklimb import TabularMLPClassifier
from sklimb.datasets import make_transactions


def main_of(run, doc):
    """`main(argv=None)` of an example: reads --out, --jobs, --quick and calls `run`."""

    def main(argv=None):
        start(run, doc, argv)

    return main


def small(args, **params):
    """A network that fits in seconds."""
    own = {"d_block": 32, "lr": 5e-3, "n_members": 1, "random_state": 0}
    own["validation_folds"] = None
    own["max_epochs"] = 3 if args.quick else 20
    return TabularMLPClassifier(**{**own, **params})


def payments(args, n_samples=8000, fraud_rate=0.1, **params):
    """Simulated payments: X and y to train on, then to test on."""
    n_samples = 1200 if args.quick else n_samples
    data = make_transactions(n_samples, fraud_rate=fraud_rate, random_state=0, **params)
    X, X_test, y, y_test = train_test_split(
        data.X, data.y, test_size=0.4, stratify=data.y, random_state=0
    )
    return X, y, X_test, y_test
