"""What is said about a scene: the only supervision the demo model gets.

A caption names the materials of a picture, in any order, and never says
where they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_naclip.demo.materials import names_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

JOINERS: Final[tuple[str, ...]] = (', ', ' and ', ' next to ')

PREFIXES: Final[tuple[str, ...]] = (
    '',
    'a picture of ',
    'an image of ',
    'a photo of ',
    'a scene with ',
    'this is ',
)

#: Share of captions put into one of the templates of a prompt ensemble.
TEMPLATE_SHARE: Final = 0.35

#: Share of captions of two and more materials that keep one to themselves.
OMISSION_SHARE: Final = 0.10


def choose_names(
    rng: np.random.Generator, materials: Sequence[str]
) -> tuple[str, ...]:
    """Return the materials a caption will name, in the order it names them.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all chance.
    materials : sequence of str
        The materials in the picture, at least one.

    Returns
    -------
    tuple of str
        All of them shuffled, or, in a tenth of the pictures of two and more,
        all but one.
    """
    order = [materials[i] for i in rng.permutation(len(materials))]
    if len(order) > 1 and rng.random() < OMISSION_SHARE:
        order.pop()
    return tuple(order)


def write_caption(
    rng: np.random.Generator,
    names: Sequence[str],
    templates: Sequence[str] = (),
) -> str:
    """Return one sentence that names `names` in that order.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all chance: synonyms, joining words, frame.
    names : sequence of str
        Materials, at least one, as in ``MATERIALS``.
    templates : sequence of str
        Format strings with one ``{}``. With none, only prefixes are used.

    Returns
    -------
    str
        For example ``'a photo of red dots next to sea'``.
    """
    text = ''
    for position, name in enumerate(names):
        if position:
            text += JOINERS[rng.integers(len(JOINERS))]
        synonyms = names_of(name)
        text += synonyms[rng.integers(len(synonyms))]
    if templates and rng.random() < TEMPLATE_SHARE:
        return templates[int(rng.integers(len(templates)))].format(text)
    return PREFIXES[rng.integers(len(PREFIXES))] + text
