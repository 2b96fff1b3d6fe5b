"""The download of a tokenizer: several small files of one version.

Each comes as weights do (``download``). They lie in a folder that is named
by what they are, and count as a tokenizer when all of them are there.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

from napari_naclip.engine.download import ask, bring
from napari_naclip.engine.download_errors import (
    explained_storage,
    lacks_file,
)
from napari_naclip.engine.errors import NetworkError
from napari_naclip.engine.hub import beside, weights_path
from napari_naclip.engine.tokenizer_files import (
    FILES,
    MARK,
    SUBFOLDER,
    has_vocabulary,
)
from napari_naclip.engine.types import Progress

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_naclip.engine.entry import RegistryEntry
    from napari_naclip.engine.transfer import Remote


def download_tokenizer(
    entry: RegistryEntry, repo: str, *, is_tower: bool = False
) -> Generator[Progress, None, Path]:
    """Yield progress in bytes; return the folder of the complete files.

    As with weights, closing the generator keeps what has arrived.

    Parameters
    ----------
    entry : RegistryEntry
        The model that reads words with it.
    repo : str
        On the hub.
    is_tower : bool
        Whether the configuration of a text tower must be among the files.

    Raises
    ------
    NetworkError
        If the hub cannot be reached, has no tokenizer there, or a transfer
        breaks off.
    StorageError
        If a file cannot be written.
    """
    words = dataclasses.replace(
        entry, name=f"{entry.name}'s tokenizer", repo=repo
    )
    remotes = yield from _ask(words)
    if not has_vocabulary(remotes) or (
        is_tower and 'config.json' not in remotes
    ):
        raise NetworkError(
            f'{words.name} could not be downloaded: {repo} has no such '
            'files. Choose another model.'
        )
    version = hashlib.sha256(
        json.dumps(
            [(name, each.etag, each.size) for name, each in remotes.items()]
        ).encode()
    ).hexdigest()[:16]
    places = {
        name: dataclasses.replace(words, file=f'{SUBFOLDER}/{version}/{name}')
        for name in (*remotes, MARK)
    }
    total = sum(each.size for each in remotes.values())
    done = 0
    for name, remote in remotes.items():
        for progress in bring(places[name], remote):
            yield Progress('download', done + progress.done, total)
        done += remote.size
    mark = weights_path(places[MARK])
    sizes = {name: each.size for name, each in remotes.items()}
    with explained_storage():
        new = beside(mark, '.new')
        new.write_text(json.dumps(sizes), encoding='utf-8')
        new.replace(mark)
    return mark.parent


def _ask(
    words: RegistryEntry,
) -> Generator[Progress, None, dict[str, Remote]]:
    """Return where the repository's files are, all of one commit."""
    remotes: dict[str, Remote] = {}
    revision: str | None = None
    for name in FILES:
        asked = dataclasses.replace(words, file=name)
        try:
            _, remote = yield from ask(asked, revision=revision)
        except NetworkError as error:
            if not lacks_file(error.__cause__):
                raise
        else:
            remotes[name] = remote
            revision = revision or remote.commit or None
    return remotes
