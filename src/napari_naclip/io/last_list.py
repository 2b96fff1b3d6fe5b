"""The class list from one start of the program to the next.

One small file in the user's configuration folder, for this user alone.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from napari_naclip.engine.class_state import ListState
from napari_naclip.engine.errors import InputError
from napari_naclip.io.atomic import write_atomically

#: Environment variable that names another configuration folder.
CONFIG_VARIABLE: Final = 'NAPARI_NACLIP_CONFIG'
_FILE_NAME: Final = 'class_list.json'
#: Where a file goes that cannot be read.
_BROKEN_NAME: Final = 'class_list.broken.json'

_logger = logging.getLogger(__name__)


def config_folder() -> Path:
    """Return the configuration folder, which need not be there.

    ``NAPARI_NACLIP_CONFIG`` if it is set, else the place where programs of
    this system keep a user's settings.
    """
    named = os.environ.get(CONFIG_VARIABLE, '').strip()
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_config_dir('napari-naclip', appauthor=False))


def write_settings(name: str, content: dict[str, Any]) -> None:
    """Write a file of the configuration folder, for this user alone.

    Parameters
    ----------
    name : str
    content : dict
        Fit for JSON.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    folder = config_folder()
    # Where it cannot be made, writing says so.
    with contextlib.suppress(OSError):
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    text = json.dumps(content, indent=2, ensure_ascii=False)
    with write_atomically(folder / name, overwrite=True) as temporary:
        temporary.chmod(0o600)
        temporary.write_text(text + '\n', encoding='utf-8')


def save_last(state: ListState) -> None:
    """Keep a class list for the next start, whole or not at all.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    write_settings(_FILE_NAME, state.to_dict())


def load_last() -> ListState | None:
    """Return the class list that was kept last.

    No layer of this start has its label values, so that a list that replaces
    it may begin with 1: ``is_used`` is False.

    Returns
    -------
    ListState or None
        None where there is none. A file that cannot be understood is kept
        beside as ``class_list.broken.json``; that is logged.
    """
    path = config_folder() / _FILE_NAME
    try:
        text = path.read_text(encoding='utf-8')
        state = ListState.from_dict(json.loads(text))
    except FileNotFoundError:
        return None
    except OSError as error:
        _logger.warning('The last class list cannot be read: %s', error)
        return None
    except (InputError, ValueError, RecursionError) as error:
        _keep_aside(path, error)
        return None
    return replace(state, is_used=False, removed=())


def _keep_aside(path: Path, error: Exception) -> None:
    aside = path.with_name(_BROKEN_NAME)
    try:
        path.replace(aside)
    except OSError:
        aside = path
    _logger.warning(
        'The last class list is broken and was kept as %s: %s', aside, error
    )
