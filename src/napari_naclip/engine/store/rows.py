"""A window's tokens as a row of the database, and back: never a wrong one.

Each row carries a checksum of everything in it, the key too. Bytes that were
damaged, or that a damaged index put under another key, are no tokens.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from napari_naclip.engine.store.memory import Tokens

#: Of a row: bits of a number, rows, columns, D, checksum.
Header = tuple[int, int, int, int, int]

_DTYPES: Final[dict[int, np.dtype[Any]]] = {
    16: np.dtype('<f2'),
    32: np.dtype('<f4'),
}
_LARGEST: Final = 2**31


def pack(key: bytes, tokens: Tokens) -> tuple[Header, bytes]:
    """Return header and body of a row."""
    bits = 8 * tokens.dtype.itemsize
    body = tokens.astype(_DTYPES[bits], copy=False).tobytes()
    rows, columns, depth = tokens.shape
    checksum = _checksum(key, (bits, rows, columns, depth), body)
    return (bits, rows, columns, depth, checksum), body


def unpack(key: bytes, header: tuple[Any, ...], body: Any) -> Tokens | None:
    """Return the tokens (read-only) of a row, or None if it is damaged.

    Parameters
    ----------
    key : bytes
    header, body
        As the database gives them, of whatever type.
    """
    # Damage may make something of another type of any field.
    if not isinstance(body, bytes) or len(header) != 5:
        return None
    if not all(isinstance(n, int) and 0 <= n < 2**32 for n in header):
        return None
    bits, rows, columns, depth, checksum = header
    dtype = _DTYPES.get(bits)
    if dtype is None or max(rows, columns, depth) >= _LARGEST:
        return None
    if rows * columns * depth * dtype.itemsize != len(body) or not body:
        return None
    if _checksum(key, (bits, rows, columns, depth), body) != checksum:
        return None
    tokens = np.frombuffer(body, dtype).reshape(rows, columns, depth)
    native = tokens.astype(dtype.newbyteorder('='), copy=False)
    native.flags.writeable = False
    return native


def _checksum(key: bytes, sizes: tuple[int, ...], body: bytes) -> int:
    # Against accidents: who may write here may as well change the labels.
    return zlib.crc32(body, zlib.crc32(struct.pack('<4q', *sizes) + key))
