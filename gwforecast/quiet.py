"""TensorFlow without the messages of its start."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet_start"]


NONE = "3"  # level of TensorFlow's log without messages


@contextmanager
def quiet_start() -> Iterator[None]:
    """Import TensorFlow, or what imports it, without messages on standard error.

    TensorFlow's libraries write to standard error before any of their settings is read, so the
    file descriptor itself is redirected meanwhile. Where the user has imported TensorFlow already,
    or asks for messages by ``TF_CPP_MIN_LOG_LEVEL``, nothing is changed.
    """
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", NONE)  # read at the first message
    if "tensorflow" in sys.modules or level != NONE:
        yield
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
