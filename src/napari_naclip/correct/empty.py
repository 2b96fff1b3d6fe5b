"""Which classes have no pixel, and what would most likely help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_naclip.engine.reasons import ClassReach

#: What would help a class without a pixel.
Help = Literal['threshold', 'detail', 'contrast', 'word']

#: Probability from which on a class is near enough to winning that another
#: word for its rival may decide, or more detail.
_NEAR: Final = 0.2


@dataclass(frozen=True, slots=True)
class EmptyClass:
    """A class without a pixel.

    Attributes
    ----------
    reach : ClassReach
    help : {'threshold', 'detail', 'contrast', 'word'}
        It is the best class of some pixels, but not sure enough; it comes
        near, but nowhere on as much as the model sees apart; it comes near
        where another class wins; it comes near nowhere.
    """

    reach: ClassReach
    help: Help


def find_empty(
    reaches: Sequence[ClassReach], token_pixels: float
) -> tuple[EmptyClass, ...]:
    """Return the classes without a pixel, in their order.

    A background row is not among them: it takes what is left.

    Parameters
    ----------
    reaches : sequence of ClassReach
        Of all classes that compete.
    token_pixels : float
        See ``Survey``.
    """
    return tuple(
        EmptyClass(each, _find_help(each, token_pixels))
        for each in reaches
        if each.value != 0 and each.labeled == 0
    )


def _find_help(reach: ClassReach, token_pixels: float) -> Help:
    if reach.won > 0:
        return 'threshold'
    if reach.peak < _NEAR:
        return 'word'
    # What is smaller than a token mixes with what is around it.
    return 'detail' if reach.second < token_pixels else 'contrast'
