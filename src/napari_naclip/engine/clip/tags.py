"""open_clip's table of pretrained tags."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import open_clip

from napari_naclip.engine.errors import ModelError

if TYPE_CHECKING:
    from napari_naclip.engine.entry import RegistryEntry


def complete(entry: RegistryEntry) -> RegistryEntry:
    """Return an entry with what open_clip's table of tags says of it.

    Raises
    ------
    ModelError
        If open_clip does not know the tag, or has no repository for it.
    """
    config = open_clip.get_pretrained_cfg(entry.arch, entry.tag)
    if not config:
        tags = open_clip.list_pretrained_tags_by_model(entry.arch)
        known = f'It has {", ".join(tags)}.' if tags else 'It has none.'
        raise ModelError(
            f'open_clip has no weights {entry.tag!r} for {entry.arch}. {known}'
        )
    repo, _, file = config.get('hf_hub', '').rpartition('/')
    if not repo:
        raise ModelError(
            f'The weights {entry.tag} of {entry.arch} are not on the hub. '
            'Get the file yourself, and choose it with a model of this '
            'architecture.'
        )
    return dataclasses.replace(
        entry,
        repo=repo,
        file=file,
        # The tag knows better than the architecture: OpenAI's weights in a
        # plain ViT-B-16 would be subtly wrong.
        activation='quickgelu' if config.get('quick_gelu') else '',
        mean=tuple(config.get('mean') or open_clip.OPENAI_DATASET_MEAN),
        std=tuple(config.get('std') or open_clip.OPENAI_DATASET_STD),
    )
