"""Areas of the classes on a plane, in the units of the layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_naclip.layers.counting import iter_counts
from napari_naclip.layers.labels import Result
from napari_naclip.layers.regions import data_position

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.components import ViewerModel
    from napari.layers import Labels

#: Areas from here on are written without decimals.
_MANY = 1000


def shown_plane(
    labels: Labels, viewer: ViewerModel
) -> tuple[int | slice, ...] | None:
    """Return what selects the displayed plane of a Labels layer.

    Returns
    -------
    tuple or None
        For ``class_areas``; None in 3-D, or where the layer has no plane.
    """
    missing = viewer.dims.ndim - labels.ndim
    displayed = [axis - missing for axis in viewer.dims.displayed]
    if viewer.dims.ndisplay != 2 or min(displayed) < 0:
        return None
    position = np.round(data_position(labels, viewer, displayed))
    index: list[int | slice] = []
    for axis, length in enumerate(labels.data.shape):
        if axis in displayed:
            index.append(slice(None))
        elif 0 <= position[axis] < length:
            index.append(int(position[axis]))
        else:
            return None
    return tuple(index)


def class_areas(
    result: Result | Labels, plane: tuple[int | slice, ...]
) -> dict[int, str]:
    """Return the area of every label value that a plane has pixels of.

    Parameters
    ----------
    result : Result or napari.layers.Labels
    plane : tuple of int or slice
        Two slices; see ``shown_plane`` and ``PlaneSnapshot.index``.

    Returns
    -------
    dict
        Text such as ``'12.3 µm²'`` by label value; in ``px`` where the layer
        has no unit of length, which are then the pixels of an image of the
        scale 1.
    """
    labels = result.labels if isinstance(result, Result) else result
    steps = count_areas(labels, plane)
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        areas: dict[int, str] = stop.value
        return areas


def count_areas(
    labels: Labels, plane: tuple[int | slice, ...]
) -> Generator[None, None, dict[int, str]]:
    """Count like ``class_areas``, but in pieces that hold up no window.

    Yields
    ------
    None
        After each piece.
    """
    counts = yield from iter_counts(labels.data[plane])
    size, unit = pixel_area(labels, plane)
    return {
        int(value): f'{_format(counts[value] * size)} {unit}'
        for value in np.flatnonzero(counts)
    }


def pixel_area(
    labels: Any, plane: tuple[int | slice, ...]
) -> tuple[float, str]:
    """Return the area of a pixel of a plane in the world, and its unit.

    Parameters
    ----------
    labels : napari.layers.Labels
    plane : tuple of int or slice
        Two slices; see ``shown_plane``.

    Returns
    -------
    float, str
        The unit is ``'px'`` where the layer has no unit of length.
    """
    axes = [axis for axis, i in enumerate(plane) if isinstance(i, slice)]
    units = [labels.units[axis] for axis in axes]
    is_length = all(unit.is_compatible_with('meter') for unit in units)
    origin = np.asarray(labels.data_to_world(np.zeros(labels.ndim)))
    sides = []
    for axis in axes:
        one = np.zeros(labels.ndim)
        one[axis] = 1
        side = np.asarray(labels.data_to_world(one)) - origin
        if is_length:
            side = [
                (length * own).to(units[-1]).magnitude
                if own.is_compatible_with('meter')
                else 0.0
                for length, own in zip(side, labels.units, strict=True)
            ]
        sides.append(np.asarray(side, dtype=float))
    first, second = sides
    # Of the parallelogram that the two sides span, in any direction.
    gram = (first @ first) * (second @ second) - (first @ second) ** 2
    area = float(np.sqrt(max(gram, 0.0)))
    if is_length:
        return area, f'{units[-1] ** 2:~P}'
    if all(f'{unit}' in ('pixel', 'dimensionless') for unit in units):
        return area, 'px'
    return area, f'{units[0] * units[1]:~P}'


def _format(area: float) -> str:
    if area >= _MANY:
        return f'{area:,.0f}'
    return f'{area:.3g}'
