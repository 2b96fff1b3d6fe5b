"""Where a result lies: the transforms that put labels onto their image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.transforms import Affine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image, Labels, Layer


def matching_transform(
    image: Image | Labels,
    downsample_factors: Sequence[float],
    offset: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Return the arguments with which a Labels layer lies on another layer.

    Parameters
    ----------
    image : napari.layers.Image or Labels
    downsample_factors : sequence of float
        Size of a label in pixels of the image, one for each axis; 1 at full
        size.
    offset : sequence of float, optional
        First pixel of the image that the labels cover, one number for each
        axis; the first of all by default.

    Returns
    -------
    dict
        ``scale``, ``translate``, ``rotate``, ``shear``, ``affine``, ``units``
        and ``axis_labels`` for ``napari.layers.Labels``.
    """
    factors = np.asarray(downsample_factors, dtype=float)
    first = np.zeros(len(factors)) if offset is None else np.asarray(offset)
    own = Affine(
        scale=image.scale,
        translate=image.translate,
        rotate=image.rotate,
        shear=image.shear,
    )
    # Pixel centers are at whole numbers, so that the center of the first
    # large pixel is not the center of the first small one.
    return {
        'scale': image.scale * factors,
        'translate': own(first + (factors - 1) / 2),
        'rotate': image.rotate,
        'shear': image.shear,
        # The matrix, not the object: that would be shared by both layers.
        'affine': image.affine.affine_matrix.copy(),
        'units': image.units,
        'axis_labels': image.axis_labels,
    }


def match_axes(layer: Layer, transform: dict[str, Any]) -> None:
    """Give a layer the units and axis labels of ``matching_transform``.

    Only where they are others: napari draws all layers anew after it.
    """
    for key in ('units', 'axis_labels'):
        if tuple(getattr(layer, key)) != tuple(transform[key]):
            setattr(layer, key, transform[key])


def lies_at(labels: Labels, transform: dict[str, Any]) -> bool:
    """Return whether a layer lies where ``matching_transform`` says."""
    names = ('scale', 'translate', 'rotate', 'shear')
    return tuple(labels.units) == tuple(transform['units']) and all(
        np.allclose(own, other, rtol=1e-5)
        for own, other in [
            *((getattr(labels, name), transform[name]) for name in names),
            (labels.affine.affine_matrix, transform['affine']),
        ]
    )


def place_at(labels: Labels, transform: dict[str, Any]) -> None:
    """Put a layer where ``matching_transform`` says, if it lies elsewhere."""
    if lies_at(labels, transform):
        return
    for name in ('scale', 'translate', 'rotate', 'shear', 'affine'):
        setattr(labels, name, transform[name])
    match_axes(labels, transform)
