"""Where the package keeps what it may forget: its cache folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import platformdirs

#: Environment variable that moves the cache.
CACHE_VARIABLE: Final = 'NAPARI_NACLIP_CACHE'


def cache_folder() -> Path:
    """Return the folder of everything that can be made again."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return Path(platformdirs.user_cache_dir('napari-naclip', appauthor=False))


def text_cache_folder() -> Path:
    """Return the folder of the kept query embeddings."""
    return cache_folder() / 'text'
