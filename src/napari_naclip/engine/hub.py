"""Which weights are on this machine: looks at files only.

Needs neither torch nor the network, so that a window may ask while it opens.
The transfer itself is in ``download``.

A model is looked for in two places: the hub's cache, where other programs put
it, and this package's part of the hub's assets folder, where ``download``
puts it. The hub's library offers no way to hand it a finished file, and
throws away what has arrived when a transfer ends early.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_naclip.engine.cache_folder import (
    CACHE_VARIABLE,
    cache_folder,
    make_private,
)
from napari_naclip.engine.entry import WEIGHTS_FILES

if TYPE_CHECKING:
    from napari_naclip.engine.entry import RegistryEntry

#: What a file is called, behind its own name, until it is whole.
PART_SUFFIX = '.part'
#: What the note about a part is called: which version of which size it is.
NOTE_SUFFIX = '.part.json'


@dataclass(frozen=True, slots=True)
class StartedDownload:
    """A download that can go on.

    Attributes
    ----------
    present, size : int
        Bytes that are here, and bytes of the whole file.
    etag : str
        The hub's name of this version of the file; its SHA-256 where the
        hub keeps it as a large file.
    """

    present: int
    size: int
    etag: str


def weights_folder() -> Path:
    """Return the folder of downloaded weights, which need not be there.

    Inside ``NAPARI_NACLIP_CACHE`` if that is set; else where the hub's
    ``cached_assets_path`` puts what belongs to a library, which ``HF_HOME``
    and ``HF_ASSETS_CACHE`` move.
    """
    return cache_folder() / 'weights' if _is_ours() else _assets_folder()


def make_weights_folder() -> None:
    """Make the folder of weights, private if it is in our own cache."""
    if _is_ours():
        make_private('weights')
    weights_folder().mkdir(parents=True, exist_ok=True)


def folder_variable() -> str:
    """Return the environment variable that moves the folder of weights."""
    return CACHE_VARIABLE if _is_ours() else 'HF_HOME'


def _is_ours() -> bool:
    return bool(os.environ.get(CACHE_VARIABLE, '').strip())


def _assets_folder() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_ASSETS_CACHE, 'napari-naclip', 'weights')


def weights_path(entry: RegistryEntry) -> Path:
    """Return where a model's downloaded weights are put when complete."""
    return _path_in(weights_folder(), entry.repo, entry.files[0])


def weights_folders() -> tuple[Path, ...]:
    """Return where downloads may lie: the present folder, then the usual.

    What was downloaded before ``NAPARI_NACLIP_CACHE`` was set is in the
    second.
    """
    return tuple(dict.fromkeys((weights_folder(), _assets_folder())))


def _path_in(folder: Path, repo: str, file: str) -> Path:
    return folder / folder_name(repo) / file


def folder_name(repo: str) -> str:
    """Return what a repository's folder is called."""
    return repo.replace('/', '--')


def find_cached(entry: RegistryEntry) -> Path | None:
    """Return a model's weights on this machine, or None."""
    if entry.folder is not None:
        return _find_in(entry.folder)
    if not entry.repo:
        return None
    import huggingface_hub

    folders = weights_folders()
    for file in entry.files:
        for folder in folders:
            ours = _path_in(folder, entry.repo, file)
            if ours.is_file():
                return ours
        path = huggingface_hub.try_to_load_from_cache(entry.repo, file)
        # A link whose target was removed by hand is no cached file.
        if isinstance(path, str) and Path(path).exists():
            return Path(path)
    return None


def _find_in(folder: Path) -> Path | None:
    """Return the weights in a folder: open_clip's name, or the only ones."""
    for name in WEIGHTS_FILES:
        if (folder / name).is_file():
            return folder / name
    for suffixes in ({'.safetensors'}, {'.pt', '.pth', '.bin', '.ckpt'}):
        found = [
            path
            for path in folder.glob('*')
            if path.suffix.casefold() in suffixes and path.is_file()
        ]
        if len(found) == 1:
            return found[0]
    return None


def repositories_here() -> frozenset[str]:
    """Return the repositories of which anything is on this machine.

    With "--" for the slash. Much quicker than asking for each model.
    """
    from huggingface_hub import constants

    found: set[str] = set()
    for folder in (*weights_folders(), Path(constants.HF_HUB_CACHE)):
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            found.update(
                each.name.removeprefix('models--') for each in entries
            )
    return frozenset(found)


def find_started(entry: RegistryEntry) -> StartedDownload | None:
    """Return a download of a model that ended early, or None."""
    for file in entry.files if entry.repo else ():
        target = weights_path(dataclasses.replace(entry, file=file))
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            note: dict[str, Any] = json.loads(
                beside(target, NOTE_SUFFIX).read_text(encoding='utf-8')
            )
            started = StartedDownload(
                present=beside(target, PART_SUFFIX).stat().st_size,
                size=int(note['size']),
                etag=str(note['etag']),
            )
            if 0 < started.present <= started.size:
                return started
    return None


def beside(target: Path, suffix: str) -> Path:
    """Return the path next to a file with a suffix behind its name."""
    return target.with_name(target.name + suffix)
