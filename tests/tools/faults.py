"""Faults of what a test writes to."""

from __future__ import annotations

from collections.abc import Callable


class Faults:
    """Writes, and fails once, after some times.

    Parameters
    ----------
    work : callable
    times : int
    """

    def __init__(self, work: Callable[..., object], times: int) -> None:
        self.work, self.times = work, times

    @property
    def has_failed(self) -> bool:
        """Whether it has."""
        return self.times < 0

    def __call__(self, *args: object) -> None:
        self.times -= 1
        if self.times == -1:
            raise OSError('no room')
        self.work(*args)
