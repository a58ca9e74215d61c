"""Constructor parameters of the columns of a table."""

from numbers import Integral
from typing import Any

from sklimb._compat import Interval, RealNotInt, StrOptions
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
        [StrOptions({"quantile", "standard"}), None],
        '{"quantile", "standard"} or None',
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
