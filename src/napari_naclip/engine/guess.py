"""What model a file of weights is for, told from the shapes of its tensors.

Shapes tell width, depth, patch and the text tower. They tell neither the
activation (GELU or QuickGELU) nor the mean and std of the pixels: those are
taken from the model that the file is used with, and can be chosen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isqrt, prod
from typing import TYPE_CHECKING, Any

from napari_naclip.engine.architectures import (
    architecture_names,
    model_config,
)
from napari_naclip.engine.errors import ModelError, WeightsError
from napari_naclip.engine.registry import REGISTRY, find_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_naclip.engine.entry import RegistryEntry

_Shapes = dict[str, tuple[int, ...]]

#: Models that an error names.
_MOST_NAMED = 4
#: Endings of tensors that are counted by no one: running means and such.
_NO_WEIGHTS = ('running_mean', 'running_var', 'num_batches_tracked')


@dataclass(frozen=True, slots=True)
class Guess:
    """What a file of weights looks like.

    Attributes
    ----------
    text : str
        Its structure in words.
    models : tuple of str
        Names in the registry that are built so, best first.
    architectures : tuple of str
        open_clip's names for the structure.
    """

    text: str
    models: tuple[str, ...]
    architectures: tuple[str, ...]

    def fits(self, entry: RegistryEntry) -> bool:
        """Return whether a model is built like the file."""
        return entry.arch in self.architectures or entry.name in self.models


def guess_file(path: Path) -> Guess:
    """Return what a file looks like; reads no more of it than it must.

    Raises
    ------
    WeightsError
        If it cannot be read, or holds no CLIP model.
    """
    from napari_naclip.engine.weights import read_shapes

    return guess_shapes(read_shapes(path), source=str(path))


def guess_shapes(shapes: Mapping[str, tuple[int, ...]], source: str) -> Guess:
    """Return what tensors look like.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Of the tensors, by their names in open_clip.
    source : str
        Where they come from, for the error.

    Raises
    ------
    WeightsError
        If they are no CLIP model.
    """
    found = dict(shapes)
    # Models with a text tower of their own class name its parts otherwise.
    found |= {
        name.removeprefix('text.'): shape
        for name, shape in shapes.items()
        if name.startswith('text.')
    }
    if 'visual.conv1.weight' in found and 'visual.proj' in found:
        return _guess_own(found)
    if any(name.startswith('visual.trunk.') for name in found):
        return _guess_trunk(shapes)
    if any(name.startswith('vision_model.') for name in found):
        raise WeightsError(
            f'{source} has the names of the package transformers, not those '
            'of open_clip. Use the same weights in the form of open_clip.'
        )
    if any(re.match(r'visual\.layer\d', name) for name in found):
        raise WeightsError(
            f'{source} is for a ResNet, which NACLIP cannot run on. Choose '
            'weights of a vision transformer.'
        )
    raise WeightsError(
        f'{source} has no image tower of CLIP (no tensor visual.conv1.weight '
        'and none of visual.trunk). Choose a state dict of open_clip.'
    )


def match_file(path: Path) -> RegistryEntry:
    """Return the first model of the registry that a file is built like.

    Raises
    ------
    ModelError
        If there is none.
    WeightsError
        If the file cannot be read, or holds no CLIP model.
    """
    guess = guess_file(path)
    if guess.models:
        return find_model(guess.models[0])
    named = ', '.join(guess.architectures) or 'none of open_clip'
    raise ModelError(
        f'{path.name} looks like {guess.text} (architecture: {named}), which '
        'is in no list. Name the model, as ARCHITECTURE/TAG.'
    )


def explain_misfit(
    error: WeightsError, path: Path, entry: RegistryEntry
) -> WeightsError:
    """Return an error about a file with what the file looks like instead.

    Parameters
    ----------
    error : WeightsError
        Why the file could not be used.
    path : Path
    entry : RegistryEntry
        The model that it was used for.
    """
    try:
        guess = guess_file(path)
    except WeightsError:
        return error  # it says why already
    if not guess.models or guess.fits(entry):
        return error
    return WeightsError(
        f'{error} The file looks like {guess.text}, as '
        f'{", ".join(guess.models[:_MOST_NAMED])} are built.'
    )


def _guess_own(shapes: _Shapes) -> Guess:
    facts = _facts_of_shapes(shapes)
    architectures = tuple(
        arch
        for arch in architecture_names()
        if _facts_of_config(model_config(arch) or {}) == facts
    )
    width, layers, patch, size = facts[:4]
    text = (
        f'a ViT with patches of {patch} px, width {width}, {layers} blocks, '
        f'{size} px; text tower of width {facts[5]}'
    )
    return Guess(
        text,
        tuple(
            entry.name
            for entry in REGISTRY.values()
            if entry.arch in architectures
        ),
        architectures,
    )


def _facts_of_shapes(shapes: _Shapes) -> tuple[int, ...]:
    """Return what tells open_clip's own architectures apart."""
    width, _, patch = shapes['visual.conv1.weight'][:3]
    tokens = shapes.get('visual.positional_embedding', (0, 0))[0]
    # CLIP's class token is one of them.
    side = isqrt(max(0, tokens - 1))
    words = shapes.get('token_embedding.weight', (0, 0))
    return (
        width,
        _count(shapes, r'visual\.transformer\.resblocks\.(\d+)\.'),
        patch,
        side * patch,
        shapes['visual.proj'][-1],
        words[1],
        _count(shapes, r'transformer\.resblocks\.(\d+)\.'),
        words[0],
    )


def _facts_of_config(config: dict[str, Any]) -> tuple[int, ...] | None:
    vision, text = config.get('vision_cfg', {}), config.get('text_cfg', {})
    layers = vision.get('layers')
    if 'timm_model_name' in vision or not isinstance(layers, int):
        return None
    patch = vision.get('patch_size', 16)
    return (
        vision.get('width', 768),
        layers,
        patch,
        vision.get('image_size', 224) // patch * patch,
        config['embed_dim'],
        text.get('width', 512),
        text.get('layers', 12),
        text.get('vocab_size', 49408),
    )


def _guess_trunk(shapes: Mapping[str, tuple[int, ...]]) -> Guess:
    """Return what a model with a tower of timm looks like.

    timm's names differ by family; the number of weights tells them apart.
    """
    count = sum(
        prod(shape)
        for name, shape in shapes.items()
        if not name.endswith(_NO_WEIGHTS)
    )
    blocks = _count(dict(shapes), r'visual\.trunk\.blocks\.(\d+)\.')
    found = [each for each in REGISTRY.values() if each.parameters == count]
    return Guess(
        f'an image tower of timm with {blocks} blocks, {count / 1e6:.0f} '
        'million weights in all',
        tuple(entry.name for entry in found),
        tuple(dict.fromkeys(entry.arch for entry in found if entry.arch)),
    )


def _count(shapes: _Shapes, pattern: str) -> int:
    """Return how many blocks the names count."""
    found = {
        int(hit[1]) for name in shapes if (hit := re.match(pattern, name))
    }
    return len(found)
