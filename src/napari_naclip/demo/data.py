"""Pictures with captions to train on, drawn beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor

from napari_naclip.demo.captions import choose_names, write_caption
from napari_naclip.demo.scenes import (
    POOL_VARIANTS,
    TRAINING_MATERIALS,
    TexturePool,
    draw_scene,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Scenes of training have these seeds; an evaluation must use others.
POOL_SEED: Final = 1000


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Pictures with their captions.

    Attributes
    ----------
    images : Tensor of shape (N, 3, H, W), uint8
        sRGB.
    captions : tuple of str
        One a picture.
    keys : Tensor of shape (N,), int64
        Equal where captions name the same materials.
    """

    images: Tensor = field(repr=False)
    captions: tuple[str, ...] = field(repr=False)
    keys: Tensor = field(repr=False)


def draw_training_data(
    seed: int,
    count: int,
    size: int,
    templates: Sequence[str],
    variants: int = POOL_VARIANTS,
) -> TrainingData:
    """Draw scenes, half of them of one material, and describe them.

    Parameters
    ----------
    seed : int
        Seed of everything but the textures' shapes.
    count : int
        Number of pictures.
    size : int
        Side of a picture in pixels.
    templates : sequence of str
        Frames for some of the captions, each with one ``{}``.
    variants : int
        How many textures of each kind there are.

    Returns
    -------
    TrainingData
        None of it shows or names a material of ``HELD_OUT``.
    """
    rng = np.random.default_rng([seed, 0x5CE0E])
    pool = TexturePool(POOL_SEED + seed, variants=variants)
    images = np.empty((count, 3, size, size), dtype=np.uint8)
    captions, keys = [], np.empty(count, dtype=np.int64)
    seen: dict[frozenset[str], int] = {}
    for index in range(count):
        regions = (1, 1) if rng.random() < 0.5 else (2, 4)
        scene = draw_scene(
            rng, pool, TRAINING_MATERIALS, size, size, regions=regions
        )
        named = choose_names(rng, scene.names)
        images[index] = scene.image.transpose(2, 0, 1)
        captions.append(write_caption(rng, named, templates))
        keys[index] = seen.setdefault(frozenset(named), len(seen))
    return TrainingData(
        torch.from_numpy(images), tuple(captions), torch.from_numpy(keys)
    )
