"""What model a file of weights is for, told from the shapes of its tensors.

Shapes tell width, depth, patch and the text tower. They tell neither the
activation (GELU or QuickGELU) nor the mean and std of the pixels: those are
taken from the model that the file is used with, and can be chosen. Of models
that are built alike the one that the file's name or form speaks for is first.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from math import isqrt, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_naclip.engine.architectures import (
    architecture_names,
    model_config,
)
from napari_naclip.engine.entry import CONFIG_FILE
from napari_naclip.engine.errors import ModelError, WeightsError
from napari_naclip.engine.file_hints import OPENAI_NUMBERS, likeness
from napari_naclip.engine.hub import find_cached
from napari_naclip.engine.registry import REGISTRY, find_model
from napari_naclip.engine.typed_names import read_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_naclip.engine.entry import RegistryEntry

_Shapes: TypeAlias = dict[str, tuple[int, ...]]

#: Models that an error names.
_MOST_NAMED = 4
#: Endings of tensors that are counted by no one: running means and such.
_NO_WEIGHTS = (
    'running_mean',
    'running_var',
    'num_batches_tracked',
    'position_ids',
)
#: Parts of towers that open_clip's plain ones do not have.
_OTHER_PARTS = ('visual.attn_pool.', 'text_decoder.')


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
    count : int
        Number of weights.
    facts : tuple of int or None
        What tells open_clip's plain architectures apart; None: another one.
    """

    text: str
    models: tuple[str, ...]
    architectures: tuple[str, ...]
    count: int = 0
    facts: tuple[int, ...] | None = None

    def fits(self, entry: RegistryEntry) -> bool | None:
        """Return whether a model is built like the file; None: not known."""
        facts = None
        if entry.arch:
            if entry.arch in self.architectures:
                return True
            config = model_config(entry.arch)
        else:
            config = _config_beside(entry)
        if config is not None:
            facts = _facts_of_config(config)
            if facts is not None or self.facts is not None:
                return facts == self.facts
        # Of the others only the number of weights is known here, if that.
        return entry.parameters == self.count if entry.parameters else None


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
        guess = _guess_own(found, _count_weights(shapes))
        return _sorted(
            guess,
            source,
            is_openai=not shapes.keys().isdisjoint(OPENAI_NUMBERS),
        )
    if any(name.startswith('visual.trunk.') for name in found):
        guess = _guess_trunk(found, _count_weights(shapes))
        return _sorted(guess, source, is_openai=False)
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


def _guess_own(shapes: _Shapes, count: int) -> Guess:
    facts = _facts_of_shapes(shapes)
    width, layers, patch, size = facts[:4]
    is_plain = facts[5] > 0 and not any(
        name.startswith(_OTHER_PARTS) for name in shapes
    )
    words = (
        f'text tower of width {facts[5]}'
        if is_plain
        else 'a text tower or a pooler of another kind'
    )
    text = (
        f'a ViT with patches of {patch} px, width {width}, {layers} blocks, '
        f'{size} px; {words}'
    )
    architectures = tuple(
        arch
        for arch in architecture_names()
        if is_plain and _facts_of_config(model_config(arch) or {}) == facts
    )
    return Guess(text, (), architectures, count, facts if is_plain else None)


def _sorted(guess: Guess, source: str, *, is_openai: bool) -> Guess:
    """Return a guess with the models of the table that fit, best first."""
    path = Path(source)
    found = sorted(
        (entry for entry in REGISTRY.values() if guess.fits(entry)),
        key=lambda entry: -likeness(entry, path, is_openai=is_openai),
    )
    return dataclasses.replace(
        guess, models=tuple(entry.name for entry in found)
    )


def _facts_of_shapes(shapes: _Shapes) -> tuple[int, ...]:
    """Return what tells open_clip's plain architectures apart."""
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
        shapes.get('positional_embedding', (0,))[0],
    )


def _facts_of_config(config: dict[str, Any]) -> tuple[int, ...] | None:
    """Return the same of a configuration; None: it is another one."""
    vision, text = config.get('vision_cfg', {}), config.get('text_cfg', {})
    layers = vision.get('layers')
    size = vision.get('image_size', 224)
    patch = vision.get('patch_size', 16)
    if (
        'multimodal_cfg' in config
        or vision.get('timm_model_name')
        or vision.get('attentional_pool')
        or text.get('hf_model_name')
        or not all(isinstance(each, int) for each in (layers, size, patch))
        or patch < 1
    ):
        return None
    return (
        vision.get('width', 768),
        layers,
        patch,
        size // patch * patch,
        config.get('embed_dim', 0),
        text.get('width', 512),
        text.get('layers', 12),
        text.get('vocab_size', 49408),
        text.get('context_length', 77),
    )


def _config_beside(entry: RegistryEntry) -> dict[str, Any] | None:
    """Return the configuration of a model that is on this machine, or None."""
    path = find_cached(dataclasses.replace(entry, file=CONFIG_FILE))
    if entry.folder is not None:
        path = entry.folder / CONFIG_FILE
    try:
        return read_config(path)['model_cfg'] if path else None
    except ModelError:
        return None


def _guess_trunk(shapes: _Shapes, count: int) -> Guess:
    """Return what a model with a tower of timm looks like.

    timm's names differ by family; the number of weights tells them apart.
    """
    blocks = _count(shapes, r'visual\.trunk\.blocks\.(\d+)\.')
    return Guess(
        f'an image tower of timm with {blocks} blocks, {count / 1e6:.0f} '
        'million weights in all',
        (),
        tuple(
            dict.fromkeys(
                entry.arch
                for entry in REGISTRY.values()
                if entry.arch and entry.parameters == count
            )
        ),
        count,
    )


def _count_weights(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return sum(
        prod(shape)
        for name, shape in shapes.items()
        if not name.endswith(_NO_WEIGHTS) and name not in OPENAI_NUMBERS
    )


def _count(shapes: _Shapes, pattern: str) -> int:
    """Return how many blocks the names count."""
    found = {
        int(hit[1]) for name in shapes if (hit := re.match(pattern, name))
    }
    return len(found)
