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

from napari_naclip.engine.outputs import row_bands, widened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    Index = tuple[int | slice, ...]
    Mask = npt.NDArray[np.bool_]

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
    under : array or None
        What the model says by now where it must not write, plus 1; 0
        elsewhere. None: nowhere.
    """

    def __init__(
        self,
        array: npt.NDArray[Any],
        layer: object = None,
        accepted: npt.NDArray[Any] | None = None,
        under: npt.NDArray[Any] | None = None,
    ) -> None:
        # napari's proxies of a layer are made anew each time.
        layer = getattr(layer, '__wrapped__', layer)
        self.array = array
        self.accepted = accepted
        self.under = under
        #: When they were saved with the layer, by ``time.monotonic()``.
        self.saved_at = float('-inf')
        self.owner = None if layer is None else weakref.ref(layer)

    def __deepcopy__(self, memo: dict[int, Any]) -> ModelLabels:
        """Return labels that no run changes, for any layer."""
        accepted, under = (
            None if each is None else widened(each, each.dtype)
            for each in (self.accepted, self.under)
        )
        array = widened(self.array, self.array.dtype)
        return ModelLabels(array, accepted=accepted, under=under)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the layer."""
        return ModelLabels, self._copies()

    def _copies(self) -> tuple[Any, ...]:
        array, accepted, under = (
            None if each is None else np.array(each)
            for each in (self.array, self.accepted, self.under)
        )
        return array, None, accepted, under

    def __repr__(self) -> str:
        """Show the size alone."""
        return f'<model labels {self.array.shape} {self.array.dtype}>'


def pack_edits(labels: Any, written: Any) -> dict[str, Any]:
    """Return which pixels were edited, as plain data for JSON.

    Parameters
    ----------
    labels, written : arrays of the same shape
        What is there, and what the model wrote; read in bands of rows where
        they are on the disk.

    Returns
    -------
    dict
        ``pixels``: how many. ``mask``: a bit for each pixel in C order, the
        first in the highest bit of a byte. ``model``: what the model wrote
        at the set bits, in their order, of the little-endian type ``dtype``.
        Both are compressed by zlib and written in base64.
    """

    def find(at: Index) -> tuple[Mask, npt.NDArray[Any]]:
        own = np.asarray(written[at])
        return np.asarray(labels[at]) != own, own

    return _pack_model(labels, written.dtype, find)


def pack_notes(under: Any, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return what the model says where it must not write, fit for JSON.

    Parameters
    ----------
    under : array
        See ``ModelLabels``.
    dtype : dtype
        Of labels, which have room for it.

    Returns
    -------
    dict
        As from ``pack_edits``.
    """

    def find(at: Index) -> tuple[Mask, npt.NDArray[Any]]:
        own = np.asarray(under[at])
        # Wraps around where nothing is noted, which is left out.
        return own > 0, own - 1

    return _pack_model(under, dtype, find)


def _pack_model(
    array: Any,
    dtype: np.dtype[Any],
    find: Callable[[Index], tuple[Mask, npt.NDArray[Any]]],
) -> dict[str, Any]:
    """Return some pixels of what the model says; see ``pack_edits``.

    Parameters
    ----------
    array : array
        Of the same size; tells in which bands to read.
    dtype : dtype
    find : callable
        Returns which pixels of a band are meant, and what is to be read
        there.
    """
    kind = np.dtype(dtype).newbyteorder('<')
    mask, model = _MaskPacker(), _Packer()
    pixels = 0
    for plane in np.ndindex(*array.shape[:-2]):
        for rows in row_bands(array):
            is_meant, own = find((*plane, rows))
            values = own[is_meant]
            pixels += int(values.size)
            model.add(values.astype(kind).tobytes())
            mask.add(is_meant)
    return {
        'pixels': pixels,
        'mask': mask.finish(),
        'model': model.finish(),
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
    mask, values = _unpack_model(content, labels.shape)
    written = labels.astype(np.promote_types(labels.dtype, values.dtype))
    written[mask] = values
    return written


def unpack_notes(
    content: Mapping[str, Any], written: npt.NDArray[Any]
) -> npt.NDArray[np.uint32]:
    """Return what ``pack_notes`` was given.

    Parameters
    ----------
    content : mapping
    written : array
        What the model wrote, which has room for what it says.

    Raises
    ------
    ValueError
        If the two do not belong together.
    """
    mask, values = _unpack_model(content, written.shape)
    most = min(np.iinfo(written.dtype).max, np.iinfo(np.uint32).max - 1)
    if values.size and not 0 <= int(values.min()) <= int(values.max()) <= most:
        raise ValueError(f'model labels that are none of {written.dtype}')
    under = np.zeros(written.shape, np.uint32)
    under[mask] = values.astype(np.uint32) + 1
    return under


def _unpack_model(
    content: Mapping[str, Any], shape: tuple[int, ...]
) -> tuple[Mask, npt.NDArray[Any]]:
    """Return which pixels were packed, and what the model says of them."""
    kind = np.dtype(str(content['dtype']))
    if kind.kind not in 'iu':
        raise ValueError(f'model labels of the type {kind}')
    mask = unpack_mask(content['mask'], shape)
    size = int(np.count_nonzero(mask)) * kind.itemsize
    return mask, np.frombuffer(_unpack(content['model'], size), kind)


def pack_mask(mask: Any) -> str:
    """Return a mask as text for JSON; see ``pack_edits``."""
    packer = _MaskPacker()
    for plane in np.ndindex(*mask.shape[:-2]):
        for rows in row_bands(mask):
            packer.add(np.asarray(mask[(*plane, rows)]))
    return packer.finish()


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


class _Packer:
    """Compresses bytes piece by piece."""

    def __init__(self) -> None:
        self._machine = zlib.compressobj(6)
        self._parts: list[bytes] = []

    def add(self, content: bytes) -> None:
        self._parts.append(self._machine.compress(content))

    def finish(self) -> str:
        """Return all of it as text."""
        content = b''.join([*self._parts, self._machine.flush()])
        return base64.b64encode(content).decode('ascii')


class _MaskPacker:
    """Packs a mask piece by piece, a bit for each pixel."""

    def __init__(self) -> None:
        self._packer = _Packer()
        # What fills no byte yet.
        self._rest = np.zeros(0, bool)

    def add(self, mask: npt.NDArray[np.bool_]) -> None:
        bits = np.concatenate([self._rest, mask.ravel()])
        whole = bits.size // 8 * 8
        self._packer.add(np.packbits(bits[:whole]).tobytes())
        self._rest = bits[whole:]

    def finish(self) -> str:
        """Return all of it as text."""
        self._packer.add(np.packbits(self._rest).tobytes())
        return self._packer.finish()


def _unpack(text: Any, size: int) -> bytes:
    """Return what `_Packer` packed, which has a known size.

    No more is unpacked: a small text may stand for more than memory holds.
    """
    machine = zlib.decompressobj()
    content = machine.decompress(
        base64.b64decode(str(text), validate=True), size + 1
    )
    if len(content) != size:
        raise ValueError(f'an edit mask of {len(content)} bytes, not {size}')
    return content
