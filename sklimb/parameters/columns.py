"""Constructor parameters of the columns of a table."""

from numbers import Integral
from typing import Any

from sklimb._compat import HasMethods, Interval, RealNotInt, StrOptions
from sklimb.parameters.fields import Parameters, parameter


class ColumnParameters(Parameters):
    """Parameters of the encoding of columns."""

    categorical_features: Any = parameter(
        "from_dtype",
        ["array-like", StrOptions({"from_dtype"}), None],
        '"from_dtype", list, mask or None',
        "Categorical columns by dtype (category and strings), names, indices or mask.",
    )
    numeric_transform: str | None = parameter(
        "quantile",
        [StrOptions({"quantile", "standard", "robust"}), None],
        '{"quantile", "standard", "robust"} or None',
        "What is done to numbers: see `TabularEncoder`.",
    )
    min_frequency: Any = parameter(
        0.0005,
        [
            Interval(RealNotInt, 0, 1, closed="left"),
            Interval(Integral, 1, None, closed="left"),
        ],
        "float or int",
        """Categories with a smaller share of the weight (or weight, if int) share a
        code.""",
    )
    checkpoint: Any = parameter(
        None,
        [str, HasMethods(["__fspath__"]), None],
        "str, path or None",
        """Folder where a fit of rows in blocks (a `pyarrow.dataset.Dataset` or a
        callable) keeps the state of its training every minute: after a crash the same
        call reads the rows again and goes on, with the bits of a call that was never
        stopped. The folder is empty again once `fit` has ended.""",
    )
