"""Where a model comes from: its configuration and its file of weights.

What is on this machine is looked for first, without the network. What cannot
be run is refused before anything is downloaded.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari_naclip.engine.architectures import model_config
from napari_naclip.engine.entry import CONFIG_FILE, RegistryEntry
from napari_naclip.engine.errors import (
    ModelError,
    WeightsError,
    WeightsMissingError,
)
from napari_naclip.engine.tokenizer_files import (
    check_package,
    locate_text,
    text_sources,
    with_own_files,
)
from napari_naclip.engine.typed_names import read_config

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_naclip.engine.types import Progress

#: Activations that can be asked for.
ACTIVATIONS: Final = ('auto', 'gelu', 'quickgelu')


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """All that is needed to build a model.

    Attributes
    ----------
    entry : RegistryEntry
        With mean and std.
    model_cfg : dict
        In the form of open_clip's model configurations, with folders of this
        machine for the tokenizer and the text tower of transformers.
    path : Path
        The weights.
    """

    entry: RegistryEntry
    model_cfg: dict[str, Any]
    path: Path


def locate(
    entry: RegistryEntry,
    *,
    weights: Path | None = None,
    download: bool = False,
    activation: str = 'auto',
) -> Generator[Progress, None, Source]:
    """Yield progress; return where a model's parts are.

    Parameters
    ----------
    entry : RegistryEntry
    weights : Path, optional
        A file to take instead of the published weights.
    download : bool
        Whether what is not on this machine may be downloaded.
    activation : {'auto', 'gelu', 'quickgelu'}
        Of both towers; ``'auto'``: as the entry or the configuration says.

    Raises
    ------
    NaclipError
        If something is missing, or cannot be run.
    """
    if activation not in ACTIVATIONS:
        raise ModelError(
            f'There is no activation {activation!r}. Choose one of '
            f'{", ".join(ACTIVATIONS)}.'
        )
    if entry.tag and not entry.repo:
        from napari_naclip.engine.clip.tags import complete

        entry = complete(entry)
    if entry.arch:
        model_cfg = _architecture(entry.arch)
    else:
        config = read_config(
            (yield from _locate_config(entry, weights, download=download))
        )
        model_cfg = config['model_cfg']
        entry = _with_statistics(entry, config.get('preprocess_cfg'))
    if activation != 'auto':
        entry = dataclasses.replace(entry, activation=activation)
    if entry.activation:
        model_cfg = {
            **model_cfg,
            'quick_gelu': entry.activation == 'quickgelu',
        }
    from napari_naclip.engine.clip.build import check_config

    check_config(model_cfg, entry.name)
    if entry.folder is not None:
        model_cfg = with_own_files(model_cfg, entry.folder)
    for source in text_sources(model_cfg):
        check_package(entry.name, source)
    if weights is not None:
        path = weights
    else:
        path = yield from _locate_weights(entry, download=download)
    model_cfg = yield from locate_text(entry, model_cfg, download=download)
    return Source(entry, model_cfg, path)


def _architecture(arch: str) -> dict[str, Any]:
    model_cfg = model_config(arch)
    if model_cfg is None:
        raise ModelError(
            f'open_clip has no architecture {arch!r}. Update open_clip_torch.'
        )
    return model_cfg


def _with_statistics(
    entry: RegistryEntry, preprocess: object
) -> RegistryEntry:
    """Return an entry with mean and std of its configuration."""
    found = preprocess if isinstance(preprocess, dict) else {}
    values: dict[str, tuple[float, ...]] = {}
    for key in ('mean', 'std'):
        numbers = found.get(key)
        if numbers is None:
            continue
        if (
            not isinstance(numbers, list)
            or len(numbers) != 3
            or not all(_is_statistic(each, key) for each in numbers)
        ):
            above = ' above 0' if key == 'std' else ''
            raise ModelError(
                f'The configuration of {entry.name} has no three numbers'
                f'{above} as {key} of the pixels. Choose another model.'
            )
        values[key] = tuple(float(each) for each in numbers)
    return dataclasses.replace(
        entry,
        mean=values.get('mean', entry.mean),
        std=values.get('std', entry.std),
    )


def _is_statistic(number: object, key: str) -> bool:
    """Return whether pixels can be normalized with a number of JSON."""
    return (
        isinstance(number, int | float)
        and not isinstance(number, bool)
        # Divided by less, a float32 pixel would no longer be finite.
        and (1e-6 if key == 'std' else -1e6) <= number <= 1e6
    )


def _locate_config(
    entry: RegistryEntry, weights: Path | None, *, download: bool
) -> Generator[Progress, None, Path]:
    if entry.folder is not None:
        path = entry.folder / CONFIG_FILE
        if not path.is_file():
            raise ModelError(
                f'{entry.folder} has no {CONFIG_FILE}, so that nobody knows '
                'how the model is built. Choose the file of weights there, '
                'with the model that it was made for, or "auto".'
            )
        return path
    from napari_naclip.engine import hub

    asked = dataclasses.replace(entry, file=CONFIG_FILE)
    cached = hub.find_cached(asked)
    if cached is not None:
        return cached
    if not download:
        if weights is not None:
            raise WeightsMissingError(
                f'How {entry.name} is built is not on this machine. Allow '
                'the download, or choose a model whose architecture is known.',
                model=entry.name,
                size=0,
            )
        raise missing_weights(entry)
    from napari_naclip.engine.download import download as fetch

    return (yield from fetch(asked))


def _locate_weights(
    entry: RegistryEntry, *, download: bool
) -> Generator[Progress, None, Path]:
    from napari_naclip.engine import hub

    path = hub.find_cached(entry)
    if path is not None:
        return path
    if entry.folder is not None:
        raise WeightsError(
            f'{entry.folder} has no file of weights, or several. Choose one.'
        )
    if not download:
        raise missing_weights(entry)
    from napari_naclip.engine.download import download as fetch

    return (yield from fetch(entry))


def missing_weights(entry: RegistryEntry) -> WeightsMissingError:
    """Return the error that offers a download, with size and license."""
    from napari_naclip.engine import hub

    started = hub.find_started(entry)
    if started is not None:
        size, present = started.size, started.present
        text = (
            f'Of the weights of {entry.name} {present / 1e6:.0f} of '
            f'{size / 1e6:.0f} MB are on this machine. Allow the download '
            f'of the rest ({(size - present) / 1e6:.0f} MB)'
        )
    else:
        size, present = entry.download_size, 0
        about = f' (about {size / 1e6:.0f} MB)' if size else ''
        text = (
            f'The weights of {entry.name} are not on this machine. Allow '
            f'the download{about}'
        )
    warning = ''
    if entry.forbids_commercial:
        warning = f' Its license ({entry.license}) forbids commercial use.'
    return WeightsMissingError(
        f'{text}, choose a file of weights, or use the demo model.{warning}',
        model=entry.name,
        size=size,
        present=present,
    )
