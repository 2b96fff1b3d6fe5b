"""The files by which some models cut words into tokens.

Most models have CLIP's own tokenizer, which comes along. Others name one in
a repository of its own; the package transformers finds it in the hub's cache.
"""

from __future__ import annotations

import threading
from importlib import util
from typing import TYPE_CHECKING, Any, Final

from napari_naclip.engine.errors import (
    ModelError,
    NetworkError,
    WeightsMissingError,
)
from napari_naclip.engine.types import Progress

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from napari_naclip.engine.entry import RegistryEntry

#: What transformers may look for; a repository has some of them.
_FILES: Final = (
    'tokenizer_config.json',
    'tokenizer.json',
    'config.json',
    'special_tokens_map.json',
    'added_tokens.json',
    'vocab.txt',
    'vocab.json',
    'merges.txt',
    'spiece.model',
    'sentencepiece.bpe.model',
    'tokenizer.model',
)
#: Either of them tells that the repository was fetched.
_SIGNS: Final = ('tokenizer_config.json', 'tokenizer.json', 'vocab.txt')
#: Seconds between two looks whether a file has come.
_POLL_INTERVAL: Final = 0.1


def text_repository(model_cfg: Mapping[str, Any]) -> str:
    """Return the hub's repository of a model's tokenizer; empty: CLIP's own.

    Parameters
    ----------
    model_cfg : mapping
        In the form of open_clip's model configurations.
    """
    text = model_cfg.get('text_cfg')
    found = text if isinstance(text, dict) else {}
    name = found.get('hf_tokenizer_name') or found.get('hf_model_name') or ''
    return str(name)


def check_package(entry: RegistryEntry, repo: str) -> None:
    """Raise ``ModelError`` if a tokenizer's package is not installed."""
    if repo and util.find_spec('transformers') is None:
        raise ModelError(
            f'{entry.name} reads words with the package transformers, which '
            'is not installed. Run: pip install "napari-naclip[transformers]"'
        )


def locate_tokenizer(
    entry: RegistryEntry, repo: str, *, download: bool
) -> Generator[Progress, None, None]:
    """Yield progress until a tokenizer is on this machine.

    Raises
    ------
    NaclipError
        If it is not here and may not, or cannot, be downloaded.
    """
    import huggingface_hub

    if any(
        isinstance(huggingface_hub.try_to_load_from_cache(repo, name), str)
        for name in _SIGNS
    ):
        return
    if not download:
        raise WeightsMissingError(
            f'The tokenizer of {entry.name} is not on this machine. Allow '
            f'the download (some MB from {repo}), or use another model.',
            model=entry.name,
            size=0,
        )
    yield Progress('download')
    problem: list[Exception] = []
    thread = threading.Thread(
        target=_fetch,
        args=(repo, problem),
        name='napari-naclip tokenizer',
        daemon=True,
    )
    thread.start()
    while thread.is_alive():
        thread.join(_POLL_INTERVAL)
        yield Progress('download')
    if problem:
        reason = str(problem[0]).strip().split('\n')[0].rstrip('.')
        raise NetworkError(
            f'The tokenizer of {entry.name} could not be downloaded from '
            f'{repo}: {reason}. Check the connection, or use another model.'
        ) from problem[0]


def _fetch(repo: str, problem: list[Exception]) -> None:
    import huggingface_hub
    from huggingface_hub.errors import (
        EntryNotFoundError,
        LocalEntryNotFoundError,
    )

    try:
        came = 0
        for name in _FILES:
            try:
                huggingface_hub.hf_hub_download(repo, name)
            except LocalEntryNotFoundError:  # the connection is gone
                raise
            except EntryNotFoundError:
                continue
            came += 1
        if not came:
            raise FileNotFoundError('it has no such files')  # noqa: TRY301
    except Exception as error:  # noqa: BLE001 - raised by who waits
        problem.append(error)
