"""The models that can be asked for by name: a table, read from a file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from napari_naclip.engine.errors import ModelError

#: The name of the bundled model.
DEMO_NAME: Final = 'demo'
#: The model that is used when none is named.
DEFAULT_NAME: Final = 'ViT-B-16'


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """A model with weights on the hub.

    Attributes
    ----------
    name, title : str
        What people call it, and a line about it.
    arch, tag : str
        open_clip's architecture and pretrained tag; the tag's configuration
        holds the mean and std of the pixels.
    repo, file : str
        Repository on the hub and the weights' file in it.
    parameters : int
        Number of weights, float32 in the file.
    window, stride : int
        Sliding window that suits the model, in pixels.
    license : str
    """

    name: str
    title: str
    arch: str
    tag: str
    repo: str
    file: str
    parameters: int
    window: int
    stride: int
    license: str

    @property
    def download_size(self) -> int:
        """About how large the weights' file is, in bytes."""
        return 4 * self.parameters


def _read_registry() -> dict[str, RegistryEntry]:
    text = (
        resources.files('napari_naclip.data')
        .joinpath('models.json')
        .read_text(encoding='utf-8')
    )
    entries = (RegistryEntry(**entry) for entry in json.loads(text)['models'])
    return {entry.name: entry for entry in entries}


#: The models with weights on the hub, by name.
REGISTRY: Final = _read_registry()

#: Every name that ``load_model`` knows.
MODEL_NAMES: Final = (*REGISTRY, DEMO_NAME)


def check_choice(name: str, *, has_weights: bool) -> None:
    """Raise ``ModelError`` if a name, or weights for it, cannot be meant."""
    if name != DEMO_NAME:
        find_model(name)
    elif has_weights:
        raise ModelError(
            'The demo model has its own weights. Leave out the file, or name '
            'the model that it belongs to.'
        )


def find_model(name: str) -> RegistryEntry:
    """Return the registry's entry of a name.

    Raises
    ------
    ModelError
        If there is none of that name.
    """
    try:
        return REGISTRY[name]
    except KeyError:
        raise ModelError(
            f'There is no model {name!r}. Choose one of '
            f'{", ".join(MODEL_NAMES)}.'
        ) from None


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
    entry = find_model(name)
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
