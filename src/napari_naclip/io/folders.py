"""The folders inside the cache folder, and how large they are."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from napari_naclip.engine.cache_folder import (
    CACHE_VARIABLE,
    cache_folder,
    make_private,
)

__all__ = [
    'CACHE_VARIABLE',
    'cache_folder',
    'features_folder',
    'folder_size',
    'text_cache_folder',
]


def text_cache_folder() -> Path:
    """Return the folder of encoded texts, made for this user alone.

    Where it cannot be made it is returned all the same: the cache then says
    so when it is written to, and costs nothing else.
    """
    return make_private('text')


def features_folder() -> Path:
    """Return the folder of kept features, as ``text_cache_folder`` does."""
    return make_private('features')


def folder_size(folder: Path) -> int:
    """Return how many bytes the files below a folder have together."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            # Another process may have removed it since.
            with contextlib.suppress(OSError):
                total += Path(parent, name).lstat().st_size
    return total
