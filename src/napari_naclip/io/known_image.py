"""By what an image is known again: its size and some of its pixels."""

from __future__ import annotations

import hashlib
import logging
from typing import Any, Final

import numpy as np

#: Pixels along an axis of the pieces that are read.
_PIECE: Final = 16

_logger = logging.getLogger(__name__)


class KnownImage:
    """Remembers what an image is known by, while its data are the same.

    Data in memory are looked at each time: they may change in place.
    """

    def __init__(self) -> None:
        self._data: Any = None
        self._description: dict[str, Any] | None = None

    def is_quick(self, data: Any) -> bool:
        """Return whether nothing has to be read to describe an image."""
        return isinstance(data, np.ndarray) or data is self._data

    def describe(self, data: Any) -> dict[str, Any] | None:
        """Return what ``describe_image`` does; None if it cannot be read.

        Such an image is not tried again: that may take long each time.
        """
        if isinstance(data, np.ndarray):
            return describe_image(data)
        if data is not self._data:
            self._data, self._description = data, None
            try:
                self._description = describe_image(data)
            except Exception:
                # Whatever reads it raises anything.
                _logger.info('the image cannot be read', exc_info=True)
        return self._description


def describe_image(data: Any) -> dict[str, Any] | None:
    """Return what an image is known by, as plain data; None without one.

    Parameters
    ----------
    data : array-like or None
        Of the layer. Five pieces of it are read, in its middle and towards
        its corners.
    """
    if data is None:
        return None
    shape = tuple(int(length) for length in data.shape)
    digest = hashlib.blake2b(digest_size=16)
    for share in ((0.5, 0.5), (0.1, 0.1), (0.1, 0.9), (0.9, 0.1), (0.9, 0.9)):
        index: list[slice] = []
        for axis, length in enumerate(shape):
            place = share[axis % 2]
            side = _PIECE if axis >= len(shape) - 3 else 1
            start = max(0, min(int(place * length), length - side))
            index.append(slice(start, start + side))
        piece = np.ascontiguousarray(data[tuple(index)])
        digest.update(piece.tobytes())
    return {
        'shape': list(shape),
        'dtype': str(data.dtype),
        'digest': digest.hexdigest(),
    }
