"""Keys and tokens for tests of the store: each key has tokens of its own."""

from __future__ import annotations

import hashlib

import numpy as np

#: Bytes of ``make_tokens`` as they come: 7 x 7 x 256 in half precision.
SIZE = 7 * 7 * 256 * 2


def make_key(number: int) -> bytes:
    return hashlib.blake2b(str(number).encode(), digest_size=32).digest()


def make_tokens(
    number: int,
    shape: tuple[int, int, int] = (7, 7, 256),
    dtype: str = 'float16',
) -> np.ndarray:
    """Return tokens that no other number has."""
    noise = np.random.default_rng(number).standard_normal(shape)
    return noise.astype(dtype)


def is_whole(number: int, tokens: np.ndarray | None) -> bool:
    """Return whether tokens are those of a number, or not there at all."""
    return tokens is None or np.array_equal(tokens, make_tokens(number))
