"""Parts of a run that go well or wrong, in processes that import nothing else."""

import os
import time


def fine(emit):
    emit("first", value=1.0)
    emit("second", value=2.0)
    emit("first", other=3.0)


def raises(emit):
    emit("first", value=1.0)
    raise ValueError("what went wrong")


def crashes(emit):
    emit("first", value=1.0)
    os._exit(3)


def hangs(emit, path):
    emit("first", value=1.0)
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(60)
