"""Objects of a class, those that touch each other apart, and their table.

The distance of each pixel from the border has a peak in the middle of each
object; watersheds from the peaks meet where objects are narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_naclip.engine.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]
    Ids = npt.NDArray[np.int32]

#: What separates numbers of neighbors in one number of both.
_BASE = 2**31
#: Rows that are measured at a time.
_STRIP = 256


@dataclass(frozen=True, slots=True)
class Splitting:
    """How objects that touch each other are told apart.

    Attributes
    ----------
    min_distance : float
        Pixels between the middles of two objects, at least 1.
    min_area : float
        Objects of fewer pixels are left out; a part that is smaller stays
        with its neighbor.
    neck : float
        0 to 1. Two parts stay one object where the neck between them is
        wider than this share of the narrower one: 0 parts nothing, 1 all
        that has peaks of its own.
    """

    min_distance: float = 10.0
    min_area: float = 0.0
    neck: float = 0.75

    def __post_init__(self) -> None:
        if not (self.min_distance >= 1 and self.min_area >= 0):
            raise InputError(
                'Middles of objects must be at least 1 px apart, and a size '
                'cannot be below 0. Choose larger numbers.'
            )
        if not 0 <= self.neck <= 1:
            raise InputError(
                f'The neck is {self.neck}; it must be 0 to 1. Choose another.'
            )


@dataclass(frozen=True, slots=True)
class ObjectTable:
    """What is known of objects: one entry of each array for each of them.

    Attributes
    ----------
    ids : (N,) int array
        Their values in the array of objects.
    pixels : (N,) int array
    centroids : (N, 2) float array
        Mean row and column of their pixels.
    boxes : (N, 4) int array
        Top, left, bottom and right; the last two are not part of it.
    confidences : (N,) float array
        Mean confidence, 0 to 1; NaN where it is not known.
    values : (N,) int array
        Label values of their classes.
    """

    ids: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int64]
    centroids: npt.NDArray[np.float64]
    boxes: npt.NDArray[np.int64]
    confidences: npt.NDArray[np.float64]
    values: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)


def split(
    labels: npt.NDArray[np.integer[Any]],
    values: tuple[int, ...],
    splitting: Splitting,
    *,
    first: int = 1,
    is_stopped: Callable[[], bool] = bool,
    tell: Callable[[float], object] = lambda _share: None,
) -> Ids:
    """Return the objects of some classes, each with a value of its own.

    Parameters
    ----------
    labels : (H, W) integer array
    values : tuple of int
        Classes; objects of different ones never mix.
    splitting : Splitting
    first : int
        Value of the first object.
    is_stopped : callable, optional
        True ends it early; what is returned then is unfinished.
    tell : callable, optional
        Gets the share, 0 to 1, of the objects that are done.

    Returns
    -------
    (H, W) int32 array
        0 where there is no object. Pixels that touch only at a corner belong
        to one object, too.
    """
    from scipy import ndimage

    ids = np.zeros(labels.shape, np.int32)
    for place, value in enumerate(values):
        mask = labels == value
        found, _ = ndimage.label(mask, np.ones((3, 3)))
        boxes = ndimage.find_objects(found)
        for index, box in enumerate(boxes, start=1):
            if is_stopped():
                return ids
            own = found[box] == index
            parts = _split_one(own, box, labels.shape, splitting)
            if parts is None:
                continue
            np.copyto(ids[box], parts + (first - 1), where=own)
            first += int(parts.max())
            tell((place + index / len(boxes)) / len(values))
    return ids


def _split_one(
    own: Mask,
    box: tuple[slice, slice],
    shape: tuple[int, ...],
    splitting: Splitting,
) -> Ids | None:
    """Return the parts, from 1 on, of what hangs together; 0 elsewhere.

    None where it is too small.
    """
    from scipy import ndimage
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    if np.count_nonzero(own) < max(1.0, splitting.min_area):
        return None
    # What lies around the box is no part of it, except beyond the edge of
    # the array: nothing is known there.
    around = [
        (int(side.start > 0), int(side.stop < length))
        for side, length in zip(box, shape, strict=True)
    ]
    padded = np.pad(own, around)
    if padded.all():
        return own.astype(np.int32)
    distance = ndimage.distance_transform_edt(padded).astype(np.float32)
    peaks = peak_local_max(
        distance,
        min_distance=max(1, round(splitting.min_distance)),
        exclude_border=False,
        labels=padded.astype(np.int32),
    )
    if len(peaks) <= 1:
        return own.astype(np.int32)
    markers = np.zeros(padded.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    # Corners connect, so that every pixel is reached.
    parts = watershed(-distance, markers, np.ones((3, 3)), mask=padded)
    parts = _join(parts.astype(np.int32), distance, splitting)
    inner = tuple(
        slice(before, before + side)
        for (before, _), side in zip(around, own.shape, strict=True)
    )
    joined: Ids = parts[inner]
    return joined


def _join(
    parts: Ids, distance: npt.NDArray[np.float32], splitting: Splitting
) -> Ids:
    """Join parts that no neck parts, or that are too small for themselves."""
    count = int(parts.max())
    areas = np.bincount(parts.ravel(), minlength=count + 1).astype(float)
    peaks = np.zeros(count + 1, np.float32)
    # In strips: other threads wait for each.
    for top in range(0, len(parts), _STRIP):
        strip = slice(top, top + _STRIP)
        np.maximum.at(peaks, parts[strip], distance[strip])
    pairs, necks = _find_necks(parts, distance)
    roots = np.arange(count + 1)

    def find(part: int) -> int:
        while roots[part] != part:
            roots[part] = roots[roots[part]]
            part = int(roots[part])
        return part

    def unite(one: int, other: int) -> None:
        high, low = (
            (one, other) if peaks[one] >= peaks[other] else (other, one)
        )
        roots[low] = high
        areas[high] += areas[low]

    # From the widest neck on: what is joined has the higher of two peaks.
    order = np.argsort(-necks, kind='stable')
    for (a, b), neck in zip(pairs[order], necks[order], strict=True):
        one, other = find(int(a)), find(int(b))
        lower = min(peaks[one], peaks[other])
        if one != other and neck > splitting.neck * lower:
            unite(one, other)
    # Small ones go over their widest neck, until there is none.
    is_open = True
    while is_open:
        is_open = False
        for a, b in pairs[order]:
            one, other = find(int(a)), find(int(b))
            if one != other and min(areas[one], areas[other]) < (
                splitting.min_area
            ):
                unite(one, other)
                is_open = True
    kept = np.array([find(part) for part in range(count + 1)])
    _, numbers = np.unique(kept, return_inverse=True)
    return numbers.astype(np.int32)[parts]


def _find_necks(
    parts: Ids, distance: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return which parts touch, (P, 2), and half the width there, (P,)."""
    height, width = parts.shape
    keys, sides = [], []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        left = slice(0, width - abs(right))
        moved = slice(abs(right), width)
        one = (slice(0, height - down), left if right >= 0 else moved)
        other = (slice(down, height), moved if right >= 0 else left)
        first, second = parts[one], parts[other]
        is_border = (first != second) & (first > 0) & (second > 0)
        a, b = first[is_border].astype(np.int64), second[is_border]
        keys.append(np.minimum(a, b) * _BASE + np.maximum(a, b))
        sides.append(np.minimum(distance[one], distance[other])[is_border])
    pairs, where = np.unique(np.concatenate(keys), return_inverse=True)
    necks = np.zeros(len(pairs), np.float32)
    np.maximum.at(necks, where, np.concatenate(sides))
    return np.stack([pairs // _BASE, pairs % _BASE], axis=1), necks


def measure(
    ids: Ids,
    labels: npt.NDArray[np.integer[Any]],
    confidence: npt.NDArray[np.floating[Any]] | None = None,
) -> ObjectTable:
    """Return the table of the objects of a plane.

    Parameters
    ----------
    ids : (H, W) int32 array
        See ``split``.
    labels : (H, W) integer array
        From which they were made.
    confidence : (H, W) float array, optional
        0 to 1, or NaN where it is not known; such pixels do not count.
    """
    from scipy import ndimage

    is_object = ids > 0
    if not is_object.any():
        return _empty_table()
    # Values of a later plane do not begin at 1.
    first = int(np.min(ids, where=is_object, initial=np.iinfo(np.int32).max))
    numbers = np.where(is_object, ids - (first - 1), 0)
    boxes = ndimage.find_objects(numbers)
    count = len(boxes)
    # Pixels, their rows, columns and confidences, and those that have one.
    sums = np.zeros((5, count + 1))
    values = np.zeros(count + 1, np.int64)
    for top in range(0, len(ids), _STRIP):
        strip = slice(top, top + _STRIP)
        rows, columns = np.nonzero(is_object[strip])
        own = numbers[strip][rows, columns]
        values[own] = labels[strip][rows, columns]
        weights: list[npt.NDArray[Any] | None] = [None, rows + top, columns]
        if confidence is not None:
            sure = confidence[strip][rows, columns].astype(float)
            is_known = np.isfinite(sure)
            weights += [np.where(is_known, sure, 0.0), is_known]
        for total, weight in zip(sums, weights, strict=False):
            total += np.bincount(own, weight, minlength=count + 1)
    kept = np.flatnonzero(sums[0])
    pixels, rows, columns, sure, known = sums[:, kept]
    with np.errstate(invalid='ignore'):
        confidences = sure / known
    return ObjectTable(
        ids=kept + (first - 1),
        pixels=pixels.astype(np.int64),
        centroids=np.stack([rows / pixels, columns / pixels], axis=1),
        boxes=np.array(
            [
                [each.start for each in boxes[number - 1]]
                + [each.stop for each in boxes[number - 1]]
                for number in kept
            ]
        ),
        confidences=confidences,
        values=values[kept],
    )


def _empty_table() -> ObjectTable:
    nothing = np.zeros(0, np.int64)
    return ObjectTable(
        ids=nothing,
        pixels=nothing,
        centroids=np.zeros((0, 2)),
        boxes=np.zeros((0, 4), np.int64),
        confidences=np.zeros(0),
        values=nothing,
    )
