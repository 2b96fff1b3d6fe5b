"""The files by which some models cut words into tokens.

Most models have CLIP's own tokenizer, which comes along. Others name one in
a repository of its own, which the package transformers reads. It is looked
for where ``tokenizer_download`` puts it, and in the hub's cache.
"""

from __future__ import annotations

import json
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_naclip.engine.errors import ModelError, WeightsMissingError

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Mapping

    from napari_naclip.engine.entry import RegistryEntry
    from napari_naclip.engine.types import Progress

#: What transformers may look for; a repository has some of them.
FILES: Final = (
    'tokenizer_config.json',
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
)
#: Where a repository's downloaded tokenizers are, each version in a folder.
SUBFOLDER: Final = 'tokenizer'
#: The file in such a folder that lists the others with their bytes; it is
#: written last, so that a download that ended early has none.
MARK: Final = 'complete.json'
#: Sets of files that have words; a tokenizer has one of them.
_VOCABULARIES: Final = (
    ('tokenizer.json',),
    ('vocab.txt',),
    ('vocab.json', 'merges.txt'),
    ('spiece.model',),
    ('sentencepiece.bpe.model',),
    ('tokenizer.model',),
)
#: What in a configuration names a tokenizer, and a text tower.
_KEYS: Final = ('hf_tokenizer_name', 'hf_model_name')


def text_sources(model_cfg: Mapping[str, Any]) -> tuple[str | Path, ...]:
    """Return what a model reads words with: repositories, or own folders.

    Of its tokenizer and of its text tower, often the same; none: CLIP's own.

    Parameters
    ----------
    model_cfg : mapping
        In the form of open_clip's model configurations.

    Raises
    ------
    ModelError
        If something else than a repository on the hub is named.
    """
    text = model_cfg.get('text_cfg')
    found = text if isinstance(text, dict) else {}
    names = [found[key] for key in _KEYS if found.get(key)]
    for name in names:
        if not isinstance(name, Path):
            _check_repository(name)
    return tuple(dict.fromkeys(names))


def _check_repository(name: object) -> None:
    """Refuse paths above all: a configuration may not choose folders."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        validate_repo_id,
    )

    try:
        if not isinstance(name, str):
            raise HFValidationError  # noqa: TRY301
        validate_repo_id(name)
    except HFValidationError as error:
        raise ModelError(
            f'The configuration of the model names {name!r} to read words '
            'with, which is no repository on the hub. Choose another model, '
            "or put the tokenizer's files into the folder of the model."
        ) from error


def check_package(name: str, source: str | Path) -> None:
    """Raise ``ModelError`` if a tokenizer's package is not installed.

    Parameters
    ----------
    name : str
        What the model is called.
    source : str or Path
        Of the tokenizer or the text tower.
    """
    if util.find_spec('transformers') is None:
        raise ModelError(
            f'{name} reads words with the package transformers ({source}), '
            'which is not installed. Run: '
            'pip install "napari-naclip[transformers]"'
        )


def has_vocabulary(names: Collection[str]) -> bool:
    """Return whether files of these names have a tokenizer's words."""
    return any(set(each) <= set(names) for each in _VOCABULARIES)


def find_folder(repo: str, *, is_tower: bool = False) -> Path | None:
    """Return the folder on this machine that has a repository's files.

    Only if it has all of them: a tokenizer that lacks a file may read words
    in another way and say nothing.

    Parameters
    ----------
    repo : str
        On the hub.
    is_tower : bool
        Whether it must have the configuration of a text tower, too.
    """
    from napari_naclip.engine.hub import folder_name, weights_folders

    for folder in weights_folders():
        ours = folder / folder_name(repo) / SUBFOLDER
        for mark in sorted(ours.glob(f'*/{MARK}')):
            if _is_complete(mark, is_tower=is_tower):
                return mark.parent
    return _find_in_cache(repo, is_tower=is_tower)


def _is_complete(mark: Path, *, is_tower: bool) -> bool:
    try:
        sizes = json.loads(mark.read_text(encoding='utf-8'))
        return (not is_tower or 'config.json' in sizes) and all(
            (mark.parent / name).stat().st_size == size
            for name, size in sizes.items()
        )
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def _find_in_cache(repo: str, *, is_tower: bool) -> Path | None:
    """Return the folder in the hub's cache, if what it lacks is known."""
    import huggingface_hub

    here: dict[str, Path] = {}
    lacking = set()  # the repository does not have them
    for name in FILES:
        found = huggingface_hub.try_to_load_from_cache(repo, name)
        if isinstance(found, str):
            # A link whose target was removed by hand is no cached file.
            if Path(found).exists():
                here[name] = Path(found)
        elif found is not None:
            lacking.add(name)
    options = here.get('tokenizer_config.json')
    if not has_vocabulary(here) or (is_tower and 'config.json' not in here):
        return None
    if options is None:
        is_whole = {'tokenizer_config.json', 'config.json'} <= lacking | {
            *here
        }
    else:
        # Which tokenizer it is, is said in either of them.
        is_whole = (
            'config.json' in lacking | {*here}
            or b'"tokenizer_class"' in options.read_bytes()
        )
    return next(iter(here.values())).parent if is_whole else None


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
    names = {path.name for path in folder.iterdir() if path.is_file()}
    if text.get('hf_tokenizer_name') and has_vocabulary(names):
        text['hf_tokenizer_name'] = folder.absolute()
    if text.get('hf_model_name') and _is_text_tower(folder / 'config.json'):
        text['hf_model_name'] = folder.absolute()
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


def locate_text(
    entry: RegistryEntry, model_cfg: Mapping[str, Any], *, download: bool
) -> Generator[Progress, None, dict[str, Any]]:
    """Yield progress until what a model reads words with is on this machine.

    Parameters
    ----------
    entry : RegistryEntry
    model_cfg : mapping
        In the form of open_clip's model configurations.
    download : bool
        Whether what is not on this machine may be downloaded.

    Returns
    -------
    dict
        The configuration with folders for the names of repositories.

    Raises
    ------
    NaclipError
        If it is not here and may not, or cannot, be downloaded.
    """
    text = dict(model_cfg['text_cfg'])
    tower = text.get('hf_model_name')
    folders: dict[str | Path, Path] = {}
    for source in text_sources(model_cfg):
        if isinstance(source, Path):
            folders[source] = source
            continue
        is_tower = source == tower
        folder = find_folder(source, is_tower=is_tower)
        if folder is None and not download:
            raise WeightsMissingError(
                f'The tokenizer of {entry.name} is not on this machine. '
                f'Allow the download (some MB from {source}), or use another '
                'model.',
                model=entry.name,
                size=0,
            )
        if folder is None:
            from napari_naclip.engine.tokenizer_download import (
                download_tokenizer,
            )

            folder = yield from download_tokenizer(
                entry, source, is_tower=is_tower
            )
        folders[source] = folder
    text |= {key: folders[text[key]] for key in _KEYS if text.get(key)}
    return {**model_cfg, 'text_cfg': text}
