"""Who will not pay back? Six ways to score loans, compared on the same rows.

What it shows: `GridSearchCV` over `Pipeline`s, with `sklimb.TabularMLPClassifier` next
to XGBoost, a calibrated SVM, logistic regression and SMOTE; one evaluation on held-out
rows; a table, a picture and one paragraph on which classifier to take.

Run it with

    python examples/loan_workflow.py --out demo_output

It reads the LendingClub loans from the folder that the environment variable SKLIMB_DATA
names, and simulates card transactions where they are not. `--quick` runs through in
seconds on a part of the rows; its figures mean nothing.
"""

import argparse
from functools import partial
from pathlib import Path
from time import perf_counter

import _report as report
from imblearn import FunctionSampler
from imblearn.over_sampling import SMOTENC
from imblearn.pipeline import Pipeline as ResamplingPipeline
from joblib import parallel_config
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

from sklimb import TabularEncoder, TabularMLPClassifier
from sklimb.datasets import load_table, make_transactions

OURS = "sklimb"
OURS_SAM = "sklimb + SAM-A + smoothing"
OURS_SMOTE = "sklimb (sampler='smote')"
SMOTE_OURS = "SMOTE step + sklimb"
XGBOOST = "XGBoost"
SVM = "calibrated SVM (<= 5,000 rows)"
LOGISTIC = "logistic regression"
CLASSIFIERS = [OURS, OURS_SAM, OURS_SMOTE, SMOTE_OURS, XGBOOST, SVM, LOGISTIC]


def competitors(X, *, validation_split=None, quick=False):
    """A Pipeline and a small grid for each competitor.

    Parameters
    ----------
    X : data frame
        Training rows: which columns are categories is the same for any part of them.
    validation_split : splitter or None, default=None
        Which rows the networks hold out for early stopping; None draws them at random.
    quick : bool, default=False
        Train as little as possible.

    Returns
    -------
    dict of str to (Pipeline, dict)
    """
    network = partial(
        TabularMLPClassifier,
        n_members=1,  # candidates of a search, one network each
        validation_folds=None,
        d_block=64,
        batch_size=512,
        n_iter_no_change=8,
        max_epochs=20 if quick else 200,
        random_state=0,
    )
    mlp = partial(network, validation_split=validation_split)
    # The network takes the data frame as it is: categories, missing values, scales.
    plain = Pipeline([("clf", mlp())])
    # Sharpness-aware steps that go further for the rare class, and softer labels.
    sam = Pipeline([("clf", mlp(sam_asymmetric_rho=0.05, smoothing_eps=0.05))])
    # SMOTE inside: only training rows are re-sampled, never those that stop training,
    # and predict_proba divides the changed prior out again.
    smote_inside = Pipeline([("clf", mlp(sampler="smote"))])
    # SMOTE outside: the network cannot know of it. Rows held out for early stopping
    # would be synthetic twins of training rows, and it would never stop: the number of
    # epochs is tuned instead.
    encoder = TabularEncoder().set_output(transform="pandas")
    names = encoder.fit(X).get_feature_names_out()
    flags = list(names[encoder.n_numeric_ :])  # missing indicators and categories
    smote_outside = ResamplingPipeline(
        [
            ("encode", encoder),
            ("smote", SMOTENC(categorical_features=flags, random_state=0)),
            ("clf", network(categorical_features=flags, early_stopping=False)),
        ]
    )
    xgboost = XGBClassifier(
        n_estimators=20 if quick else 300,
        subsample=0.8,
        enable_categorical=True,  # reads pandas categories and missing values
        n_jobs=1,
        random_state=0,
    )
    onehot = TabularEncoder(category_encoding="onehot")
    few = FunctionSampler(func=at_most, kw_args={"n_rows": 5000}, validate=False)
    svm = ResamplingPipeline(
        [
            ("few", few),  # acts in fit only
            ("encode", onehot),
            ("clf", CalibratedClassifierCV(SVC(), cv=3)),
        ]
    )
    logistic = Pipeline(
        [("encode", onehot), ("clf", LogisticRegression(max_iter=2000))]
    )
    # Grids are small, so that all of it takes minutes; those of the quick rivals are
    # larger.
    lr = {"clf__lr": [1e-3, 3e-4]}
    return {
        OURS: (plain, lr),
        OURS_SAM: (sam, {"clf__sam_asymmetric_rho": [0.02, 0.1]}),
        OURS_SMOTE: (smote_inside, lr),
        SMOTE_OURS: (smote_outside, {"clf__max_epochs": [5, 15]}),
        XGBOOST: (
            Pipeline([("clf", xgboost)]),
            {
                "clf__n_estimators": [100, 300],
                "clf__learning_rate": [0.05, 0.1],
                "clf__max_depth": [3, 6],
            },
        ),
        SVM: (
            svm,
            {"clf__estimator__gamma": [0.01, 0.1]},
        ),
        LOGISTIC: (logistic, {"clf__C": [0.01, 0.1, 1.0, 10.0]}),
    }


def at_most(X, y, n_rows):
    """A random part of the rows with the same share of each class."""
    if len(y) <= n_rows:
        return X, y
    X, _, y, _ = train_test_split(X, y, train_size=n_rows, stratify=y, random_state=0)
    return X, y


def tune(candidates, X, y, *, cv, quick=False, **fit_params):
    """Search every grid and refit the best setting on all rows of X."""
    searches = {}
    for name, (pipeline, grid) in candidates.items():
        if quick:
            grid = {key: values[:1] for key, values in grid.items()}
        begin = perf_counter()
        search = GridSearchCV(pipeline, grid, scoring="average_precision", cv=cv)
        searches[name] = search.fit(X, y, **fit_params)
        best = {k.rpartition("__")[2]: v for k, v in search.best_params_.items()}
        print(
            f"  {name}: {best}, {search.best_score_:.3f} in cross-validation, "
            f"{perf_counter() - begin:.0f} s"
        )
    return searches


def predict(searches, X):
    """Probability of class 1 of every tuned competitor."""
    return {name: search.predict_proba(X)[:, 1] for name, search in searches.items()}


def load_loans(quick):
    """Name, data frame and labels: the loans, or transactions where there are none."""
    try:
        bunch = load_table("loan")
        name = "LendingClub loans"
    except FileNotFoundError:
        n_samples = 2000 if quick else 10000
        bunch = make_transactions(n_samples, fraud_rate=0.05, drift=0.0, random_state=0)
        name = "simulated transactions (no loan data in SKLIMB_DATA)"
    rows = slice(2000 if quick else None)
    return name, bunch.X[rows], bunch.y[rows]


def main(argv=None):
    """Tune, compare, draw and advise."""
    start(run, __doc__, argv)


def start(run, doc, argv=None):
    """Read the command line and call `run` with one thread for each fit."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    parser.add_argument("--jobs", type=int, default=2, help="parallel fits")
    parser.add_argument("--quick", action="store_true", help="tiny; figures are void")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    # Parallel fits with many threads each would fight for the cores. The seconds of
    # one fit in the table are those of one core, too.
    with (
        parallel_config("loky", n_jobs=args.jobs, inner_max_num_threads=1),
        threadpool_limits(1),
    ):
        run(args)


def run(args):
    name, X, y = load_loans(args.quick)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=0
    )
    print(
        f"Data: {name}, {len(y_train):,} training and {len(y_test):,} test rows, "
        f"{y.mean():.1%} positive."
    )
    cv = StratifiedKFold(2 if args.quick else 3, shuffle=True, random_state=0)
    candidates = competitors(X_train, quick=args.quick)
    searches = tune(candidates, X_train, y_train, cv=cv, quick=args.quick)

    probabilities = predict(searches, X_test)
    seconds = {name: search.refit_time_ for name, search in searches.items()}
    draws = report.bootstrap(y_test, probabilities, quick=args.quick)
    table = report.results_table(
        y_test, probabilities, seconds, draws, prior=y_train.mean()
    )
    report.show_and_save(table, f"Test rows: {name}", args.out / "loan")
    report.plot_curves(
        y_test, probabilities, name, args.out / "loan.png", order=CLASSIFIERS
    )
    report.print_paragraph(
        [
            report.advise(y_test, probabilities, table, draws, name),
            report.smote_sentence(y_test, probabilities, table, SMOTE_OURS, OURS_SMOTE),
        ],
        args.out / "loan_advice.txt",
    )


if __name__ == "__main__":
    main()
