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
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_naclip.engine.registry import RegistryEntry

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

    Where the hub's ``cached_assets_path`` puts what belongs to a library;
    ``HF_HOME`` and ``HF_ASSETS_CACHE`` move it.
    """
    from huggingface_hub import constants

    return Path(constants.HF_ASSETS_CACHE, 'napari-naclip', 'weights')


def weights_path(entry: RegistryEntry) -> Path:
    """Return where a model's downloaded weights are put when complete."""
    folder = entry.repo.replace('/', '--')
    return weights_folder() / folder / entry.file


def find_cached(entry: RegistryEntry) -> Path | None:
    """Return a model's weights on this machine, or None."""
    ours = weights_path(entry)
    if ours.is_file():
        return ours
    import huggingface_hub

    path = huggingface_hub.try_to_load_from_cache(entry.repo, entry.file)
    # A link whose target was removed by hand is no cached file.
    if isinstance(path, str) and Path(path).exists():
        return Path(path)
    return None


def find_started(entry: RegistryEntry) -> StartedDownload | None:
    """Return a download of a model that ended early, or None."""
    target = weights_path(entry)
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
