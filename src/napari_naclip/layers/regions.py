"""Which part of a plane is meant: what is seen of it, or drawn shapes.

Everything here is in pixels of an image layer's full size, with the center
of the first pixel at 0; only ``clip_to_level`` and ``fill_polygon`` go to the
pixels of the level that is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.types import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Shapes
    from napari.layers.base import Layer

    Points = npt.NDArray[np.float64]

#: Points on an ellipse: closer to it than a pixel up to 20,000 pixels wide.
_ELLIPSE_POINTS = 256
#: Rows of a mask that are looked at together: a line of the processor's cache,
#: where they are columns in memory.
_ROWS = 64
#: Shapes that enclose something.
_AREAS = frozenset({'rectangle', 'ellipse', 'polygon'})


def data_position(
    layer: Layer, viewer: ViewerModel, displayed: Sequence[int]
) -> Points:
    """Return the sliders' position in pixels of a layer's full size, (D,)."""
    point = np.asarray(viewer.dims.point[-layer.ndim :], dtype=float)
    point = point * _unit_factors(
        getattr(viewer.layers, 'units', None), layer.units, viewer
    )
    # Like napari itself: where a shear or rotation joins a slider's axis with
    # a displayed one, only its part among the sliders' axes counts.
    origin = np.asarray(layer.world_to_data(np.zeros(layer.ndim)))
    linear = np.stack(
        [layer.world_to_data(axis) - origin for axis in np.eye(layer.ndim)],
        axis=1,
    )
    linear[:, list(displayed)] = 0
    position: Points = linear @ point + origin
    return position


def pixel_under(layer: Layer, viewer: ViewerModel, position: Points) -> Points:
    """Return the pixel of a layer that a position in the world is in, (D,).

    Parameters
    ----------
    layer : napari.layers.Layer
    viewer : napari.components.ViewerModel
    position : (N,) float array
        As mouse events tell it; N is at least D.

    Returns
    -------
    (D,) float array
        Whole numbers, maybe out of the layer.
    """
    point = np.asarray(position, dtype=float)[-layer.ndim :]
    point = point * _unit_factors(
        getattr(viewer.layers, 'units', None), layer.units, viewer
    )
    return np.round(np.asarray(layer.world_to_data(point), dtype=float))


def visible_corners(image: Image | Labels, displayed: Sequence[int]) -> Points:
    """Return the edges of what the canvas shows, (2, 2), as displayed.

    A bounding box where the layer is rotated; the whole plane before the
    canvas was drawn.

    Raises
    ------
    InputError
        If the canvas shows nothing of the layer.
    """
    axes = list(displayed)
    corners = np.asarray(image.corner_pixels, dtype=float)[:, axes]
    level = image.data_level if image.multiscale else 0
    shape = np.asarray(image.level_shapes[level], dtype=float)[axes]
    # napari puts a layer beside the canvas onto the layer's border.
    if ((corners[1] <= corners[0]) & (shape > 1)).any():
        raise InputError(
            f'Nothing of {image.name!r} is visible. Move the view to it, or '
            'choose the whole plane.'
        )
    factors = (
        np.asarray(image.downsample_factors[level], dtype=float)[axes]
        if image.multiscale
        else np.ones(2)
    )
    return np.stack([corners[0] * factors, (corners[1] + 1) * factors]) - 0.5


def drawn_polygons(
    shapes: Shapes, image: Image | Labels, viewer: ViewerModel
) -> list[Points]:
    """Return the corners of the shapes on the displayed plane, (N, 2) each.

    Through world coordinates, so that both layers may have transforms and
    units of their own. Lines and paths enclose nothing and are left out, and
    so are shapes on other planes.
    """
    missing = viewer.dims.ndim - shapes.ndim
    displayed = [axis - missing for axis in viewer.dims.displayed]
    if min(displayed) < 0:
        return []
    others = [axis for axis in range(shapes.ndim) if axis not in displayed]
    here = np.round(data_position(shapes, viewer, displayed)[others])
    polygons = []
    for corners, kind in zip(shapes.data, shapes.shape_type, strict=True):
        points = np.asarray(corners, dtype=float)
        if kind not in _AREAS or (np.round(points[:, others]) != here).any():
            continue
        if kind == 'ellipse':
            points = _ellipse(points)
        polygons.append(_to_image(points, shapes, image, viewer))
    return polygons


def _ellipse(box: Points) -> Points:
    """Return points on the ellipse in a parallelogram of four corners."""
    angles = np.linspace(0, 2 * np.pi, _ELLIPSE_POINTS, endpoint=False)
    across, down = (box[1] - box[0]) / 2, (box[3] - box[0]) / 2
    points: Points = (
        box.mean(axis=0)
        + np.cos(angles)[:, None] * across
        + np.sin(angles)[:, None] * down
    )
    return points


def _to_image(
    points: Points, shapes: Shapes, image: Image | Labels, viewer: ViewerModel
) -> Points:
    """Return points of a shape as displayed rows and columns of an image."""
    world = np.array([shapes.data_to_world(point) for point in points])
    ndim = image.ndim
    # Layers meet at their last axes; on those that the shapes lack they are
    # where the sliders are.
    common = min(ndim, shapes.ndim)
    target = np.empty((len(points), ndim))
    point = np.asarray(viewer.dims.point[-ndim:], dtype=float)
    target[:] = point * _unit_factors(
        getattr(viewer.layers, 'units', None), image.units, viewer
    )
    target[:, -common:] = world[:, -common:] * _unit_factors(
        shapes.units[-common:], image.units[-common:], viewer
    )
    displayed = [
        axis - (viewer.dims.ndim - ndim) for axis in viewer.dims.displayed
    ]
    inside = np.array([image.world_to_data(each) for each in target])
    return inside[:, displayed]


def to_world(
    layer: Layer, viewer: ViewerModel, points: Sequence[Any] | Points
) -> Points:
    """Return where pixels of a layer lie for the sliders and the camera.

    Parameters
    ----------
    layer : napari.layers.Layer
    viewer : napari.components.ViewerModel
    points : (N, D) sequence of float
        In pixels of the layer.

    Returns
    -------
    (N, D) float array
        In the units of the viewer, which may not be those of the layer.
    """
    world = np.array([layer.data_to_world(each) for each in points])
    own: Points = world / _unit_factors(
        getattr(viewer.layers, 'units', None), layer.units, viewer
    )
    return own


def _unit_factors(
    source: Sequence[Any] | None,
    target: Sequence[Any],
    viewer: ViewerModel,
) -> Points:
    """Return by what numbers in one set of units become those in another.

    Ones where the viewer has no units: napari then ignores them in all
    layers.
    """
    if source is None or getattr(viewer.layers, 'units', None) is None:
        return np.ones(len(target))
    pairs = zip(source[-len(target) :], target, strict=True)
    return np.array([(1 * own).to(other).magnitude for own, other in pairs])


def clip_to_level(
    corners: Points, factors: Sequence[float], size: tuple[int, int]
) -> Region | None:
    """Return the pixels of a level that two corners enclose, in part or whole.

    Parameters
    ----------
    corners : (2, 2) float array
        Least and largest row and column, in pixels of the full size.
    factors : (float, float)
        Size of a pixel of the level in pixels of the full size.
    size : (int, int)
        Of the plane at that level.

    Returns
    -------
    Region or None
        None if they enclose nothing of the plane.
    """
    edges = (corners + 0.5) / np.asarray(factors)
    # A bound that is whole but for rounding encloses no further pixel.
    first = np.clip(np.floor(edges[0] + 1e-6), 0, size).astype(int)
    last = np.clip(np.ceil(edges[1] - 1e-6), 0, size).astype(int)
    if (last <= first).any():
        return None
    return Region(int(first[0]), int(first[1]), int(last[0]), int(last[1]))


def fill_polygon(
    corners: Points, region: Region
) -> npt.NDArray[np.bool_] | None:
    """Return the pixels of a region whose centers a polygon encloses.

    Where its sides cross, every second part is inside.

    Parameters
    ----------
    corners : (N, 2) float array
        Row and column in pixels of the plane that the region is of.
    region : Region

    Returns
    -------
    (rows, columns) bool array or None
        None if there is no such pixel.
    """
    rows, columns = region.size
    points = corners - (region.top, region.left)
    # A center exactly on a side would be in or out by rounding alone.
    points = np.round(points, 6)
    crossed: list[npt.NDArray[np.int64]] = []
    for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
        (y0, x0), (y1, x1) = sorted((start, end), key=lambda each: each[0])
        first, last = (int(np.clip(np.ceil(y), 0, rows)) for y in (y0, y1))
        if first >= last:
            continue
        at = np.arange(first, last)
        crossing = x0 + (at - y0) * (x1 - x0) / (y1 - y0)
        column = np.clip(np.ceil(crossing), 0, columns).astype(int)
        crossed.append(np.stack([at, column], axis=1))
    if not crossed:
        return None
    where = np.concatenate(crossed)
    where = where[np.lexsort((where[:, 1], where[:, 0]))]
    inside = np.zeros((rows, columns), bool)
    # Each row is crossed an even number of times: in and out again.
    for (row, begin), (_, end) in zip(
        where[::2].tolist(), where[1::2].tolist(), strict=True
    ):
        inside[row, begin:end] = True
    return inside if inside.any() else None


def trim_region(
    region: Region, mask: npt.NDArray[np.bool_]
) -> tuple[Region, npt.NDArray[np.bool_] | None]:
    """Return the smallest region that holds a mask, and the mask of it.

    That may be a part of the very array.
    """
    (top, bottom), (left, right) = _span(mask), _span(mask.T)
    inner = mask[top:bottom, left:right]
    trimmed = Region(
        region.top + top,
        region.left + left,
        region.top + bottom,
        region.left + right,
    )
    if inner.all():
        return trimmed, None
    # Copying takes long, where that gives back little.
    return trimmed, inner if 2 * inner.size > mask.size else inner.copy()


def _span(mask: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return the first row that holds any pixel, and that behind the last.

    Looks from both ends, so that little of a large mask is looked at; at
    some rows together, which may be columns in memory.
    """
    tops = range(0, len(mask), _ROWS)
    first, last = (
        next(top for top in order if mask[top : top + _ROWS].any())
        for order in (tops, reversed(tops))
    )
    found = [
        top + np.flatnonzero(mask[top : top + _ROWS].any(axis=1))
        for top in (first, last)
    ]
    return int(found[0][0]), int(found[1][-1]) + 1
