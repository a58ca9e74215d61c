"""Categories of the warnings of sklimb, to be filtered by."""


class InputWarning(UserWarning):
    """X is accepted, but is likely not what was meant, such as another range."""
