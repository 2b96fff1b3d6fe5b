"""The files by which some models cut words into tokens.

Most models have CLIP's own tokenizer, which comes along. Others name one in
a repository of its own; the package transformers finds it in the hub's cache.
"""

from __future__ import annotations

import json
import threading
from importlib import util
from pathlib import Path
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

#: What transformers may look for; a repository has some of them. Those that
#: tell that a repository was fetched come last.
_FILES: Final = (
    'config.json',
    'special_tokens_map.json',
    'added_tokens.json',
    'vocab.json',
    'merges.txt',
    'spiece.model',
    'sentencepiece.bpe.model',
    'tokenizer.model',
    'vocab.txt',
    'tokenizer.json',
    'tokenizer_config.json',
)
#: Any of them tells that the repository was fetched.
_SIGNS: Final = ('tokenizer_config.json', 'tokenizer.json', 'vocab.txt')
#: Seconds between two looks whether a file has come.
_POLL_INTERVAL: Final = 0.1


def text_repositories(model_cfg: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the hub's repositories that a model reads words with.

    Of its tokenizer and of its text tower, often the same; none: CLIP's own.

    Parameters
    ----------
    model_cfg : mapping
        In the form of open_clip's model configurations.
    """
    text = model_cfg.get('text_cfg')
    found = text if isinstance(text, dict) else {}
    names = (found.get('hf_tokenizer_name'), found.get('hf_model_name'))
    return tuple(dict.fromkeys(str(name) for name in names if name))


def check_package(name: str, repo: str) -> None:
    """Raise ``ModelError`` if a tokenizer's package is not installed.

    Parameters
    ----------
    name : str
        What the model is called.
    repo : str
        Repository of the tokenizer or the text tower.
    """
    if util.find_spec('transformers') is None:
        raise ModelError(
            f'{name} reads words with the package transformers ({repo}), '
            'which is not installed. Run: '
            'pip install "napari-naclip[transformers]"'
        )


def find_folder(repo: str) -> Path | None:
    """Return the folder on this machine that has a repository's files.

    Parameters
    ----------
    repo : str
        On the hub, or the path of a folder.
    """
    if Path(repo).is_dir():
        return Path(repo)
    import huggingface_hub

    for name in _SIGNS:
        path = huggingface_hub.try_to_load_from_cache(repo, name)
        if isinstance(path, str) and Path(path).exists():
            return Path(path).parent
    return None


def with_own_files(
    model_cfg: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Return a configuration that reads words with a model's own folder.

    Its tokenizer, and the configuration of its text tower, where the folder
    has them: then a machine needs nothing but this folder.

    Parameters
    ----------
    model_cfg : mapping
        In the form of open_clip's model configurations.
    folder : Path
        Of the model's configuration and weights.
    """
    text = dict(model_cfg['text_cfg'])
    if text.get('hf_tokenizer_name') and any(
        (folder / name).is_file() for name in ('tokenizer.json', 'vocab.txt')
    ):
        text['hf_tokenizer_name'] = str(folder)
    if text.get('hf_model_name') and _is_text_tower(folder / 'config.json'):
        text['hf_model_name'] = str(folder)
    return {**model_cfg, 'text_cfg': text}


def _is_text_tower(path: Path) -> bool:
    try:
        config = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return False
    # transformers' own form of a CLIP may lie there instead.
    return isinstance(config, dict) and not (
        {'text_config', 'vision_config'} & set(config)
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
    if find_folder(repo) is not None:
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
