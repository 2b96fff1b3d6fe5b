"""Where this package keeps what it can make again: one folder, private."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

#: Environment variable that names another cache folder.
CACHE_VARIABLE: Final = 'NAPARI_NACLIP_CACHE'


def cache_folder() -> Path:
    """Return the cache folder, which need not be there.

    ``NAPARI_NACLIP_CACHE`` if it is set, else the place where programs of
    this system keep a user's caches.
    """
    named = os.environ.get(CACHE_VARIABLE, '').strip()
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir('napari-naclip', appauthor=False))


def text_cache_folder() -> Path:
    """Return the folder of encoded texts, made for this user alone.

    Where it cannot be made it is returned all the same: the cache then says
    so when it is written to, and costs nothing else.
    """
    return _make_private('text')


def features_folder() -> Path:
    """Return the folder of kept features, as ``text_cache_folder`` does."""
    return _make_private('features')


def _make_private(name: str) -> Path:
    folder = cache_folder() / name
    # A mode holds for the last folder of a path only, hence one by one.
    with contextlib.suppress(OSError):
        folder.parent.parent.mkdir(parents=True, exist_ok=True)
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def folder_size(folder: Path) -> int:
    """Return how many bytes the files below a folder have together."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            # Another process may have removed it since.
            with contextlib.suppress(OSError):
                total += Path(parent, name).lstat().st_size
    return total
