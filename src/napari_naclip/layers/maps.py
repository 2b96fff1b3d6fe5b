"""Image layers that show a number of each pixel below its labels.

They belong to the labels: no run looks at them, and nobody chooses them as
the image.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image

from napari_naclip.layers.adding import add_in_steps
from napari_naclip.layers.geometry import match_axes, matching_transform

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_naclip.engine.types import Region

#: In the metadata of the layers.
_MAP_KEY: Final = 'napari-naclip map'
#: Rows and columns of a map, at most: napari copies what it draws, in the
#: window's thread.
MOST_SIDE: Final = 1024
_OPACITY: Final = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class PlaneMap:
    """A map of a part of a plane.

    Attributes
    ----------
    plane : tuple of int or slice
        Selects the plane in the labels.
    region : Region
        The part, in pixels of the labels along the plane's two axes.
    step : int
        Rows and columns of the labels that one of the map stands for.
    values : (rows, columns) float16 array
        0 to 1.
    """

    plane: tuple[int | slice, ...]
    region: Region
    step: int
    values: npt.NDArray[np.float16] = field(repr=False)


def step_for(size: tuple[int, int]) -> int:
    """Return the step with which a map of a size is drawn fast enough."""
    return max(1, -(-max(size) // MOST_SIDE))


def take_every(values: npt.NDArray[Any], step: int) -> npt.NDArray[Any]:
    """Return the middle of each `step` rows and columns of an array."""
    if step == 1:
        return values
    rows, columns = (
        np.minimum(np.arange(0, side, step) + step // 2, side - 1)
        for side in values.shape
    )
    return values[np.ix_(rows, columns)]


def is_map(layer: object) -> bool:
    """Return whether a layer is one of these."""
    return isinstance(layer, Image) and _MAP_KEY in layer.metadata


class MapLayer:
    """One map at a time in an Image layer, which is made when it is needed.

    It is put above the labels, and never becomes the active layer. What is
    shown is replaced where it is, so that the person's settings of it stay.

    Parameters
    ----------
    colormap : str
    """

    def __init__(self, colormap: str) -> None:
        self._colormap = colormap
        self._layer: Image | None = None

    @property
    def layer(self) -> Image | None:
        """The layer, if there is one."""
        return self._layer

    def show(
        self, viewer: ViewerModel, labels: Labels, name: str, shown: PlaneMap
    ) -> Iterator[None]:
        """Show a map; return the steps that are left.

        Parameters
        ----------
        viewer : napari.components.ViewerModel
        labels : napari.layers.Labels
            What the map is about.
        name : str
            Of the layer.
        shown : PlaneMap
        """
        data, transform = _place(labels, shown)
        layer = self._find(viewer, labels.ndim)
        if layer is not None:
            if layer.data.shape != data.shape:
                # Before napari slices the new data where the old one was.
                layer.data = data
                _move(layer, transform)
            else:
                _move(layer, transform)
                layer.data = data
            layer.name = name
            return iter(())
        layer = self._layer = Image(
            data,
            name=name,
            colormap=self._colormap,
            contrast_limits=(0, 1),
            opacity=_OPACITY,
            metadata={_MAP_KEY: True},
            visible=False,
            **transform,
        )
        # Above the labels, which would hide it.
        place = viewer.layers.index(labels) + 1
        return add_in_steps(viewer, layer, place)

    def hide(self, viewer: ViewerModel) -> None:
        """Take the map away; the layer goes, too."""
        layer, self._layer = self._layer, None
        if layer is not None and layer in viewer.layers:
            viewer.layers.remove(layer)

    def _find(self, viewer: ViewerModel, ndim: int) -> Image | None:
        layer = self._layer
        if layer is not None and layer in viewer.layers:
            if layer.ndim == ndim:
                return layer
            self.hide(viewer)
        self._layer = None
        return None


def _place(
    labels: Labels, shown: PlaneMap
) -> tuple[npt.NDArray[np.float16], dict[str, Any]]:
    """Return a map's data with all axes of the labels, and where it lies."""
    shape, factors, offset = [], [], []
    sides = iter(shown.values.shape)
    corner = iter((shown.region.top, shown.region.left))
    for i in shown.plane:
        is_shown = isinstance(i, slice)
        shape.append(next(sides) if is_shown else 1)
        factors.append(float(shown.step) if is_shown else 1.0)
        offset.append(float(next(corner) if isinstance(i, slice) else i))
    return (
        shown.values.reshape(shape),
        matching_transform(labels, factors, offset),
    )


def _move(layer: Image, transform: dict[str, Any]) -> None:
    match_axes(layer, transform)
    for key in ('scale', 'translate', 'rotate', 'shear', 'affine'):
        if not np.array_equal(
            np.asarray(getattr(layer, key)), np.asarray(transform[key])
        ):
            setattr(layer, key, transform[key])
