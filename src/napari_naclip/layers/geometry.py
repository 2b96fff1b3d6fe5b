"""Where a result lies: the transforms that put labels onto their image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.transforms import Affine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image


def matching_transform(
    image: Image, downsample_factors: Sequence[float]
) -> dict[str, Any]:
    """Return the arguments with which a Labels layer lies on an image layer.

    Parameters
    ----------
    image : napari.layers.Image
    downsample_factors : sequence of float
        Size of a label in pixels of the image, one for each axis; 1 at full
        size.

    Returns
    -------
    dict
        ``scale``, ``translate``, ``rotate``, ``shear``, ``affine``, ``units``
        and ``axis_labels`` for ``napari.layers.Labels``.
    """
    factors = np.asarray(downsample_factors, dtype=float)
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
        'translate': own((factors - 1) / 2),
        'rotate': image.rotate,
        'shear': image.shear,
        # The matrix, not the object: that would be shared by both layers.
        'affine': image.affine.affine_matrix.copy(),
        'units': image.units,
        'axis_labels': image.axis_labels,
    }
