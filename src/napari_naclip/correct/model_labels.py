"""What the model wrote into labels, and with it what a person edited.

An edit is where labels differ from what the model wrote last. In files only
those pixels are kept, as text for JSON.
"""

from __future__ import annotations

import base64
import weakref
import zlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

#: Key of the model's labels in a layer's metadata.
WRITTEN_KEY: Final = 'napari-naclip model labels'


class ModelLabels:
    """What the model wrote last into a layer.

    Parameters
    ----------
    array : array
        In the shape of the layer.
    layer : object, optional
        Whose they are: a duplicate has the metadata of the layer that it was
        made from, and that one's labels go on to change. None: of any layer
        whose metadata they are in.
    accepted : bool array or None
        Pixels whose labels the person said are right; None: none.
    """

    def __init__(
        self,
        array: npt.NDArray[Any],
        layer: object = None,
        accepted: npt.NDArray[Any] | None = None,
    ) -> None:
        # napari's proxies of a layer are made anew each time.
        layer = getattr(layer, '__wrapped__', layer)
        self.array = array
        self.accepted = accepted
        #: When they were saved with the layer, by ``time.monotonic()``.
        self.saved_at = float('-inf')
        self.owner = None if layer is None else weakref.ref(layer)

    def __deepcopy__(self, memo: dict[int, Any]) -> ModelLabels:
        """Return labels that no run changes, for any layer."""
        return ModelLabels(*self._copies())

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the layer."""
        return ModelLabels, self._copies()

    def _copies(self) -> tuple[Any, ...]:
        accepted = None if self.accepted is None else np.array(self.accepted)
        return np.array(self.array), None, accepted

    def __repr__(self) -> str:
        """Show the size alone."""
        return f'<model labels {self.array.shape} {self.array.dtype}>'


def pack_edits(
    labels: npt.NDArray[np.integer], written: npt.NDArray[np.integer]
) -> dict[str, Any]:
    """Return which pixels were edited, as plain data for JSON.

    Parameters
    ----------
    labels, written : arrays of the same shape
        What is there, and what the model wrote.

    Returns
    -------
    dict
        ``pixels``: how many. ``mask``: a bit for each pixel in C order, the
        first in the highest bit of a byte. ``model``: what the model wrote
        at the set bits, in their order, of the little-endian type ``dtype``.
        Both are compressed by zlib and written in base64.
    """
    # All of it: labels on the disk are read whole for a file, too.
    written = np.asarray(written)
    is_edited = labels != written
    values = written[is_edited]
    kind = values.dtype.newbyteorder('<')
    return {
        'pixels': int(values.size),
        'mask': pack_mask(is_edited),
        'model': _pack(values.astype(kind).tobytes()),
        'dtype': kind.str,
    }


def unpack_edits(
    content: Mapping[str, Any], labels: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Return what the model wrote, from what ``pack_edits`` returned.

    Parameters
    ----------
    content : mapping
    labels : array
        Those that were given to ``pack_edits``.

    Raises
    ------
    ValueError
        If the two do not belong together.
    """
    kind = np.dtype(str(content['dtype']))
    if kind.kind not in 'iu':
        raise ValueError(f'model labels of the type {kind}')
    mask = unpack_mask(content['mask'], labels.shape)
    size = int(np.count_nonzero(mask)) * kind.itemsize
    values = np.frombuffer(_unpack(content['model'], size), kind)
    written = labels.astype(np.promote_types(labels.dtype, kind))
    written[mask] = values
    return written


def pack_mask(mask: npt.NDArray[np.bool_]) -> str:
    """Return a mask as text for JSON; see ``pack_edits``."""
    return _pack(np.packbits(np.asarray(mask)).tobytes())


def unpack_mask(text: object, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Return a mask from what ``pack_mask`` returned.

    Raises
    ------
    ValueError
        If it is of another size.
    """
    count = int(np.prod(shape))
    bits = np.frombuffer(_unpack(text, -(-count // 8)), np.uint8)
    return np.unpackbits(bits, count=count).astype(bool).reshape(shape)


def _pack(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 6)).decode('ascii')


def _unpack(text: Any, size: int) -> bytes:
    """Return what `_pack` packed, which has a known size.

    No more is unpacked: a small text may stand for more than memory holds.
    """
    machine = zlib.decompressobj()
    content = machine.decompress(
        base64.b64decode(str(text), validate=True), size + 1
    )
    if len(content) != size:
        raise ValueError(f'an edit mask of {len(content)} bytes, not {size}')
    return content
