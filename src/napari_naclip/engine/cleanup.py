"""Labels without specks: small objects and holes go to what is around them.

An object is a connected component of one label, neighbors being the pixels
above, below, left and right. Everything is decided on the graph of objects
and their common borders, so that pixels are looked at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.engine.errors import OutOfMemoryError
from napari_naclip.engine.outputs import row_bands, stored
from napari_naclip.engine.store.budgets import free_memory

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt

    Labels = npt.NDArray[np.unsignedinteger]
    Integers = npt.NDArray[np.integer[Any]]
    Numbers = npt.NDArray[Any]


#: Rows of which runs are numbered at a time.
_ROWS: Final = 256
#: Bytes that a pixel takes beside the labels before and after, and about what
#: a run of equal pixels in a row takes (120 to 430 were measured).
_PIXEL_BYTES: Final = 6
_RUN_BYTES: Final = 300


def clean(
    labels: Labels,
    *,
    min_object: int = 0,
    max_hole: int = 0,
    values: Collection[int] | None = None,
) -> Labels:
    """Return labels without small objects, then without small holes.

    Parameters
    ----------
    labels : (H, W) uint8 or uint16 array
        Left as it is.
    min_object : int
        Objects of fewer pixels get the label with which they share the
        longest border, from the large ones inward; 0: none. The largest
        object of all stays in any case.
    max_hole : int
        Objects of fewer pixels that lie within a single other label, away
        from the edge of the array, get that label; 0: none.
    values : collection of int, optional
        Labels whose small objects go, and whose holes are filled; all by
        default.

    Returns
    -------
    (H, W) array
        Of the same dtype; the same array where nothing is wanted.

    Raises
    ------
    OutOfMemoryError
        If it takes more memory than is free; before any of it is taken.

    Notes
    -----
    An object may reach from one corner of the image to another, so that this
    alone is not done in bands: the labels and their runs are in memory at
    once, also where the array itself is on the disk. That is 8 bytes a pixel
    (10 of uint16) and about 300 for each run of equal pixels in a row: 9 to
    16 bytes a pixel in all for labels without noise.
    """
    given = labels
    if min_object > 1 or max_hole > 1:
        _check_memory(labels)
        labels = np.asarray(labels)
    if min_object > 1 and labels.size:
        found = _find_objects(labels)
        stays = found.areas >= min_object
        stays[np.argmax(found.areas)] = True
        stays |= ~_is_one_of(found.labels, values)
        labels = _merge_objects(found, stays, labels.shape)
    if max_hole > 1 and labels.size:
        labels = _fill_holes(labels, max_hole, values)
    return given if labels is given else stored(labels, given)


def keep_largest(
    labels: Labels, values: Collection[int] | None = None
) -> Labels:
    """Return labels of which each has but its largest object.

    The others get the label with which they share the longest border, from
    those that stay inward. Of equally large objects the first stays.

    Parameters
    ----------
    labels : (H, W) uint8 or uint16 array
        Left as it is.
    values : collection of int, optional
        Labels that this is about; all by default.

    Returns
    -------
    (H, W) array
        Of the same dtype.

    Raises
    ------
    OutOfMemoryError
        If it takes more memory than is free; see ``clean``.
    """
    if not labels.size:
        return labels
    _check_memory(labels)
    found = _find_objects(labels)
    # Of each label, the last of this order is its largest, first object.
    order = np.lexsort(
        (-np.arange(len(found.areas)), found.areas, found.labels)
    )
    is_last = np.append(np.diff(found.labels[order].astype(int)) != 0, True)
    stays = ~_is_one_of(found.labels, values)
    stays[order[is_last]] = True
    return _merge_objects(found, stays, labels.shape)


def _check_memory(labels: Labels) -> None:
    """Raise ``OutOfMemoryError`` if objects need more than is free."""
    height, width = labels.shape
    runs = height
    for rows in row_bands(labels):
        band = np.asarray(labels[rows])
        runs += int(np.count_nonzero(band[:, 1:] != band[:, :-1]))
    pixel = _PIXEL_BYTES + 2 * labels.dtype.itemsize
    needed = pixel * height * width + _RUN_BYTES * runs
    free = free_memory()
    if needed > free:
        raise OutOfMemoryError(
            f'To find the objects among {height} x {width} labels takes '
            f'{needed / 1e9:.1f} GB of memory; {free / 1e9:.1f} GB are free. '
            'Close other programs, label a region, or leave small objects '
            'and holes as they are.'
        )


def _is_one_of(
    labels: Labels, values: Collection[int] | None
) -> npt.NDArray[np.bool_]:
    if values is None:
        return np.ones(labels.shape, bool)
    return np.isin(labels, list(values))


@dataclass(slots=True)
class _Objects:
    """The objects of an array of labels, in the order of their first pixel.

    Attributes
    ----------
    of_run : (R,) int array
        Object of each run of equal pixels in a row.
    lengths : (R,) int array
        Pixels of each run.
    labels, areas : (N,) array
    starts : (N + 1,) int array
        Where the neighbors of each object begin.
    neighbors : (E,) int array
        Objects that have a border with it.
    borders : (E,) array
        Its length in sides of pixels.
    at_edge : (N,) bool array
        Whether the object touches the edge of the array.
    """

    of_run: Integers
    lengths: Integers
    labels: Labels
    areas: Numbers
    starts: Integers
    neighbors: Integers
    borders: Numbers
    at_edge: npt.NDArray[np.bool_]

    def edges_of(self, objects: Integers) -> tuple[Integers, Integers]:
        """Return the edges of some objects, and whose each is."""
        starts = self.starts[objects]
        counts = self.starts[objects + 1] - starts
        ends = np.cumsum(counts)
        edges = np.arange(ends[-1]) + np.repeat(starts - ends + counts, counts)
        return np.repeat(objects, counts), edges

    def paint(self, labels: Labels, shape: tuple[int, int]) -> Labels:
        """Return the array in which objects have these labels."""
        return np.repeat(labels[self.of_run], self.lengths).reshape(shape)


def _find_objects(labels: Labels) -> _Objects:
    height, width = labels.shape
    starts = np.ones(labels.shape, bool)
    np.not_equal(labels[:, 1:], labels[:, :-1], out=starts[:, 1:])
    first = np.flatnonzero(starts)
    lengths = np.diff(first, append=labels.size)
    values = labels.ravel()[first]
    # Runs above each other: another pair wherever one of the two begins.
    runs = _number(starts)
    places = np.flatnonzero(starts[:-1] | starts[1:])
    sides = np.diff(places, append=(height - 1) * width)
    above, below = runs[places], runs[places + width]
    is_equal = values[above] == values[below]
    roots = _join(above[is_equal], below[is_equal], len(first))
    is_root = roots == np.arange(len(roots))
    of_run = (np.cumsum(is_root) - 1)[roots]
    count = int(np.count_nonzero(is_root))
    # Neighbors in a row differ always, those in a column where not equal.
    beside = np.flatnonzero(first % width)
    differ = ~is_equal
    one = of_run[np.concatenate([beside - 1, above[differ]])]
    other = of_run[np.concatenate([beside, below[differ]])]
    sides = np.concatenate([np.ones(len(beside), np.int64), sides[differ]])
    keys, where = np.unique(
        np.concatenate([one * count + other, other * count + one]),
        return_inverse=True,
    )
    at_edge = np.zeros(count, bool)
    ends = runs.reshape(labels.shape)
    for line in (ends[0], ends[-1], ends[:, 0], ends[:, -1]):
        at_edge[of_run[line]] = True
    return _Objects(
        of_run=of_run,
        lengths=lengths,
        labels=values[is_root],
        areas=np.bincount(of_run, weights=lengths, minlength=count),
        starts=np.searchsorted(keys, np.arange(count + 1) * count),
        neighbors=keys % count,
        borders=np.bincount(where, weights=np.tile(sides, 2)),
        at_edge=at_edge,
    )


def _number(starts: npt.NDArray[np.bool_]) -> Integers:
    """Return the run, from 0 on, of every pixel of an array, flat."""
    runs = np.empty(starts.shape, np.int32)
    before = -1
    # Other threads wait while numpy adds up: some rows at a time.
    for top in range(0, len(starts), _ROWS):
        rows = slice(top, top + _ROWS)
        part = np.cumsum(starts[rows], dtype=np.int32).reshape(
            starts[rows].shape
        )
        np.add(part, before, out=runs[rows])
        before = int(runs[rows][-1, -1])
    return runs.ravel()


def _join(one: Integers, other: Integers, count: int) -> Integers:
    """Return the first of all runs that each is connected with."""
    roots = np.arange(count)
    while len(one):
        low = np.minimum(roots[one], roots[other])
        high = np.maximum(roots[one], roots[other])
        is_open = low != high
        one, other = one[is_open], other[is_open]
        np.minimum.at(roots, high[is_open], low[is_open])
        while True:
            further = roots[roots]
            if np.array_equal(further, roots):
                break
            roots = further
    return roots


def _merge_objects(
    found: _Objects, stays: npt.NDArray[np.bool_], shape: tuple[int, int]
) -> Labels:
    """Give all objects that do not stay to their neighbors."""
    now = found.labels.copy()
    is_done = stays.copy()
    newest = np.flatnonzero(is_done)
    base = int(now.max()) + 1
    while len(newest):
        # Who waits and now has neighbors that do not: these are all the
        # newest, or it would not have waited until now.
        owners, edges = found.edges_of(newest)
        waiting = found.neighbors[edges]
        is_open = ~is_done[waiting]
        # The sides that each label offers; the longest, else the smallest.
        keys, where = np.unique(
            waiting[is_open] * base + now[owners[is_open]],
            return_inverse=True,
        )
        totals = np.bincount(
            where, weights=found.borders[edges[is_open]], minlength=len(keys)
        )
        waiting, offers = np.divmod(keys, base)
        order = np.lexsort((offers, -totals, waiting))
        newest, best = np.unique(waiting[order], return_index=True)
        now[newest] = offers[order][best]
        is_done[newest] = True
    return found.paint(now, shape)


def _fill_holes(
    labels: Labels, limit: int, values: Collection[int] | None
) -> Labels:
    while True:
        found = _find_objects(labels)
        if len(found.areas) == 1:
            return labels
        now, starts = found.labels.copy(), found.starts
        around = now[found.neighbors]
        least = np.minimum.reduceat(around, starts[:-1])
        is_within_one = least == np.maximum.reduceat(around, starts[:-1])
        is_hole = is_within_one & (found.areas < limit) & ~found.at_edge
        is_hole &= _is_one_of(least, values)
        holes = np.flatnonzero(is_hole)
        if not len(holes):
            return labels
        # An object comes after the one that encloses it, and that may have
        # been filled just now.
        for index in holes:
            own = found.neighbors[starts[index] : starts[index + 1]]
            now[index] = now[own[0]]
        labels = found.paint(now, labels.shape)
