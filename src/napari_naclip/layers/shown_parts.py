"""Parts of the displayed plane of a Labels layer: what is seen, or drawn.

In pixels of the layer and along the axes of its data, whatever the order in
which they are displayed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.types import Region
from napari_naclip.layers.regions import (
    clip_to_level,
    drawn_polygons,
    fill_polygon,
    visible_corners,
)

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Labels, Shapes


class Part(NamedTuple):
    """A part of a plane.

    Attributes
    ----------
    region : Region or None
        None: all of the plane.
    mask : (rows, columns) bool array or None
        The pixels of the region that are meant; None: all of them.
    """

    region: Region | None
    mask: npt.NDArray[np.bool_] | None


def visible_part(labels: Labels, viewer: ViewerModel) -> Region | None:
    """Return what the canvas shows of the plane; None if that is nothing.

    Parameters
    ----------
    labels : napari.layers.Labels
    viewer : napari.components.ViewerModel
    """
    displayed = _displayed(labels, viewer)
    try:
        corners = visible_corners(labels, displayed)
    except InputError:
        return None
    region = clip_to_level(corners, (1.0, 1.0), _size(labels, displayed))
    if region is None or displayed == sorted(displayed):
        return region
    return Region(region.left, region.top, region.right, region.bottom)


def drawn_parts(
    labels: Labels,
    shapes: Shapes,
    viewer: ViewerModel,
) -> list[Part]:
    """Return what the shapes of a layer enclose of the plane.

    Raises
    ------
    InputError
        If that is nothing.
    """
    displayed = _displayed(labels, viewer)
    size = _size(labels, displayed)
    parts = []
    for corners in drawn_polygons(shapes, labels, viewer):
        box = np.stack([corners.min(axis=0), corners.max(axis=0)])
        region = clip_to_level(box, (1.0, 1.0), size)
        mask = None if region is None else fill_polygon(corners, region)
        if region is None or mask is None:
            continue
        if displayed != sorted(displayed):
            region = Region(
                region.left, region.top, region.right, region.bottom
            )
            mask = mask.T
        parts.append(Part(region, mask))
    if not parts:
        raise InputError(
            f'No shape of {shapes.name!r} encloses a pixel of this plane. '
            'Draw a rectangle, an ellipse or a polygon on it.'
        )
    return parts


def _displayed(labels: Labels, viewer: ViewerModel) -> list[int]:
    missing = viewer.dims.ndim - labels.ndim
    return [axis - missing for axis in viewer.dims.displayed]


def _size(labels: Labels, displayed: list[int]) -> tuple[int, int]:
    rows, columns = (labels.data.shape[axis] for axis in displayed)
    return rows, columns
