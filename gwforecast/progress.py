"""The progress of long work: the form of a callback, and its arithmetic."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "further"]


class Progress(Protocol):
    """A callable that is told of the progress of long work; drawing it is the caller's affair."""

    def __call__(self, task: str, done: int, total: int) -> None:
        """Take the name of the work, and how many of how many parts are done."""


def further(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Return a progress that counts what was done before it, out of a larger total."""
    if progress is None:
        return None

    whole = total

    def told(task: str, done: int, total: int) -> None:  # noqa: ARG001
        progress(task, before + done, whole)

    return told
