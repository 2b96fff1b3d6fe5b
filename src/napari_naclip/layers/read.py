"""What a person sees of an image layer, as a snapshot that can be read later.

``take_snapshot`` runs on the GUI thread and copies no pixel; ``read`` does,
in the worker, because slices of dask or zarr arrays can take long.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_naclip.engine.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_naclip.engine.types import Settings


@dataclass(frozen=True, slots=True)
class PlaneSnapshot:
    """One plane of an image layer, and how it is displayed.

    Attributes
    ----------
    data : array-like
        The array of the level, with all its axes.
    index : tuple of int or slice
        Selects the plane in ``data`` and in a labels array of ``shape``; one
        entry for each axis of the layer, a full slice for the two displayed.
    is_transposed : bool
        Whether the plane is displayed with its two axes exchanged.
    shape : tuple of int
        Of the level without the color axis.
    level : int
        Level of a multiscale layer, 0 at full size.
    downsample_factors : tuple of float
        Size of a pixel of the level in pixels of the layer.
    contrast_limits : (float, float)
    gamma : float
    """

    data: Any = field(repr=False)
    index: tuple[int | slice, ...]
    is_transposed: bool
    shape: tuple[int, ...]
    level: int
    downsample_factors: tuple[float, ...]
    contrast_limits: tuple[float, float]
    gamma: float

    @property
    def plane_key(self) -> tuple[int, ...]:
        """The fixed indices: what tells the planes of a layer apart."""
        return tuple(i for i in self.index if not isinstance(i, slice))

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the plane as displayed."""
        rows, columns = (
            length
            for length, i in zip(self.shape, self.index, strict=True)
            if isinstance(i, slice)
        )
        return (columns, rows) if self.is_transposed else (rows, columns)

    def read(self) -> npt.NDArray[Any]:
        """Return the pixels, (H, W) or (H, W, 3 or 4), as displayed."""
        plane = np.asarray(self.data[self.index])
        return plane.swapaxes(0, 1) if self.is_transposed else plane

    def orient(
        self, labels: npt.NDArray[np.unsignedinteger]
    ) -> npt.NDArray[np.unsignedinteger]:
        """Return labels (H, W) as displayed with the axes of the layer."""
        return labels.T if self.is_transposed else labels


def take_snapshot(
    layer: Image, viewer: ViewerModel, settings: Settings
) -> PlaneSnapshot:
    """Return what is displayed of a layer now.

    Parameters
    ----------
    layer : napari.layers.Image
    viewer : napari.components.ViewerModel
        Says which plane is displayed.
    settings : Settings
        Its detail decides the level of a multiscale layer.

    Raises
    ------
    InputError
        If the layer has fewer than two axes, or is displayed in 3-D, or its
        plane is out of the layer.
    """
    if layer.ndim < 2:
        raise InputError(
            f'{layer.name!r} has one axis only; a picture needs two.'
        )
    if viewer.dims.ndisplay != 2:
        raise InputError(
            'The viewer shows three dimensions, of which there is no one '
            'picture. Switch to 2-D (Ctrl+Y).'
        )
    missing = viewer.dims.ndim - layer.ndim
    displayed = [axis - missing for axis in viewer.dims.displayed]
    if min(displayed) < 0:
        raise InputError(
            f'{layer.name!r} does not have the two axes that the viewer '
            'shows. Change the order of the axes.'
        )
    level = _choose_level(layer, displayed, settings)
    factors = (
        tuple(float(f) for f in layer.downsample_factors[level])
        if layer.multiscale
        else (1.0,) * layer.ndim
    )
    data = layer.data[level] if layer.multiscale else layer.data
    shape = tuple(data.shape[:-1] if layer.rgb else data.shape)
    position = _data_position(layer, viewer, displayed)
    index: list[int | slice] = []
    for axis, length in enumerate(shape):
        if axis in displayed:
            index.append(slice(None))
            continue
        at = int(np.round(position[axis] / factors[axis]))
        if not 0 <= at < length:
            raise InputError(
                f'{layer.name!r} has no plane where the sliders stand. Move '
                'them to where the image is.'
            )
        index.append(at)
    return PlaneSnapshot(
        data=data,
        index=tuple(index),
        is_transposed=displayed[0] > displayed[1],
        shape=shape,
        level=level,
        downsample_factors=factors,
        contrast_limits=(
            float(layer.contrast_limits[0]),
            float(layer.contrast_limits[1]),
        ),
        gamma=float(layer.gamma),
    )


def _choose_level(
    layer: Image, displayed: list[int], settings: Settings
) -> int:
    """Return the coarsest level that is still as large as it is looked at."""
    if not layer.multiscale or settings.detail is None:
        return 0
    levels = [
        level
        for level, shape in enumerate(layer.data.shapes)
        if min(shape[axis] for axis in displayed) >= settings.detail
    ]
    return max(levels, default=0)


def _data_position(
    layer: Image, viewer: ViewerModel, displayed: list[int]
) -> npt.NDArray[np.float64]:
    """Return the sliders' position in pixels of the layer's full size."""
    point = np.asarray(viewer.dims.point[-layer.ndim :], dtype=float)
    units = getattr(viewer.layers, 'units', None)
    if units is not None:
        # The viewer's position is in its own units, not in the layer's.
        point = np.array(
            [
                (value * unit).to(own).magnitude
                for value, unit, own in zip(
                    point, units[-layer.ndim :], layer.units, strict=True
                )
            ]
        )
    # Like napari itself: where a shear or rotation joins a slider's axis with
    # a displayed one, only its part among the sliders' axes counts.
    origin = np.asarray(layer.world_to_data(np.zeros(layer.ndim)))
    linear = np.stack(
        [layer.world_to_data(axis) - origin for axis in np.eye(layer.ndim)],
        axis=1,
    )
    linear[:, displayed] = 0
    position: npt.NDArray[np.float64] = linear @ point + origin
    return position
