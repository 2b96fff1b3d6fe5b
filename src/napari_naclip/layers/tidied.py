"""Clean labels into a result, where nobody has edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.engine.types import Region
from napari_naclip.layers.labels import write_steps
from napari_naclip.layers.snapshot import PlaneSnapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator

    import numpy.typing as npt

    from napari_naclip.layers.labels import Result

#: Pixels that are looked at at a time.
_PIECE: Final = 250_000


def own_plane(result: Result, plane: tuple[int | slice, ...]) -> PlaneSnapshot:
    """Return a plane of a result's layer, along the axes of its data.

    Parameters
    ----------
    result : Result
    plane : tuple of int or slice
        See ``areas.shown_plane``.
    """
    data = result.labels.data
    return PlaneSnapshot(
        data=data,
        index=plane,
        is_transposed=False,
        shape=tuple(data.shape),
        level=0,
        downsample_factors=(1.0,) * data.ndim,
        contrast_limits=(0.0, 1.0),
        gamma=1.0,
    )


def write_clean(
    result: Result,
    plane: tuple[int | slice, ...],
    before: npt.NDArray[Any],
    after: npt.NDArray[Any],
    locked: Callable[[], Collection[int]] = frozenset,
) -> Generator[None, None, tuple[int, int]]:
    """Write what a clean-up changed; return pixels changed, and kept ones.

    Pixels that have changed since the clean-up began stay as they are.

    Parameters
    ----------
    result : Result
    plane : tuple of int or slice
        Of its layer; see ``areas.shown_plane``.
    before, after : (H, W) integer arrays
        The plane's labels when the clean-up began, and clean ones.
    locked : callable
        Returns the values of the classes that are locked now: they may
        change between two pieces.

    Yields
    ------
    None
        After each piece, a millisecond or so; seen when all are written, or
        when the rest is left.

    Returns
    -------
    changed, kept : int
        Kept are edited pixels that would have changed.
    """
    snapshot = own_plane(result, plane)
    wanted = np.zeros(before.shape, bool)

    def read(rows: slice) -> npt.NDArray[Any]:
        # Anew each time: what is on a disk gives copies.
        end = min(rows.stop, len(before))
        at = snapshot.index_of(Region(rows.start, 0, end, before.shape[1]))
        return np.asarray(result.labels.data[at])

    step = max(1, _PIECE // max(1, before.shape[1]))
    for top in range(0, len(before), step):
        rows = slice(top, top + step)
        np.not_equal(before[rows], after[rows], out=wanted[rows])
        wanted[rows] &= read(rows) == before[rows]
        yield
    kept = None
    while kept is None:
        kept = yield from _write_while_locked(
            result, snapshot, after, wanted, locked
        )
    changed = 0
    for top in range(0, len(before), step):
        rows = slice(top, top + step)
        wanted[rows] &= read(rows) == after[rows]
        changed += int(np.count_nonzero(wanted[rows]))
        yield
    return changed, kept


def _write_while_locked(
    result: Result,
    snapshot: PlaneSnapshot,
    labels: npt.NDArray[Any],
    wanted: npt.NDArray[np.bool_],
    locked: Callable[[], Collection[int]],
) -> Generator[None, None, int | None]:
    """Write as ``write_steps`` does; None once other classes are locked."""
    values = frozenset(locked())
    steps = write_steps(
        result, snapshot, labels, None, wanted, values, is_answer=False
    )
    try:
        while frozenset(locked()) == values:
            next(steps)
            yield
    except StopIteration as stop:
        kept: int = stop.value
        return kept
    finally:
        # What is written is seen.
        steps.close()
    return None


def flat_plane(at: tuple[int | slice, ...]) -> tuple[slice, slice]:
    """Return rows and columns of what selects a part of a plane."""
    rows, columns = (each for each in at if isinstance(each, slice))
    return rows, columns
