"""Processor seconds that a competitor has left."""

import time


class Clock:
    """The processor time of this process since a competitor began.

    Parameters
    ----------
    budget : float
        Processor seconds.
    """

    def __init__(self, budget):
        self.budget, self._begin = budget, time.process_time()

    @property
    def used(self):
        return time.process_time() - self._begin

    @property
    def left(self):
        return self.budget - self.used

    def timed(self, function):
        """The result of a call and the processor seconds that it took."""
        begin = time.process_time()
        result = function()
        return result, time.process_time() - begin
