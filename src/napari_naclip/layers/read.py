"""What a person sees of an image layer, as snapshots that can be read later.

Runs on the GUI thread and copies no pixel. Which part of a plane is meant is
found in ``regions``, how values are seen in ``picture``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_naclip.engine.errors import InputError
from napari_naclip.layers.picture import (
    COMPOSED,
    Picture,
    composite_layers,
    make_channel,
)
from napari_naclip.layers.regions import (
    clip_to_level,
    data_position,
    drawn_polygons,
    fill_polygon,
    trim_region,
    visible_corners,
)
from napari_naclip.layers.snapshot import PlaneSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Image, Shapes

    from napari_naclip.engine.types import Region, Settings

__all__ = [
    'Picture',
    'PlaneSnapshot',
    'Scope',
    'take_snapshot',
    'take_snapshots',
]

Scope = Literal['plane', 'visible', 'shapes', 'all']


def take_snapshot(
    layer: Image, viewer: ViewerModel, settings: Settings
) -> PlaneSnapshot:
    """Return the whole displayed plane; see ``take_snapshots``."""
    return take_snapshots(layer, viewer, settings)[0]


def take_snapshots(
    layer: Image,
    viewer: ViewerModel,
    settings: Settings,
    *,
    scope: Scope = 'plane',
    shapes: Shapes | None = None,
    picture: Picture | None = None,
    fits_region: bool = False,
    has_masks: bool = True,
) -> tuple[PlaneSnapshot, ...]:
    """Return what is to be segmented of a layer, as it is displayed now.

    All snapshots are of one level, so that one Labels layer holds them.

    Parameters
    ----------
    layer : napari.layers.Image
    viewer : napari.components.ViewerModel
        Says which plane is displayed.
    settings : Settings
        Detail or reduction decides the level of a multiscale layer.
    scope : {'plane', 'visible', 'shapes', 'all'}
        The displayed plane; what the canvas shows of it; its part in each
        shape of a layer; all planes of the axes that have sliders, the
        displayed one first.
    shapes : napari.layers.Shapes, optional
        For the scope ``'shapes'``.
    picture : Picture, optional
        How values are seen; by default as displayed, in grey.
    fits_region : bool
        Whether a region is an image of its own, to which the detail applies,
        instead of a part of its plane.
    has_masks : bool
        Whether to find which pixels a shape encloses; without, the whole
        rectangle around it is meant, which is enough to know how large a run
        would be, and fast.

    Raises
    ------
    InputError
        If the layer has fewer than two axes, or is displayed in 3-D, its
        plane is out of the layer, or there is nothing in the scope.
    """
    displayed = _displayed_axes(layer, viewer)
    corners, polygons = _find_parts(layer, viewer, displayed, scope, shapes)
    is_cut = fits_region and bool(corners)
    extent = np.array(layer.level_shapes[0], dtype=float)[displayed]
    looked_at = [extent]
    if is_cut:
        looked_at = [
            np.clip(each[1] + 0.5, 0, extent)
            - np.clip(each[0] + 0.5, 0, extent)
            for each in corners
        ]
    level = _choose_level(layer, displayed, settings, looked_at)
    factors = _factors(layer, level)
    data = layer.data[level] if layer.multiscale else layer.data
    shape = tuple(data.shape[:-1] if layer.rgb else data.shape)
    size = (shape[displayed[0]], shape[displayed[1]])
    parts: list[tuple[Region | None, npt.NDArray[np.bool_] | None]]
    parts = [(None, None)]
    if corners:
        parts = list(
            _clip_parts(
                corners,
                polygons if has_masks else None,
                (factors[displayed[0]], factors[displayed[1]]),
                size,
            )
        )
        if not parts:
            raise _nothing_drawn(shapes)
    if scope == 'all':
        indices = _all_planes(shape, displayed)
        # What the person looks at comes first.
        with contextlib.suppress(InputError):
            shown = _displayed_plane(layer, viewer, displayed, shape, factors)
            indices.remove(shown)
            indices.insert(0, shown)
    else:
        indices = [_displayed_plane(layer, viewer, displayed, shape, factors)]
    plain = PlaneSnapshot(
        data=data,
        index=indices[0],
        is_transposed=displayed[0] > displayed[1],
        shape=shape,
        level=level,
        downsample_factors=factors,
        contrast_limits=_limits(layer),
        gamma=float(layer.gamma),
        is_cut=is_cut,
    )
    snapshots = tuple(
        dataclasses.replace(plain, index=index, region=region, mask=mask)
        for index in indices
        for region, mask in parts
    )
    return _apply(picture or Picture(), layer, viewer, snapshots)


def _displayed_axes(layer: Image, viewer: ViewerModel) -> list[int]:
    """Return the axes of a layer that are rows and columns on the screen."""
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
    return displayed


Corners = list['npt.NDArray[np.float64]']


def _find_parts(
    layer: Image,
    viewer: ViewerModel,
    displayed: list[int],
    scope: Scope,
    shapes: Shapes | None,
) -> tuple[Corners, Corners | None]:
    """Return bounding boxes and outlines of the regions of a scope."""
    if scope == 'visible':
        return [visible_corners(layer, displayed)], None
    if scope != 'shapes':
        return [], None
    if shapes is None:
        raise InputError(
            'There is no Shapes layer. Draw regions in one, or choose '
            'another scope.'
        )
    polygons = drawn_polygons(shapes, layer, viewer)
    if not polygons:
        raise _nothing_drawn(shapes)
    boxes = [np.stack([p.min(axis=0), p.max(axis=0)]) for p in polygons]
    return boxes, polygons


def _nothing_drawn(shapes: Shapes | None) -> InputError:
    name = '' if shapes is None else f' of {shapes.name!r}'
    return InputError(
        f'No shape{name} encloses a pixel of this plane of the image. Draw '
        'a rectangle, an ellipse or a polygon on it.'
    )


def _clip_parts(
    corners: Corners,
    polygons: Corners | None,
    factors: tuple[float, float],
    size: tuple[int, int],
) -> Iterable[tuple[Region, npt.NDArray[np.bool_] | None]]:
    """Yield regions and masks in pixels of the level; not the empty ones."""
    for number, box in enumerate(corners):
        region = clip_to_level(box, factors, size)
        if region is None:
            continue
        if polygons is None:
            yield region, None
            continue
        outline = (polygons[number] + 0.5) / np.asarray(factors) - 0.5
        mask = fill_polygon(outline, region)
        if mask is not None:
            yield trim_region(region, mask)


def _factors(layer: Image, level: int) -> tuple[float, ...]:
    if not layer.multiscale:
        return (1.0,) * int(layer.ndim)
    return tuple(float(f) for f in layer.downsample_factors[level])


def _choose_level(
    layer: Image,
    displayed: list[int],
    settings: Settings,
    looked_at: Sequence[npt.NDArray[np.float64]],
) -> int:
    """Return the coarsest level that is still as large as it is looked at.

    Parameters
    ----------
    looked_at : sequence of (2,) float array
        Rows and columns, in pixels of the full size, that the detail is of.
    """
    if not layer.multiscale:
        return 0
    reduction = getattr(settings, 'reduction', None)
    if reduction is None and settings.detail is None:
        return 0
    short_side = settings.detail or 1
    fitting = [0]
    for level in range(len(layer.data)):
        factors = np.array(_factors(layer, level))[displayed]
        if reduction is not None:
            fits = bool(factors.max() <= reduction * (1 + 1e-6))
        else:
            # A side is a whole number of pixels of the level, rounded up or
            # down.
            fits = all(
                min(np.rint(sides / factors)) >= short_side
                for sides in looked_at
            )
        if fits:
            fitting.append(level)
    return max(fitting)


def _displayed_plane(
    layer: Image,
    viewer: ViewerModel,
    displayed: list[int],
    shape: tuple[int, ...],
    factors: tuple[float, ...],
) -> tuple[int | slice, ...]:
    """Return the index of the plane under the sliders."""
    position = data_position(layer, viewer, displayed)
    index: list[int | slice] = []
    for axis, length in enumerate(shape):
        if axis in displayed:
            index.append(slice(None))
            continue
        # The pixel of the level that the displayed pixel lies in: rounding a
        # share of it would take the next one from its middle on.
        at = int(np.floor((np.round(position[axis]) + 0.5) / factors[axis]))
        if not 0 <= at < length:
            raise InputError(
                f'{layer.name!r} has no plane where the sliders stand. Move '
                'them to where the image is.'
            )
        index.append(at)
    return tuple(index)


def _all_planes(
    shape: tuple[int, ...], displayed: list[int]
) -> list[tuple[int | slice, ...]]:
    choices: list[Iterable[int | slice]] = [
        (slice(None),) if axis in displayed else range(length)
        for axis, length in enumerate(shape)
    ]
    return list(itertools.product(*choices))


def _limits(layer: Image) -> tuple[float, float]:
    low, high = layer.contrast_limits
    return float(low), float(high)


def _apply(
    picture: Picture,
    layer: Image,
    viewer: ViewerModel,
    snapshots: tuple[PlaneSnapshot, ...],
) -> tuple[PlaneSnapshot, ...]:
    """Return the snapshots with the channels that a picture is made of."""
    is_colored = picture.channels != 'grey' and not layer.rgb
    if picture.limits == 'displayed' and not is_colored:
        return snapshots
    together, left_out = [layer], list[str]()
    if is_colored and picture.channels == 'composite':
        together, left_out = composite_layers(layer, viewer)
    read = [
        snapshot.index_of(snapshot.region if snapshot.is_cut else None)
        for snapshot in snapshots
    ]
    # Regions of one plane read it once. Slices cannot be hashed.
    indices = list({repr(index): index for index in read}.values())
    level = snapshots[0].level
    channels = tuple(
        make_channel(
            each,
            each.data[level] if each.multiscale else each.data,
            picture,
            indices,
        )
        for each in together
    )
    return tuple(
        dataclasses.replace(
            snapshot,
            contrast_limits=COMPOSED,
            gamma=1.0,
            channels=channels,
            left_out=tuple(left_out),
        )
        for snapshot in snapshots
    )
