"""Memory of the process that its C library keeps for later."""

from __future__ import annotations

import ctypes
import functools
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def trim() -> None:
    """Give pages that nothing uses back to the system, where that can be.

    glibc keeps what a thread has freed for the next one of its kind, so that
    the working memory of two threads adds up though they never need it at
    the same time. Other C libraries are left to themselves.
    """
    give_back = _find_trim()
    if give_back is not None:
        give_back(0)


@functools.cache
def _find_trim() -> Callable[[int], int] | None:
    if not sys.platform.startswith('linux'):
        return None
    found: Callable[[int], int] | None = getattr(
        ctypes.CDLL(None), 'malloc_trim', None
    )
    return found
