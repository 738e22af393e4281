"""What processes that start others share."""

from __future__ import annotations

import os
import threading
import time

# Small matrices: threads that wait for each other cost more than they give.
MATH_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
WATCH_S = 0.5  # how often a process looks whether its parent lives


def end_with_the_parent(parent: int) -> None:
    """Let this process end when its parent has; without it the child of a killed process would wait for work for ever.

    Args:
        parent: process number of the parent, taken in the parent.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
