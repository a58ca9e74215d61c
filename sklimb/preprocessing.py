"""TabularEncoder: tables with numbers, categories and missing values as one matrix."""

import copy
from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sklimb._compat import Interval, StrOptions, _fit_context
from sklimb._documentation import Documented
from sklimb.inputs import column_warnings
from sklimb.inputs.column_encodings import (
    CategoricalColumn,
    columns_from_state,
    columns_to_state,
    output_names,
)
from sklimb.inputs.encoded_table import encoded_matrix, learned_columns
from sklimb.inputs.table import read_table
from sklimb.inputs.weights import check_weights
from sklimb.persistence.saved_encoder import SavedEncoder


class TabularEncoder(Documented, SavedEncoder, TransformerMixin, BaseEstimator):
    """Encode a table with numbers, categories and missing values as one matrix.

    The columns of the output are, in this order: every numeric column, transformed;
    one 0/1 indicator for every numeric column that had missing values in training;
    the codes of every categorical column (or, with ``category_encoding="onehot"``,
    one 0/1 column per code). Everything is learned from the rows given to ``fit``.

    Parameters
    ----------
    categorical_features : "from_dtype", None or array-like of {bool, int, str}, \
            default="from_dtype"
        Which columns are categories.

        - "from_dtype": the columns of a pandas or polars data frame with a category,
          enum or string type, or with an object type that holds strings only. All
          columns of any other input are numeric.
        - None: no column; strings are refused.
        - array-like: names, integer indices or a boolean mask of the categorical
          columns.
    numeric_transform : {"quantile", "standard", "robust"} or None, default="quantile"
        What is done to numeric columns. "quantile" maps the weighted mid-ranks of
        the training values through the inverse normal distribution function and
        scales the result to mean 0 and variance 1; values outside the training range
        are clamped. "standard" subtracts the weighted mean and divides by the
        weighted standard deviation. "robust" subtracts the weighted median and
        divides by the distance of the quartiles / 1.349 (where one value has half of
        the weight, it takes mean and standard deviation), and brings the result z
        within 3 by z / sqrt(1 + (z / 3)**2). None leaves the values alone. A missing
        value becomes the training mean (0 in the first three cases), and a column
        with a single training value becomes zeros.
    n_quantiles : int, default=1000
        Largest number of knots per column of the "quantile" transform. Columns with
        at most this many distinct values are mapped exactly.
    min_frequency : float or int, default=0.0005
        A category gets a code of its own if its share of the training weight
        (float), or its training weight (int), is at least this much. All other
        categories, and those not seen in training, share code 0. Values are those of
        training if they are equal or have one text, whatever their types: 10115,
        10115.0 and "10115" are one category, and so are True and "True"; "010" is not
        10, and "1" is not True.
    category_encoding : {"ordinal", "onehot"}, default="ordinal"
        "ordinal" gives one column of codes per categorical column, "onehot" one 0/1
        column per code.
    dtype : {"float32", "float64"}, default="float32"
        Type of the output.

    Attributes
    ----------
    n_features_in_ : int
        Number of input columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the input columns. Set only if all of them are strings.
    numeric_columns_ : ndarray of int
        Indices of the numeric input columns.
    categorical_columns_ : ndarray of int
        Indices of the categorical input columns.
    indicator_columns_ : ndarray of int
        Indices of the numeric input columns with both missing and other values in
        training: those that have an indicator.
    constant_columns_ : ndarray of int
        Indices of the numeric input columns with at most one distinct value in
        training: those that became zeros.
    categories_ : list of list
        For every categorical column the values with codes 1, 2, ..., sorted. A
        missing value is a category like the others, the last, written None.
    cardinalities_ : tuple of int
        For every categorical column its number of codes, code 0 included.
    n_numeric_ : int
        Number of numeric columns.
    n_indicators_ : int
        Number of missing indicators.

    Warns
    -----
    InputWarning
        In `fit`, of columns without a value, which are ignored, then and later; and of
        categories nearly all of whose values are distinct or rare, or are numbers or
        dates by their text (number, currency, percent, decimal comma, date,
        identifier): nothing is converted by guess. In `transform`, of categorical
        columns of 10 values or more, all unseen, or of fewer where numbers have become
        texts or texts numbers: single new values are what code 0 is for.

    Notes
    -----
    A row of integer weight k gives the same bits as k copies of that row, and rows
    of weight 0 are ignored. Making columns Gaussian by quantiles is the
    pre-processing of Gorishniy et al., "Revisiting Deep Learning Models for Tabular
    Data" (NeurIPS 2021); quantile knots instead of
    :class:`~sklearn.preprocessing.QuantileTransformer` keep prediction fast. "robust"
    is the scaling of RealMLP (Holzmueller et al., "Better by Default", NeurIPS 2024)
    but for the 1.349, which makes normal columns as wide as the others make them, and
    for the mid-ranks.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklimb.preprocessing import TabularEncoder
    >>> X = pd.DataFrame({"age": [20, 30, None], "job": ["cook", "clerk", "cook"]})
    >>> encoder = TabularEncoder().set_output(transform="pandas")
    >>> encoder.fit_transform(X)
       age  age_missing  job
    0 -1.0          0.0  2.0
    1  1.0          0.0  1.0
    2  0.0          1.0  2.0
    """

    _parameter_constraints: dict = {  # noqa: RUF012
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "numeric_transform": [StrOptions({"quantile", "standard", "robust"}), None],
        "n_quantiles": [Interval(Integral, 2, None, closed="left")],
        "min_frequency": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="left"),
        ],
        "category_encoding": [StrOptions({"ordinal", "onehot"})],
        "dtype": [StrOptions({"float32", "float64"})],
    }

    def __init__(
        self,
        *,
        categorical_features="from_dtype",
        numeric_transform="quantile",
        n_quantiles=1000,
        min_frequency=0.0005,
        category_encoding="ordinal",
        dtype="float32",
    ):
        self.categorical_features = categorical_features
        self.numeric_transform = numeric_transform
        self.n_quantiles = n_quantiles
        self.min_frequency = min_frequency
        self.category_encoding = category_encoding
        self.dtype = dtype

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Learn the columns, quantiles and categories of the training rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Training rows: a numpy array, a pandas or a polars data frame.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows. Rows of weight 0 are ignored.

        Returns
        -------
        self : TabularEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            If X holds infinite values, dates, durations or complex numbers, has
            duplicate column names, or does not fit `categorical_features`; if a
            weight is negative or all are zero.
        TypeError
            If X is sparse or holds lists, dictionaries or other objects.
        """
        self._fit_read(X, sample_weight)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None, sample_weight=None):
        """Fit to X and return its encoding; X is read only once.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Training rows.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features_out)
            The encoded rows, those of weight 0 too.
        """
        return self._transform_table(self._fit_read(X, sample_weight))

    def transform(self, X):
        """Encode rows as learned from the training rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Rows with the columns of training, in their order.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features_out)
            The encoded rows.
        """
        return self._transform_table(self._read(X, reset=False), "X")

    def get_feature_names_out(self, input_features=None):
        """Names of the output columns, such as "age", "age_missing", "job".

        Parameters
        ----------
        input_features : array-like of shape (n_features_in_,), default=None
            Names of the input columns; by default those of training, or x0, x1, ...

        Returns
        -------
        names : ndarray of shape (n_encoded_columns,), of str objects
            With ``category_encoding="onehot"`` the categories are named like
            "job_cook"; "job_infrequent" is code 0 and "job_missing" a missing value.
        """
        names = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        result = output_names(self._columns, names, self.category_encoding)
        return np.asarray(result, dtype=object)

    def input_report(self, X):
        """Compare every column of X with the training rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Rows to compare.

        Returns
        -------
        report : pandas.DataFrame
            One row per input column: its "kind", and as shares of the rows of X
            "unseen" (categories that no training row had), "missing" and
            "out_of_range" (numbers outside the training range). "missing_train" is
            the share of missing values in training, by weight. NaN where a share
            does not apply.
        """
        return self._report_table(self._read(X, reset=False))

    def _report_table(self, table):
        """input_report of a Table."""
        lines = [
            fitted.compare(column)
            for fitted, column in zip(self._columns, table.columns, strict=True)
        ]
        names = getattr(self, "feature_names_in_", None)
        columns = ["kind", "unseen", "missing", "missing_train", "out_of_range"]
        return pd.DataFrame(lines, columns=columns, index=names)

    def _foreign_rows(self, table):
        """Which rows lie outside the training range in most of their numbers."""
        outside = np.zeros(table.n_rows)
        for i in self.numeric_columns_:
            fitted, values = self._columns[i], table.column(i)
            outside += (values < fitted.low) | (values > fitted.high)
        return outside > 0.5 * max(self.n_numeric_, 1)

    def _read(self, X, *, reset):
        """X as a Table, its columns checked against training unless reset."""
        if reset:
            spec = self.categorical_features
        else:
            check_is_fitted(self)
            spec = self._is_categorical
        return read_table(X, categorical_features=spec, estimator=self, reset=reset)

    def _fit_read(self, X, sample_weight):
        """Fit to X and return it as a Table."""
        fresh = copy.copy(self)  # a refused fit leaves the encoder as it was
        table = fresh._read(X, reset=True)
        if sample_weight is not None:
            sample_weight = check_weights(sample_weight, table.n_rows)
        fresh._fit_table(table, sample_weight)
        vars(self).clear()
        vars(self).update(vars(fresh))
        return table

    def _fit_table(self, table, sample_weight=None):
        """Fit to a Table; rows of weight 0 are dropped."""
        weights = sample_weight
        if weights is not None and not np.all(weights):
            if not np.any(weights):
                raise ValueError("sample_weight must not be zero for all rows.")
            table, weights = table.take(weights > 0), weights[weights > 0]
        if weights is not None and np.all(weights == 1):
            weights = None
        self._columns = learned_columns(
            table,
            weights,
            transform=self.numeric_transform,
            n_quantiles=self.n_quantiles,
            min_frequency=self.min_frequency,
        )
        column_warnings.warn_of_training_columns(table, self._columns, table.names)
        return self._set_attributes(table.names)

    def _fit_sketch(self, sketch, table):
        """Fit to a Sketch of all rows; `table` is a part of them, for warnings."""
        self._columns = sketch.columns(
            self.numeric_transform, self.n_quantiles, self.min_frequency
        )
        column_warnings.warn_of_training_columns(table, self._columns, table.names)
        return self._set_attributes(table.names)

    def _set_attributes(self, names):
        """Set the fitted attributes, all of which follow from the columns."""
        columns = self._columns
        is_categorical = [isinstance(column, CategoricalColumn) for column in columns]
        self._is_categorical = np.array(is_categorical)
        self.n_features_in_ = len(columns)
        if names is None:
            vars(self).pop("feature_names_in_", None)
        else:
            self.feature_names_in_ = np.asarray(names, dtype=object)
        self.categorical_columns_ = np.flatnonzero(self._is_categorical)
        self.numeric_columns_ = np.flatnonzero(~self._is_categorical)
        self.indicator_columns_ = np.array(
            [i for i in self.numeric_columns_ if columns[i].has_indicator], dtype=int
        )
        self.constant_columns_ = np.array(
            [i for i in self.numeric_columns_ if columns[i].scale == 0], dtype=int
        )
        self.categories_ = [columns[i].kept for i in self.categorical_columns_]
        self.cardinalities_ = tuple(len(kept) + 1 for kept in self.categories_)
        self._crowded = np.array([columns[i].crowded for i in self.numeric_columns_])
        self.n_numeric_ = len(self.numeric_columns_)
        self.n_indicators_ = len(self.indicator_columns_)
        return self

    def _transform_table(self, table, name=None):
        """The encoded rows of a Table, warned of by `name` (InputWarning) if given."""
        widths = self.cardinalities_
        if self.category_encoding == "ordinal":
            widths = (1,) * len(widths)
        out, foreign = encoded_matrix(
            table,
            self._columns,
            widths,
            transform=self.numeric_transform,
            encoding=self.category_encoding,
            dtype=self.dtype,
            is_foreign=None if name is None else column_warnings.is_foreign,
        )
        if foreign:
            column_warnings.warn_of_foreign(
                name, foreign, getattr(self, "feature_names_in_", None)
            )
        return out

    def _get_state(self):
        """(JSON-able config, arrays) from which _from_state builds a copy."""
        names = getattr(self, "feature_names_in_", None)
        names = None if names is None else names.tolist()
        # tolist converts arrays and numpy's scalars to Python's types.
        params = {
            name: value if value is None else np.asarray(value).tolist()
            for name, value in self.get_params(deep=False).items()
        }
        columns, arrays = columns_to_state(self._columns, names)
        return {"params": params, "names": names, "columns": columns}, arrays

    @classmethod
    def _from_state(cls, config, arrays):
        """The fitted encoder of a _get_state; its transform gives the same bits."""
        return cls(**config["params"])._take_state(config, arrays)

    def _take_state(self, config, arrays):
        """Take the columns of a _get_state."""
        self._columns = columns_from_state(config["columns"], arrays)
        return self._set_attributes(config["names"])
