"""What a run imports once, beside a window that goes on.

A full garbage collection looks at every object of the process and lets no
other thread run meanwhile. What is imported makes hundreds of thousands of
objects, which start several of them one after the other: the window would
stand still for a third of a second each time. One is enough, at the end.
"""

from __future__ import annotations

import functools
import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Young collections after which older objects are looked at, too: never.
_NEVER: Final = 2**30


@contextmanager
def young_collections() -> Iterator[None]:
    """Return a context in which only new garbage is collected, for imports.

    For one thread at a time. What was made in it counts as old afterwards,
    so that it is not looked at at once, and is collected like all else.
    """
    before = gc.get_threshold()
    gc.set_threshold(before[0], _NEVER, before[2])
    try:
        yield
    finally:
        # Frozen and thawed is old; not where somebody else froze something.
        if gc.get_freeze_count() == 0:
            gc.freeze()
            gc.unfreeze()
        gc.set_threshold(*before)


@functools.cache
def collect_once() -> None:
    """Let the full collection that imports make due come now; once.

    It would otherwise come at some time afterwards, while a person works.
    Nor is another one due soon: the interpreter waits until there are a
    quarter more objects than the last one looked at.
    """
    gc.collect()


@functools.cache
def prepare_labels(dtype: np.dtype[Any]) -> None:
    """Let napari do here what it does for the first labels of a process.

    It imports pandas and compiles its colormap, for which the window would
    stand still for more than a second.

    Parameters
    ----------
    dtype : numpy.dtype
        Of the labels.
    """
    with young_collections():
        from napari.layers import Labels

        Labels(
            np.zeros((2, 2), dtype),
            colormap={0: 'transparent', 1: 'red', None: 'white'},
            features={'index': [0]},
        )
