"""Labels layers that were not made here, as results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_naclip.engine.outputs import zeros
from napari_naclip.layers.geometry import lies_at, matching_transform
from napari_naclip.layers.labels import Result
from napari_naclip.layers.sync import read_list, read_rows
from napari_naclip.layers.written import take_written

if TYPE_CHECKING:
    from napari.layers import Image, Labels


def adopt_result(image: Image | None, labels: Labels) -> Result | None:
    """Return a Labels layer that keeps a list of classes as a result.

    Where what the model wrote into it is not known (see ``written``)
    everything in it counts as the person's, so that only empty pixels are
    written to. Without an image it is one that no run writes to.

    Returns
    -------
    Result or None
        None if the layer keeps no list, or does not lie on the image.
    """
    if read_list(labels) is None or not read_rows(labels) or labels.multiscale:
        return None
    shape = tuple(labels.data.shape)
    if image is None:
        return _make_result(None, labels)
    for level, level_shape in enumerate(np.atleast_2d(image.level_shapes)):
        if tuple(int(length) for length in level_shape) != shape:
            continue
        factors = [1.0] * len(shape)
        if image.multiscale:
            factors = [float(f) for f in image.downsample_factors[level]]
        if lies_at(labels, matching_transform(image, factors)):
            return _make_result(image, labels)
    return None


def _make_result(image: Image | None, labels: Labels) -> Result:
    known = take_written(labels)
    if known is None:
        written = zeros(tuple(labels.data.shape), labels.data.dtype)
        return Result(image, labels, read_rows(labels), written)
    return Result(
        image,
        labels,
        read_rows(labels),
        known.array,
        accepted=known.accepted,
        under=known.under,
    )
