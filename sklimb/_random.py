"""Seeds of the named streams of random numbers of a fit, without global state."""

import numpy as np
import torch

# The position of a name enters the seeds: append only.
STREAMS = (
    "split",
    "resampling",
    "init",
    "shuffle",
    "noise",
    "member",
    "support",
    "transform",
    "augment",
    "views",
    "projector",
    "pretraining",
    "row_weighting",
    "translation",
    "retrain",
    "posterior",
)


def stream_seed(seed, name, *index):
    """A 63-bit seed for one named stream of `seed`."""
    key = (STREAMS.index(name), *index)
    sequence = np.random.SeedSequence(entropy=int(seed), spawn_key=key)
    # An int first: numpy 1 does not shift a uint64 by an int.
    return int(sequence.generate_state(1, np.uint64)[0]) >> 1


def stream_generator(seed, name, *index, device="cpu"):
    """A torch generator for one named stream of `seed`."""
    generator = torch.Generator(device=device)
    generator.manual_seed(stream_seed(seed, name, *index))
    return generator


def root_seed(random_state):
    """The integer from which all seeds of a fit are derived."""
    if isinstance(random_state, (int, np.integer)) and random_state >= 0:
        return int(random_state)
    if random_state is None:
        random_state = np.random.default_rng()
        return int(random_state.integers(2**31 - 1))
    return int(random_state.randint(2**31 - 1))


def member_seeds(seed, n_members):
    """One integer seed per member; that of member 0 is `seed` itself.

    So a single fit with `random_state=member_seeds(seed, K)[k]` draws the numbers of
    member k of the pack; the internal split and one-off re-sampling, which all members
    share, depend on `seed` alone.
    """
    others = [stream_seed(seed, "member", k) >> 32 for k in range(1, n_members)]
    return np.array([seed, *others], dtype=np.int64)
