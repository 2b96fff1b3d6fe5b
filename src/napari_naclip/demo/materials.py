"""The names of everything the demo model can see, and nothing else.

Sixty-four materials: eight colors times seven patterns, and eight that look
a little like nature or buildings. No pixels here; those are in
:mod:`napari_naclip.demo.textures`.
"""

from __future__ import annotations

from typing import Final

#: Linear-looking sRGB values in [0, 1] of the eight named colors.
COLORS: Final[dict[str, tuple[float, float, float]]] = {
    'red': (0.85, 0.12, 0.12),
    'orange': (0.95, 0.52, 0.06),
    'yellow': (0.93, 0.88, 0.12),
    'green': (0.16, 0.66, 0.22),
    'cyan': (0.12, 0.80, 0.86),
    'blue': (0.13, 0.26, 0.86),
    'purple': (0.50, 0.16, 0.66),
    'pink': (0.98, 0.55, 0.74),
}

PATTERNS: Final[tuple[str, ...]] = (
    'plain',
    'stripes',
    'dots',
    'checkerboard',
    'grid',
    'speckles',
    'waves',
)

#: The nature-like materials with all their names; the first is the main one.
SYNONYMS: Final[dict[str, tuple[str, ...]]] = {
    'water': ('water', 'sea', 'lake', 'river'),
    'sand': ('sand', 'beach', 'desert'),
    'grass': ('grass', 'meadow', 'lawn'),
    'brick': ('brick', 'bricks', 'brick wall'),
    'forest': ('forest', 'trees', 'woods'),
    'cells': ('cells', 'tissue', 'nuclei'),
    'roof': ('roof', 'roof tiles', 'tiles'),
    'road': ('road', 'asphalt', 'street'),
}


def material_name(color: str, pattern: str) -> str:
    """Return the name of a color in a pattern, e.g. ``'red dots'``."""
    return f'plain {color}' if pattern == 'plain' else f'{color} {pattern}'


#: The color and pattern behind each name that is not nature-like.
COLOR_AND_PATTERN: Final[dict[str, tuple[str, str]]] = {
    material_name(color, pattern): (color, pattern)
    for color in COLORS
    for pattern in PATTERNS
}

NATURE8: Final[tuple[str, ...]] = tuple(SYNONYMS)

#: All 64 names, the 56 colored patterns first.
MATERIALS: Final[tuple[str, ...]] = (*COLOR_AND_PATTERN, *NATURE8)

#: Pairs that no training image shows and no training caption names.
HELD_OUT: Final[tuple[str, ...]] = (
    'red dots',
    'orange grid',
    'yellow waves',
    'green checkerboard',
    'cyan stripes',
    'blue speckles',
    'plain purple',
    'pink dots',
)

#: What a training scene may be made of.
TRAINING_MATERIALS: Final[tuple[str, ...]] = tuple(
    name for name in MATERIALS if name not in HELD_OUT
)

#: Eight pairs that were trained, again one of each color.
SEEN8: Final[tuple[str, ...]] = (
    'red stripes',
    'orange dots',
    'yellow grid',
    'green waves',
    'plain cyan',
    'blue checkerboard',
    'purple speckles',
    'pink stripes',
)

HELD8: Final[tuple[str, ...]] = HELD_OUT
ALL64: Final[tuple[str, ...]] = MATERIALS

#: The sets of classes that the model is measured on.
CLASS_SETS: Final[dict[str, tuple[str, ...]]] = {
    'nature8': NATURE8,
    'seen8': SEEN8,
    'held8': HELD8,
    'all64': ALL64,
}


def names_of(material: str) -> tuple[str, ...]:
    """Return every name of a material, the main one first."""
    return SYNONYMS.get(material, (material,))


#: Every word that stands for something the model was shown.
VOCABULARY: Final[tuple[str, ...]] = tuple(
    sorted(
        {
            word
            for material in MATERIALS
            for name in names_of(material)
            for word in name.split()
        }
    )
)
