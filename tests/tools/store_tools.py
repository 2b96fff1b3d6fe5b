"""Keys and tokens for tests of the store: each key has tokens of its own."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_naclip.engine.store import FeatureStore

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


def put_all(store: FeatureStore, numbers: Iterable[int]) -> None:
    for number in numbers:
        store.put(make_key(number), make_tokens(number))


def found(store: FeatureStore, numbers: Iterable[int]) -> list[int]:
    """Return which numbers are kept; each must be whole."""
    kept = []
    for number in numbers:
        tokens = store.get(make_key(number))
        if tokens is not None:
            assert np.array_equal(tokens, make_tokens(number))
            kept.append(number)
    return kept
