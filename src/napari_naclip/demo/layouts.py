"""How a picture is divided into regions: pure geometry, no materials."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

#: No region is smaller than this share of the picture.
MIN_SHARE: Final = 0.10

#: More regions than this cannot all have their share with some slack.
MAX_REGIONS: Final = 8

_ATTEMPTS: Final = 12

IntArray = npt.NDArray[np.intp]
FloatArray = npt.NDArray[np.float64]


def draw_regions(
    rng: np.random.Generator, height: int, width: int, count: int
) -> IntArray:
    """Divide a picture into blob-like regions.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all chance.
    height, width : int
        Size in pixels; at least `count` pixels in all.
    count : int
        Number of regions, 1 to ``MAX_REGIONS``.

    Returns
    -------
    ndarray of shape (height, width), intp
        Region numbers 0 to `count` - 1. Each has at least ``MIN_SHARE`` of
        the pixels where rounding to whole pixels permits it at all.

    Raises
    ------
    ValueError
        If `count` is out of range or there are fewer pixels than regions.
    """
    if not 1 <= count <= MAX_REGIONS:
        raise ValueError(
            f'A scene has 1 to {MAX_REGIONS} regions, {count} were asked for.'
        )
    if height < 1 or width < 1 or height * width < count:
        raise ValueError(
            f'{height} x {width} pixels cannot hold {count} regions.'
        )
    if count == 1:
        return np.zeros((height, width), dtype=np.intp)
    for _ in range(_ATTEMPTS):
        rows, columns = _warped_coordinates(rng, height, width)
        kind = rng.random()
        if kind < 0.60:
            regions = _voronoi(rng, rows, columns, count)
        elif kind < 0.85:
            regions = _discs(rng, rows, columns, count)
        else:
            regions = _bands(rng, rows, columns, count)
        sizes = np.bincount(regions.ravel(), minlength=count)
        if sizes.min() >= MIN_SHARE * height * width:
            return regions
    return _equal_bands(rng, height, width, count)


def _warped_coordinates(
    rng: np.random.Generator, height: int, width: int
) -> tuple[FloatArray, FloatArray]:
    """Return row and column coordinates, bent by a few sine waves.

    The short side spans one unit, so that blobs stay round.
    """
    short = min(height, width)
    y = (np.arange(height) + 0.5)[:, None] / short
    x = (np.arange(width) + 0.5)[None, :] / short
    frequencies = rng.uniform(0.6, 2.0, 4) * 2.0 * np.pi
    phases = rng.uniform(0.0, 2.0 * np.pi, 4)
    sizes = rng.uniform(0.0, 0.06, 4)
    waves = [
        size * np.sin(frequency * axis + phase)
        for size, frequency, axis, phase in zip(
            sizes, frequencies, (x, y, y, x), phases, strict=True
        )
    ]
    return y + waves[0] + waves[1], x + waves[2] + waves[3]


def _random_points(
    rng: np.random.Generator,
    rows: FloatArray,
    columns: FloatArray,
    count: int,
) -> tuple[FloatArray, FloatArray]:
    return (
        rng.uniform(rows.min(), rows.max(), count),
        rng.uniform(columns.min(), columns.max(), count),
    )


def _voronoi(
    rng: np.random.Generator,
    rows: FloatArray,
    columns: FloatArray,
    count: int,
) -> IntArray:
    """Give each pixel to the nearest of `count` points."""
    y, x = _random_points(rng, rows, columns, count)
    distances = (rows[..., None] - y) ** 2 + (columns[..., None] - x) ** 2
    nearest: IntArray = distances.argmin(axis=-1)
    return nearest


def _discs(
    rng: np.random.Generator,
    rows: FloatArray,
    columns: FloatArray,
    count: int,
) -> IntArray:
    """Lay `count` - 1 discs on a background."""
    regions = np.zeros(rows.shape, dtype=np.intp)
    y, x = _random_points(rng, rows, columns, count - 1)
    area = np.ptp(rows) * np.ptp(columns)
    for disc in range(count - 1):
        share = rng.uniform(0.6, 1.3) / (count + 0.5)
        inside = (rows - y[disc]) ** 2 + (columns - x[disc]) ** 2 < (
            share * area / np.pi
        )
        regions[inside] = disc + 1
    return regions


def _along(
    rng: np.random.Generator, rows: FloatArray, columns: FloatArray
) -> FloatArray:
    """Return the coordinate along a random direction."""
    angle = rng.uniform(0.0, np.pi)
    along: FloatArray = np.sin(angle) * rows + np.cos(angle) * columns
    return along


def _bands(
    rng: np.random.Generator,
    rows: FloatArray,
    columns: FloatArray,
    count: int,
) -> IntArray:
    """Cut the picture across a random direction."""
    along = _along(rng, rows, columns)
    cuts = (np.arange(1, count) + rng.uniform(-0.35, 0.35, count - 1)) / count
    edges = along.min() + np.sort(cuts) * np.ptp(along)
    return np.searchsorted(edges, along)


def _equal_bands(
    rng: np.random.Generator, height: int, width: int, count: int
) -> IntArray:
    """Cut into bands of equal area: always possible, hence the last resort."""
    rows, columns = _warped_coordinates(rng, height, width)
    along = _along(rng, rows, columns).ravel()
    ranks = np.empty(along.size, dtype=np.intp)
    ranks[along.argsort(kind='stable')] = np.arange(along.size)
    return (ranks * count // along.size).reshape(height, width)
