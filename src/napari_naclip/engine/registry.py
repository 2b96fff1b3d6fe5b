"""The models that can be asked for by name: a table, read from a file.

Besides those in the table, names can be typed: see ``typed_names``.
"""

from __future__ import annotations

import dataclasses
import json
from importlib import resources
from typing import Any, Final

from napari_naclip.engine.architectures import repository_tags
from napari_naclip.engine.entry import RegistryEntry
from napari_naclip.engine.errors import ModelError
from napari_naclip.engine.typed_names import FORMS, read_typed, suggest

#: The name of the bundled model.
DEMO_NAME: Final = 'demo'
#: The model that is used when none is named.
DEFAULT_NAME: Final = 'ViT-B-16'
#: With a file of weights: the model that its tensors look like.
AUTO_NAME: Final = 'auto'


def _read_registry() -> dict[str, RegistryEntry]:
    text = (
        resources.files('napari_naclip.data')
        .joinpath('models.json')
        .read_text(encoding='utf-8')
    )
    entries = (
        RegistryEntry(
            **{**row, 'mean': tuple(row['mean']), 'std': tuple(row['std'])}
        )
        for row in json.loads(text)['models']
    )
    return {entry.name: entry for entry in entries}


#: The models with weights on the hub, by name.
REGISTRY: Final = _read_registry()

#: Every name in the table, and the demo.
MODEL_NAMES: Final = (*REGISTRY, DEMO_NAME)


def check_choice(name: str, *, has_weights: bool) -> None:
    """Raise ``ModelError`` if a name, or weights for it, cannot be meant."""
    if name == AUTO_NAME:
        if not has_weights:
            raise ModelError(
                f'{AUTO_NAME!r} finds the architecture from a file of '
                'weights. Choose the file, or name a model.'
            )
    elif name != DEMO_NAME:
        find_model(name)
    elif has_weights:
        raise ModelError(
            'The demo model has its own weights. Leave out the file, or name '
            'the model that it belongs to.'
        )


def find_model(name: str) -> RegistryEntry:
    """Return the entry of a name in the table, or of one that is typed.

    Raises
    ------
    ModelError
        If there is none of that name.
    """
    entry = REGISTRY.get(name)
    if entry is not None:
        return entry
    entry = read_typed(name)
    if entry is None:
        raise ModelError(
            f'There is no model {name!r}{suggest(name, MODEL_NAMES)}. Choose '
            f'one that "napari-naclip models" lists, or write {FORMS}.'
        )
    return _add_what_is_known(entry)


def _add_what_is_known(entry: RegistryEntry) -> RegistryEntry:
    """Return a typed model with what the table says of the same weights."""
    repo = entry.repo.casefold()  # the hub takes either
    owner = repo.partition('/')[0]
    family = (entry.tag or repository_tags().get(repo, '')).split('_')[0]
    for known in REGISTRY.values():
        is_repo = repo != '' and known.repo.casefold() == repo
        is_tag = entry.tag != '' and known.tag == entry.tag
        if (is_repo and not known.arch) or (
            is_tag and known.arch == entry.arch
        ):
            return dataclasses.replace(known, name=entry.name)
        # Other forms and sizes of a model have the license of their family.
        # Others may have trained on the same data: what they allow is not
        # known, but what is forbidden is better said once too often.
        is_kin = (family != '' and known.tag.split('_')[0] == family) and (
            entry.tag != ''
            or known.forbids_commercial
            or known.repo.casefold().startswith(f'{owner}/')
        )
        if (is_repo or is_kin) and not entry.license:
            entry = dataclasses.replace(
                entry,
                license=known.license,
                forbids_commercial=known.forbids_commercial,
                source=known.source,
            )
    return entry


def sliding_window(name: str) -> tuple[int, int]:
    """Return the window and the stride, in pixels, that suit a model.

    They are known before the model is loaded, so that a run can be planned.

    Raises
    ------
    ModelError
        If there is none of that name.
    """
    if name == DEMO_NAME:
        config = demo_config()
        return config['window'], config['stride']
    entry = find_model(DEFAULT_NAME if name == AUTO_NAME else name)
    return entry.window, entry.stride


def demo_config() -> dict[str, Any]:
    """Return the configuration of the bundled demo model."""
    text = (
        resources.files('napari_naclip.demo')
        .joinpath('config.json')
        .read_text(encoding='utf-8')
    )
    config: dict[str, Any] = json.loads(text)
    return config
