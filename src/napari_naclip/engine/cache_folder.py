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


def make_private(name: str, parent: Path | None = None) -> Path:
    """Return a folder inside it, made for this user alone.

    Where it cannot be made it is returned all the same: what writes to it
    then says so.

    Parameters
    ----------
    name : str
    parent : Path, optional
        Instead of the cache folder.
    """
    folder = (cache_folder() if parent is None else parent) / name
    # A mode holds for the last folder of a path only, hence one by one.
    with contextlib.suppress(OSError):
        folder.parent.parent.mkdir(parents=True, exist_ok=True)
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder
