"""Parts of a call side by side in as many threads as torch has.

Short products gain nothing from torch's own threads: of 256 rows two of them are hardly
faster than one, and where other programs want the processor they are many times slower,
because they wait for each other in each product. So many blocks of rows are shared out
among Python threads, in each of which torch has one: numpy and torch hold Python's lock
for little of the time. `torch.set_num_threads(1)` keeps a call in one thread.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError

import torch


def in_threads(function, parts):
    """`[function(part) for part in parts]`, several at a time.

    With one thread of torch, or one part, they are called here, one after the other.

    Parameters
    ----------
    function : callable
        It changes nothing but what belongs to its part. Where gradients are off, they
        are off for it too.
    parts : list
    """
    n_threads = min(torch.get_num_threads(), len(parts))
    if n_threads < 2:
        return [function(part) for part in parts]
    n_of_torch, grad = torch.get_num_threads(), torch.is_grad_enabled()
    ready = Barrier(n_threads + 1)

    def begin():
        # Of this thread; asked before, or torch would take the number of all anew.
        torch.get_num_threads()
        torch.set_num_threads(1)
        with suppress(BrokenBarrierError):
            ready.wait()

    def call(part):
        with torch.set_grad_enabled(grad):
            return function(part)

    with ThreadPoolExecutor(n_threads, initializer=begin) as pool:
        try:
            results = pool.map(call, parts)
            ready.wait()
        finally:  # Ctrl-C must leave no thread that waits
            ready.abort()
            torch.set_num_threads(n_of_torch)
        return list(results)
