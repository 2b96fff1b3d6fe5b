"""The folders inside the cache folder, and how large they are.

Edits that were saved by themselves cannot be made again, and are elsewhere.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from napari_naclip.engine.cache_folder import (
    CACHE_VARIABLE,
    cache_folder,
    make_private,
)

#: Environment variable that names another folder of what must not be lost.
STATE_VARIABLE: Final = 'NAPARI_NACLIP_STATE'

__all__ = [
    'CACHE_VARIABLE',
    'STATE_VARIABLE',
    'cache_folder',
    'edits_folder',
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


def edits_folder() -> Path:
    """Return the folder of edits that were saved by themselves.

    ``NAPARI_NACLIP_STATE`` names another place; made as by
    ``text_cache_folder``.
    """
    named = os.environ.get(STATE_VARIABLE, '').strip()
    if named:
        return make_private('edits', Path(named).expanduser().absolute())
    import platformdirs

    return make_private(
        'edits',
        Path(platformdirs.user_state_dir('napari-naclip', appauthor=False)),
    )


def folder_size(folder: Path) -> int:
    """Return how many bytes the files below a folder have together."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            # Another process may have removed it since.
            with contextlib.suppress(OSError):
                total += Path(parent, name).lstat().st_size
    return total
