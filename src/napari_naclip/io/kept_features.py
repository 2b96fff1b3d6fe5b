"""The process's store of features, and the budgets that the person chose.

Budgets come from the environment, else from a small file in the user's
configuration folder, else from what this machine can spare.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.outputs import OUTPUT_VARIABLE, set_output_budget
from napari_naclip.engine.store import FeatureStore
from napari_naclip.engine.store.budgets import (
    LARGEST,
    Budgets,
    default_budgets,
    parse_size,
)
from napari_naclip.io.folders import features_folder, folder_size
from napari_naclip.io.last_list import config_folder, write_settings

if TYPE_CHECKING:
    from pathlib import Path

#: Environment variables that win over what was set: sizes such as "2GB".
MEMORY_VARIABLE: Final = 'NAPARI_NACLIP_KEEP_MEMORY'
DISK_VARIABLE: Final = 'NAPARI_NACLIP_KEEP_DISK'
_FILE_NAME: Final = 'kept_features.json'

_logger = logging.getLogger(__name__)


def load_budgets(folder: Path | None = None) -> Budgets:
    """Return the budgets that hold for a process that starts now.

    What cannot be understood is logged and left out.

    Parameters
    ----------
    folder : Path, optional
        Where features are kept.
    """
    folder = folder or features_folder()
    usual = default_budgets(folder, used=folder_size(folder))
    chosen = _read_file()
    return Budgets(
        _read_variable(MEMORY_VARIABLE, chosen.get('memory', usual.memory)),
        _read_variable(DISK_VARIABLE, chosen.get('disk', usual.disk)),
    )


def save_budgets(
    *,
    memory: int | None = None,
    disk: int | None = None,
    outputs: int | None = None,
) -> None:
    """Keep budgets, in bytes, for this and later processes.

    Parameters
    ----------
    memory, disk, outputs : int, optional
        Of features, and of labels and confidence in memory. None leaves one
        as it is; 0 turns the level off.

    Raises
    ------
    StorageError
        If they cannot be kept for later; in this process they hold.
    """
    shared_store().set_budgets(memory=memory, disk=disk)
    if outputs is not None:
        set_output_budget(outputs)
    chosen = _read_file()
    sizes = (('memory', memory), ('disk', disk), ('outputs', outputs))
    for name, size in sizes:
        if size is not None:
            chosen[name] = size
    write_settings(_FILE_NAME, chosen)


def overriding_variables() -> list[str]:
    """Return the environment variables that win over what is set."""
    return [
        name
        for name in (MEMORY_VARIABLE, DISK_VARIABLE, OUTPUT_VARIABLE)
        if os.environ.get(name, '').strip()
    ]


def shared_store() -> FeatureStore:
    """Return the process's store, made when it is first asked for.

    Another cache folder (``NAPARI_NACLIP_CACHE``) has another store. The
    budget of labels and confidence that was chosen holds from then on, too.
    """
    return _SHARED.find()


class _SharedStore:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._store: FeatureStore | None = None

    def find(self) -> FeatureStore:
        folder = features_folder()
        with self._lock:
            if self._store is None or self._store.folder != folder:
                self._close()
                budgets = load_budgets(folder)
                set_output_budget(_read_file().get('outputs'))
                self._store = FeatureStore(
                    folder, memory=budgets.memory, disk=budgets.disk
                )
            return self._store

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()


_SHARED: Final = _SharedStore()
atexit.register(_SHARED.close)


def _read_variable(name: str, otherwise: int) -> int:
    text = os.environ.get(name, '').strip()
    if not text:
        return otherwise
    try:
        return parse_size(text)
    except InputError as error:
        _logger.warning('%s is left out: %s', name, error)
        return otherwise


def _read_file() -> dict[str, int]:
    path = config_folder() / _FILE_NAME
    try:
        content: Any = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        _logger.warning('%s is left out: %s', path, error)
        return {}
    if not isinstance(content, dict):
        return {}
    return {
        name: content[name]
        for name in ('memory', 'disk', 'outputs')
        # True is an int, too.
        if type(content.get(name)) is int and 0 <= content[name] <= LARGEST
    }
