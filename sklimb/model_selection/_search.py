"""PackedSearchCV: scikit-learn's search, its candidates and folds trained as one."""

import time
from functools import partial
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import torch
from joblib import cpu_count, effective_n_jobs
from sklearn.base import clone, is_classifier
from sklearn.model_selection import ParameterGrid, ParameterSampler, check_cv
from sklearn.utils import get_tags, indexable

from sklimb._compat import (
    BaseSearchCV,
    HasMethods,
    Interval,
    StrOptions,
    _check_method_params,
    _fit_context,
    _insert_error_scores,
    _MultimetricScorer,
    _warn_or_raise_about_fit_failures,
)
from sklimb._documentation import Documented
from sklimb._messages import short
from sklimb._random import root_seed
from sklimb.fitting.train import all_or_nothing
from sklimb.inputs.containers import as_column, as_rows
from sklimb.inputs.labels import check_labels
from sklimb.inputs.scoring import check_scoring_names
from sklimb.model_selection import _workers
from sklimb.model_selection._arguments import (
    check_grid,
    check_refit,
    check_weights_of,
)
from sklimb.model_selection._candidates import (
    Folds,
    classifier_of,
    fresh,
    groups_of,
    make_candidate,
)
from sklimb.model_selection._checkpoint import Checkpoint, fingerprint
from sklimb.model_selection._epochs import epochs_of
from sklimb.model_selection._halving import check_halving, halving_size
from sklimb.model_selection._packs import Work
from sklimb.model_selection._progress import SearchBar
from sklimb.model_selection._sizes import best_size, cut


class PackedSearchCV(Documented, BaseSearchCV):
    """Search over parameters with cross-validation, trained as few programs.

    Candidates and folds become members of packs: one training loop for many networks.
    Scores, splits and seeds are those of `GridSearchCV` and `RandomizedSearchCV` with
    the same integer `random_state`; only the training is shared. Where the number of
    networks is "auto" candidates have one, and refitting takes the whole budget.

    Parameters
    ----------
    estimator : sklimb classifier, or Pipeline that ends in one
        The steps before the classifier are fitted once per fold.
    param_grid : dict or list of dict, default=None
        All combinations are tried, or `n_iter` of them.
    param_distributions : dict or list of dict, default=None
        Distributions or lists to draw `n_iter` candidates from. Give one of the two.
    n_iter : int, default=None
        Candidates that are drawn; 10 for distributions if None.
    scoring : str, callable, list, tuple or dict, default=None
        As in `GridSearchCV`.
    cv : int, splitter or iterable, default=5
        As in `GridSearchCV`.
    refit : bool, str or callable, default=True
        As in `GridSearchCV`; the best candidate is fitted again to all rows, alone.
    max_members : int or "auto", default="auto"
        Most networks in one pack. "auto" times a few steps of packs of several sizes
        and takes the fastest; where packing loses that is 1, which is `GridSearchCV`.
        A pack that runs out of memory is split in two.
    n_jobs : int, "auto" or None, default=None
        Packs that train at the same time, by joblib; with
        `joblib.parallel_config("dask")` on other machines. "auto" takes a process of
        one thread for each thread that torch has, if some timed steps say that this
        saves more than their start, and otherwise trains here.
    halving_factor : float, default=None
        At epochs 4, 4 f, 4 f^2, ... only the best 1 / f of a pack's candidates go on,
        by `scoring` on their internal validation rows ("roc_auc", "average_precision",
        "balanced_accuracy" or "neg_log_loss", of several the one of `refit`; else by
        the estimator's `monitor`). The others are scored as they are. None drops none.
    checkpoint : str or path, default=None
        Folder where finished packs are kept: after a crash the same call goes on. One
        process at a time may use it.
    error_score : "raise" or number, default=nan
        Score of a candidate that cannot be fitted or whose loss is not finite in its
        first epoch. The others go on.
    return_train_score : bool, default=False
        Score the training rows too.
    random_state : int, RandomState instance or None, default=None
        Draws the candidates. The networks' seeds are the estimator's `random_state`.
    verbose : int, default=0
        1 shows one progress bar: members done, best score so far, time left.

    Attributes
    ----------
    cv_results_ : dict
        As in `GridSearchCV`. `fit_time` is a member's share of its pack's time;
        `n_epochs` is the mean over folds of the epochs trained.
    best_estimator_, best_params_, best_score_, best_index_ : see `GridSearchCV`
    n_splits_, scorer_, refit_time_, multimetric_ : see `GridSearchCV`
    packs_ : list of list of (int, int)
        Candidate and split of each member of each pack.
    valid_scores_ : array of shape (n_candidates, n_splits, n_epochs)
        Score of `monitor` on held-out rows after each epoch, NaN after the last.
    halved_epochs_ : array of shape (n_candidates,)
        Epoch after which `halving_factor` has dropped a candidate, else NaN.

    Notes
    -----
    What may differ inside a pack: learning rate, weight decay, dropout,
    `smoothing_eps`, `sam_asymmetric_rho` (above 0), `joint_ssl_weight`,
    `frequency_scale`, `class_weight`, seeds and everything about rows. What changes the
    network or the step (width, batch size, sampler, loss) starts another pack.
    Those with skorch callbacks are trained alone. A pack has `max_seconds` per fit.

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.datasets import make_transactions
    >>> from sklimb.model_selection import PackedSearchCV
    >>> data = make_transactions(1000, fraud_rate=0.1, random_state=0)
    >>> clf = TabularMLPClassifier(d_block=16, max_epochs=3, random_state=0)
    >>> grid = {"lr": [1e-3, 1e-2], "sam_asymmetric_rho": [0.0, 0.05]}
    >>> search = PackedSearchCV(clf, grid, cv=3, scoring="roc_auc", max_members=8)
    >>> search = search.fit(data.X, data.y)
    >>> len(search.cv_results_["params"]), [len(pack) for pack in search.packs_]
    (4, [6, 6])
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit"])],
        "param_grid": [dict, list, None],
        "param_distributions": [dict, list, None],
        "n_iter": [Interval(Integral, 1, None, closed="left"), None],
        "scoring": [str, callable, list, tuple, dict, None],
        "cv": ["cv_object"],
        "refit": ["boolean", str, callable],
        "max_members": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "n_jobs": [Integral, StrOptions({"auto"}), None],
        "halving_factor": [Interval(Real, 1, None, closed="neither"), None],
        "checkpoint": [str, HasMethods(["__fspath__"]), None],
        "error_score": [StrOptions({"raise"}), Real],
        "return_train_score": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator,
        param_grid=None,
        *,
        param_distributions=None,
        n_iter=None,
        scoring=None,
        cv=5,
        refit=True,
        max_members="auto",
        n_jobs=None,
        halving_factor=None,
        checkpoint=None,
        error_score=np.nan,
        return_train_score=False,
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.param_grid = param_grid
        self.param_distributions = param_distributions
        self.n_iter = n_iter
        self.scoring = scoring
        self.cv = cv
        self.refit = refit
        self.max_members = max_members
        self.n_jobs = n_jobs
        self.halving_factor = halving_factor
        self.checkpoint = checkpoint
        self.error_score = error_score
        self.return_train_score = return_train_score
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Missing values, categories and strings are the estimator's business.
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, **params):
        """Try all candidates, then fit the best one to all rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        **params : dict
            For the splitter (`groups`), the estimator's `fit` and the scorer, as in
            `GridSearchCV`; arrays of length n_samples are cut to the folds.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            Before training: an estimator that is not sklimb's, parameters that do not
            exist, an empty grid, groups of the wrong length, a checkpoint of another
            search or in use, halving_factor without early stopping. After it: every fit
            failed. The search is then as it was before.
        """
        with all_or_nothing(self):
            self._fit(X, y, params)
        return self

    def _fit(self, X, y, params):
        classifier_of(self.estimator)
        settings = self._candidates()
        # Before any training: parameters that do not exist, or do not go together.
        candidates = [make_candidate(self.estimator, params) for params in settings]
        if self.halving_factor is not None:
            for candidate in candidates:
                check_halving(self.halving_factor, classifier_of(candidate))
        check_scoring_names(self.scoring)
        check_refit(self.refit)
        scorer, refit_metric = self._get_scorers()
        X, y = indexable(as_rows(X), as_column(y, "y"))
        if y is not None:  # no y at all is the classifier's to say
            labels = check_labels(y)
            if np.asarray(y).dtype == object and labels.dtype.kind != "U":
                y = labels  # scikit-learn's scorers know no other objects than text
        params = _check_method_params(X, params=check_weights_of(X, params))
        routed = self._get_routed_params_for_fit(params)
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splits = list(cv.split(X, y, **routed.splitter.split))
        self.n_splits_ = len(splits)
        if not splits:
            raise ValueError(f"cv must yield at least one split, got {short(self.cv)}.")
        fit_params, score_params = routed.estimator.fit, routed.scorer.score
        folds = Folds(X, y, splits, fit_params)
        task = Work(candidates, scorer, score_params, root_seed(None), self)
        params = fit_params, score_params
        n_jobs = self._processes(task, folds)
        with (
            self._open_checkpoint(X, y, splits, settings, params) as checkpoint,
            _workers.one_thread_each(self.n_jobs == "auto" and n_jobs is not None),
        ):
            out = self._train(task, folds, checkpoint, n_jobs)
        _warn_or_raise_about_fit_failures(out, self.error_score)
        if callable(self.scoring):
            _insert_error_scores(out, self.error_score)
        n_epochs, found = epochs_of(out, len(candidates))
        results = self._format_results(
            settings, self.n_splits_, out, {"n_epochs": n_epochs}
        )
        self._choose(results, out[0]["test_scores"], refit_metric)
        if self.refit:
            self._refit(X, y, fit_params)
        multiple = isinstance(scorer, _MultimetricScorer)
        self.scorer_ = scorer._scorers if multiple else scorer
        vars(self).update(found, cv_results_=results)

    def _candidates(self):
        """The parameters of all candidates, in order."""
        given = [
            p for p in (self.param_grid, self.param_distributions) if p is not None
        ]
        if len(given) != 1:
            raise ValueError(
                "PackedSearchCV needs one of param_grid and param_distributions, got "
                f"{'both' if given else 'neither'}."
            )
        n_iter = self.n_iter
        if self.param_grid is not None and n_iter is None:
            check_grid(self.param_grid)
            candidates = list(ParameterGrid(self.param_grid))
        else:
            sampler = ParameterSampler(
                given[0], n_iter or 10, random_state=self.random_state
            )
            candidates = list(sampler)
        if not candidates:
            raise ValueError(
                f"param_grid must hold a candidate, got {short(given[0])}."
            )
        return candidates

    def _open_checkpoint(self, X, y, splits, candidates, params):
        if self.checkpoint is None:
            return Checkpoint(None, {})
        settings = (
            self.error_score,
            self.return_train_score,
            self.halving_factor,
            self.max_members,
        )
        scoring = self.scoring
        prints = fingerprint(
            estimator=(type(self.estimator).__qualname__, self.estimator.get_params()),
            candidates=candidates,
            data=(X, y, params),
            splits=[tuple(np.asarray(part) for part in split) for split in splits],
            scoring=scoring,
            settings=settings,
        )
        return Checkpoint(self.checkpoint, prints)

    def _processes(self, task, folds):
        """`n_jobs`, or what "auto" stands for."""
        if self.n_jobs != "auto":
            return self.n_jobs
        group = groups_of(task.candidates)[0]
        n_fits = len(group) * self.n_splits_
        make_jobs = partial(self._jobs, task, folds, group)
        return _workers.processes_that_pay(make_jobs, n_fits)

    def _train(self, task, folds, checkpoint, jobs):
        """Results of all fits, by candidate and split, in so many joblib jobs."""
        n_jobs = effective_n_jobs(jobs)
        packs = None if checkpoint.plan else self._plan(task, folds, n_jobs)
        task.seed, self.packs_ = checkpoint.begin(task.seed, packs)
        results, waiting = {}, []
        for i, pairs in enumerate(self.packs_):
            finished = checkpoint.finished(i)
            if finished is None:
                waiting.append((i, pairs))
            else:
                results.update(zip(pairs, finished, strict=True))
        bar = SearchBar(self, len(task.candidates), results) if self.verbose else None
        here = bar.within if bar and n_jobs == 1 else None
        for i, found in _workers.run_packs(
            task, folds, waiting, jobs, checkpoint, here
        ):
            results.update(zip(self.packs_[i], found, strict=True))
            if bar:
                bar.finish(self.packs_[i], results)
        if bar:
            bar.close()
        pairs = [
            (c, s) for c in range(len(task.candidates)) for s in range(self.n_splits_)
        ]
        return [dict(results[pair]) for pair in pairs]

    def _plan(self, task, folds, n_jobs):
        """How the fits are cut into packs."""
        groups = groups_of(task.candidates)
        sizes = [
            self._size(task, folds, group, n_jobs)
            if self.max_members == "auto"
            else self.max_members
            for group in groups
        ]
        whole = self.halving_factor is not None
        if whole:
            sizes = [halving_size(n, self.n_splits_, self.max_members) for n in sizes]
        return cut(groups, self.n_splits_, sizes, n_jobs, whole)

    def _size(self, task, folds, group, n_jobs):
        """Members of a pack of this group, measured as its workers will train."""
        n_fits = len(group) * self.n_splits_
        make_jobs = partial(self._jobs, task, folds, group)
        n_threads = torch.get_num_threads()
        try:
            if n_jobs > 1:
                torch.set_num_threads(max(1, min(n_threads, cpu_count() // n_jobs)))
            return best_size(make_jobs, -(-n_fits // n_jobs))
        except Exception:  # a candidate that cannot be fitted is reported as such later
            return n_fits
        finally:
            torch.set_num_threads(n_threads)

    def _jobs(self, task, folds, group, n):
        """The first n fits of a group, ready to be timed."""
        pairs, jobs = [(c, s) for c in group for s in range(self.n_splits_)], []
        for c, split in pairs[:n]:
            candidate = fresh(task.candidates[c], task.seed)
            fit_params = _check_method_params(
                folds.X, params=folds.fit_params, indices=folds.splits[split][0]
            )
            jobs.append(folds.job(candidate, split, fit_params))
        return jobs

    def _choose(self, results, first_scores, refit_metric):
        """best_index_, best_params_ and best_score_, as scikit-learn chooses them."""
        self.multimetric_ = isinstance(first_scores, dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(first_scores)
            refit_metric = self.refit
        if self.refit or not self.multimetric_:
            self.best_index_ = self._select_best_index(
                self.refit, refit_metric, results
            )
            if not callable(self.refit):
                mean = results[f"mean_test_{refit_metric}"]
                self.best_score_ = mean[self.best_index_]
            self.best_params_ = results["params"][self.best_index_]

    def _refit(self, X, y, fit_params):
        best = clone(self.estimator)
        self.best_estimator_ = best.set_params(**clone(self.best_params_, safe=False))
        begin = time.time()
        self.best_estimator_.fit(X, y, **fit_params)
        self.refit_time_ = time.time() - begin
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_
