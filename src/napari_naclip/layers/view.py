"""Where the canvas looks: bring a part of a plane into its middle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.layers.regions import to_world

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_naclip.engine.types import Region

#: How much of the canvas's smaller side the part takes.
_SHARE: Final = 0.4
#: Pixels of the layer that the canvas shows at least: context is needed to
#: tell what something is.
_LEAST_SHOWN: Final = 48.0
#: Of a canvas that tells no size.
_USUAL_CANVAS: Final = (600, 800)


def look_at(
    viewer: ViewerModel,
    labels: Labels,
    plane: Sequence[int | slice],
    region: Region,
) -> None:
    """Center the canvas on a part of the displayed plane, and zoom to it.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    labels : napari.layers.Labels
    plane : sequence of int or slice
        The displayed plane; see ``areas.shown_plane``.
    region : Region
        In pixels of the layer along its two displayed axes, in their order
        in the data.
    """
    axes = [axis for axis, i in enumerate(plane) if isinstance(i, slice)]
    corners = np.array(
        [
            [0.0 if isinstance(i, slice) else float(i) for i in plane]
            for _ in range(4)
        ]
    )
    # Pixel centers are at whole numbers.
    rows = (region.top - 0.5, region.bottom - 0.5)
    columns = (region.left - 0.5, region.right - 0.5)
    corners[:, axes[0]] = [rows[0], rows[0], rows[1], rows[1]]
    corners[:, axes[1]] = [columns[0], columns[1]] * 2
    displayed = [
        axis - (viewer.dims.ndim - labels.ndim)
        for axis in viewer.dims.displayed
    ]
    world = to_world(labels, viewer, corners)[:, displayed]
    size = np.ptp(world, axis=0)
    middle = world.min(axis=0) + size / 2
    pixel = size.max() / max(region.size)
    canvas = np.asarray(_canvas_size(viewer), dtype=float)
    # The camera moved into the scene in napari 0.9.
    camera = getattr(viewer, 'scene', viewer).camera
    camera.center = (0.0, *(float(each) for each in middle))
    camera.zoom = float(
        min(
            (canvas * _SHARE / np.maximum(size, pixel)).min(),
            canvas.min() / (_LEAST_SHOWN * pixel),
        )
    )


def _canvas_size(viewer: Any) -> tuple[int, int]:
    """Return the canvas's height and width on the screen."""
    canvas = getattr(viewer, 'canvas', None)
    # Public since napari 0.9.
    size = getattr(canvas, 'size', None) or getattr(
        viewer, '_canvas_size', None
    )
    if size is None or min(size) <= 0:
        return _USUAL_CANVAS
    return int(size[0]), int(size[1])
