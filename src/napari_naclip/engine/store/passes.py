"""What leaves first: whole passes over windows, and of one pass its end.

Windows are used one after the other, again and again from the first to the
last. Where there is a little less room than an image takes, to let the least
recently used window go would let each go shortly before it is needed, and
find none. So the passes are ordered by when they began, and what comes late
in a pass leaves before what came early: the next pass finds as much as there
is room for.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from napari_naclip.engine.store.features import FeatureStore
    from napari_naclip.engine.store.memory import Tokens

#: Uses of one pass at most, as far as ranks of the pass before are below.
_MOST_USES: Final = 2**20
#: Nanoseconds after which a pass is as if it began now, where others have
#: begun since: what it keeps would else leave before all of theirs.
_LONG: Final = 600 * 10**9


class Ranks:
    """The ranks of uses of windows; the lowest leaves first.

    They are nanoseconds of the clock, so that those of several processes can
    be compared. Not thread-safe: ``FeatureStore`` holds a lock.
    """

    def __init__(self) -> None:
        self._highest = 0

    def next(self, during: Pass | None, others: int) -> int:
        """Return the rank of a use.

        Parameters
        ----------
        during : Pass or None
            The pass that it belongs to; None: one of its own.
        others : int
            The highest rank that other processes are known to have used.
        """
        now = time.time_ns()
        if during is None:
            self._highest = max(self._highest + 1, now)
            return self._highest
        latest = max(self._highest, others)
        if during.start < min(latest, now - _LONG) or not during.start:
            self._highest = max(self._highest + _MOST_USES, now)
            during.start, during.uses = self._highest, 0
        during.uses += 1
        return during.start - during.uses


class Pass:
    """A store, as one pass over windows uses it.

    As a context, it takes in all that begins within, such as the planes of a
    stack; what begins later is a pass of its own.

    Parameters
    ----------
    store : FeatureStore

    Attributes
    ----------
    start : int
        The rank that those of its uses are below; 0 before the first use.
    uses : int
    """

    def __init__(self, store: FeatureStore) -> None:
        self._store = store
        self._is_open = False
        self.start = self.uses = 0

    def get(self, key: bytes) -> Tokens | None:
        """Return the tokens of a window; see ``FeatureStore.get``."""
        return self._store.get(key, self)

    def put(self, key: bytes, tokens: Tokens) -> None:
        """Keep the tokens of a window; see ``FeatureStore.put``."""
        self._store.put(key, tokens, self)

    def begin(self) -> Pass:
        """Return itself within its context, else a new one."""
        return self if self._is_open else self._store.begin()

    def __enter__(self) -> Self:
        self._is_open = True
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_open = False
