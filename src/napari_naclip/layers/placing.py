"""Where labels lie in a plane, and a plane in its layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_naclip.engine.outputs import least_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

    from napari_naclip.engine.types import Region
    from napari_naclip.layers.snapshot import PlaneSnapshot

    Mask = npt.NDArray[np.bool_]

#: Pixels that are written at a time.
_BAND_PIXELS = 250_000


def place_of(
    snapshot: PlaneSnapshot, labels: npt.NDArray[Any], region: Region | None
) -> Region:
    """Return where labels lie in the plane."""
    place = snapshot.place(region)
    own = snapshot.region
    if region is None and own is not None and labels.shape == own.size:
        place = own
    if labels.shape != place.size:
        raise ValueError(
            f'Labels of the shape {labels.shape} do not fit into {place}.'
        )
    return place


def intersect(place: Region, limit: Region | None) -> Region | None:
    """Return the part of an area within a limit; None: nothing."""
    if limit is None:
        return place
    return place.intersection(limit) if place.meets(limit) else None


def wanted_in(
    snapshot: PlaneSnapshot, inner: Region, mask: Mask | None
) -> Mask | None:
    """Return which pixels to write of an area; None: all."""
    own = snapshot.region
    if snapshot.mask is None or own is None:
        return mask
    drawn = snapshot.mask[
        inner.top - own.top : inner.bottom - own.top,
        inner.left - own.left : inner.right - own.left,
    ]
    return drawn if mask is None else mask & drawn


def layer_bands(
    at: tuple[int | slice, ...], shape: tuple[int, ...], least: int
) -> Iterator[tuple[slice, tuple[int | slice, ...]]]:
    """Yield bands of a block, and what selects each of them in the layer.

    They have so many rows at least: chunks are not to be written often.
    """
    axis = next(i for i, each in enumerate(at) if isinstance(each, slice))
    whole = at[axis]
    first = (whole.start or 0) if isinstance(whole, slice) else 0
    step = max(least, _BAND_PIXELS // max(1, shape[1]))
    for start in range(0, shape[0], step):
        end = min(start + step, shape[0])
        band = slice(first + start, first + end)
        yield slice(start, end), (*at[:axis], band, *at[axis + 1 :])


def block_bands(
    at: tuple[int | slice, ...], *arrays: Any
) -> Iterator[tuple[int | slice, ...]]:
    """Yield what selects bands of a block of arrays of one shape.

    Parameters
    ----------
    at : tuple of int or slice
        What selects the block, with two slices.
    *arrays : array-like
        Where bands are read and written.
    """
    shape = tuple(
        len(range(*each.indices(length)))
        for each, length in zip(at, arrays[0].shape, strict=True)
        if isinstance(each, slice)
    )
    least = max(map(least_rows, arrays))
    for _, part in layer_bands(at, shape, least):
        yield part
