"""Procedurally drawn scenes: the data of the demo model, in numpy alone.

A scene is a small picture of two to a few regions, each made of one of
sixty-four named materials. The same seeds give the same pictures.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_naclip.demo.layouts import MIN_SHARE, draw_regions
from napari_naclip.demo.materials import (
    ALL64,
    CLASS_SETS,
    COLOR_AND_PATTERN,
    COLORS,
    HELD8,
    HELD_OUT,
    MATERIALS,
    NATURE8,
    PATTERNS,
    SEEN8,
    SYNONYMS,
    TRAINING_MATERIALS,
    VOCABULARY,
)
from napari_naclip.demo.textures import NATURE_TILES, PATTERN_FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    'ALL64',
    'CLASS_SETS',
    'COLORS',
    'DEMO_CLASSES',
    'HELD8',
    'HELD_OUT',
    'MATERIALS',
    'MIN_SHARE',
    'NATURE8',
    'PATTERNS',
    'SEEN8',
    'SYNONYMS',
    'TRAINING_MATERIALS',
    'VOCABULARY',
    'Scene',
    'TexturePool',
    'demo_scene',
    'draw_scene',
]

UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

#: Variants of each texture in a pool.
POOL_VARIANTS: Final = 128

#: What the ready-made scene shows.
DEMO_MATERIALS: Final[tuple[str, ...]] = (
    'sand',
    'water',
    'grass',
    'forest',
    'road',
)

#: The class text that goes with the ready-made scene.
DEMO_CLASSES: Final = 'sand; water, sea; grass; forest; road'


@dataclass(frozen=True, slots=True)
class Scene:
    """A drawn picture and what is where in it.

    Attributes
    ----------
    image : ndarray of shape (H, W, 3), uint8
        sRGB, 0 to 255.
    labels : ndarray of shape (H, W), uint8
        For each pixel the index of its material in the list of materials
        that the scene was drawn from.
    names : tuple of str
        The materials in the picture, each at least ``MIN_SHARE`` of it.
    """

    image: UInt8Array = field(repr=False)
    labels: UInt8Array = field(repr=False)
    names: tuple[str, ...]


class TexturePool:
    """Square textures, made when first asked for and then kept.

    Parameters
    ----------
    seed : int
        Pools of different seeds share no texture.
    size : int
        Side of a texture in pixels. Scenes that are larger repeat it
        mirrored, with visible seams.
    variants : int
        How many textures there are of each kind.
    """

    def __init__(
        self, seed: int, size: int = 160, variants: int = POOL_VARIANTS
    ) -> None:
        if seed < 0 or size < 1 or variants < 1:
            raise ValueError(
                'A texture pool needs a seed of 0 or more, and a size and a '
                f'number of variants of 1 or more, not {seed}, {size} and '
                f'{variants}.'
            )
        self._seed = seed
        self._size = size
        self._variants = variants
        self._kept: dict[tuple[str, int], UInt8Array] = {}

    @property
    def size(self) -> int:
        """Side of a texture in pixels."""
        return self._size

    @property
    def variants(self) -> int:
        """How many textures there are of each kind."""
        return self._variants

    def texture(self, kind: str, variant: int) -> UInt8Array:
        """Return one texture.

        Parameters
        ----------
        kind : str
            A pattern (a field) or a nature-like material (a color tile).
        variant : int
            0 to ``variants`` - 1.

        Returns
        -------
        ndarray of shape (size, size) or (size, size, 3), uint8
            0 to 255: a field's share of the second color, or sRGB.
        """
        key = (kind, variant)
        if key not in self._kept:
            # The kind enters the seed by a checksum: Python's own hash of a
            # string differs from process to process.
            rng = np.random.default_rng(
                [self._seed, zlib.crc32(kind.encode()), variant]
            )
            make = PATTERN_FIELDS.get(kind) or NATURE_TILES[kind]
            self._kept[key] = _to_uint8(make(rng, self._size))
        return self._kept[key]

    def draw(
        self, rng: np.random.Generator, kind: str, height: int, width: int
    ) -> UInt8Array:
        """Return a random piece of a random texture of one kind.

        Returns
        -------
        ndarray of shape (height, width) or (height, width, 3), uint8
        """
        texture = self.texture(kind, int(rng.integers(self._variants)))
        rows = _window(rng, self._size, height)
        columns = _window(rng, self._size, width)
        return texture[rows[:, None], columns[None, :]]


def draw_scene(
    rng: np.random.Generator,
    pool: TexturePool,
    materials: Sequence[str],
    height: int,
    width: int,
    regions: tuple[int, int] = (2, 5),
) -> Scene:
    """Draw a scene of different materials.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all chance that is not in the pool.
    pool : TexturePool
        Where the textures come from.
    materials : sequence of str
        What may be in the picture, names from ``MATERIALS``, all different.
    height, width : int
        Size in pixels.
    regions : tuple of int
        Fewest and most regions, both included; never more than there are
        materials.

    Returns
    -------
    Scene
        Its labels index `materials`.

    Raises
    ------
    ValueError
        If `materials` is empty or has more than 256 names, or the number of
        regions does not fit (see `draw_regions`).
    """
    if not 1 <= len(materials) <= 256:
        raise ValueError(
            f'A scene needs 1 to 256 materials, {len(materials)} were given.'
        )
    low, high = (min(count, len(materials)) for count in regions)
    count = int(rng.integers(low, high + 1))
    chosen = rng.choice(len(materials), size=count, replace=False)
    layout = draw_regions(rng, height, width, count)
    names = tuple(materials[index] for index in chosen)
    return Scene(
        image=_paint(rng, pool, names, layout),
        labels=chosen.astype(np.uint8)[layout],
        names=names,
    )


def demo_scene(
    seed: int = 2, height: int = 448, width: int = 640
) -> tuple[Scene, str]:
    """Draw the ready-made picture of the plugin and the classes for it.

    Parameters
    ----------
    seed : int
        Another seed gives another picture of the same materials.
    height, width : int
        Size in pixels.

    Returns
    -------
    scene : Scene
        Its labels index the classes, in their order.
    classes : str
        The text of the classes, separated by semicolons.
    """
    rng = np.random.default_rng([seed, 0xDE30])
    count = len(DEMO_MATERIALS)
    # A tile as large as the picture has no seams; few variants are needed.
    pool = TexturePool(seed, size=max(384, height, width), variants=1)
    scene = draw_scene(
        rng, pool, DEMO_MATERIALS, height, width, regions=(count, count)
    )
    return scene, DEMO_CLASSES


def _paint(
    rng: np.random.Generator,
    pool: TexturePool,
    names: Sequence[str],
    layout: npt.NDArray[np.intp],
) -> UInt8Array:
    """Fill each region with its material, then add the camera's faults."""
    height, width = layout.shape
    image = np.empty((height, width, 3), dtype=np.float32)
    for region, name in enumerate(names):
        inside = layout == region
        image[inside] = _material(rng, pool, name, height, width)[inside]
    gain = np.float32(rng.normal(1.0, 0.05))
    offset = np.float32(rng.normal(0.0, 0.02))
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    sigma = np.float32(rng.uniform(0.0, 0.05))
    return _to_uint8(image * gain + offset + sigma * noise)


def _material(
    rng: np.random.Generator,
    pool: TexturePool,
    name: str,
    height: int,
    width: int,
) -> FloatArray:
    """Return a whole picture, (H, W, 3) float32 about [0, 1], of a material.

    Brightness differs from region to region by -20 to +15 percent.
    """
    brightness = np.float32(rng.uniform(0.8, 1.15))
    scale = np.float32(1 / 255)
    if name not in COLOR_AND_PATTERN:
        tile = pool.draw(rng, name, height, width)
        return tile * (scale * brightness)
    color_name, pattern = COLOR_AND_PATTERN[name]
    color = np.asarray(COLORS[color_name]) + rng.normal(0.0, 0.035, 3)
    dark = rng.random() < 0.5
    neutral = rng.uniform(0.05, 0.3) if dark else rng.uniform(0.7, 0.97)
    share = pool.draw(rng, pattern, height, width)[..., None] * scale
    first = color.astype(np.float32)
    mixed: FloatArray = first + (np.float32(neutral) - first) * share
    return mixed * brightness


def _window(
    rng: np.random.Generator, size: int, length: int
) -> npt.NDArray[np.intp]:
    """Return `length` indices into a side of `size`, in either direction.

    Where the side is too short they run back and forth over it.
    """
    start = int(rng.integers(max(size - length, 0) + 1))
    indices = np.arange(start, start + length)
    if length > size:
        indices %= 2 * size
        indices = np.minimum(indices, 2 * size - 1 - indices)
    return indices[::-1] if rng.random() < 0.5 else indices


def _to_uint8(values: FloatArray) -> UInt8Array:
    return (np.clip(values, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
