"""What the part "Why" says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_naclip.ui.correct.messages import describe_share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_naclip.correct.empty import EmptyClass
    from napari_naclip.engine.explain import Explanation

NO_RUN: Final = 'Run first; then this shows why labels are what they are.'
NOTHING_THERE: Final = 'Under the cursor: move over labels of the last run.'
NO_CLASS: Final = (
    'The selected class does not take part in the labels. Select one that is '
    'on, or wait until the labels follow.'
)
FAILED: Final = 'It could not be found out: {}'
NO_MEMORY: Final = (
    'There is not enough memory for this map. Close other layers, or label '
    'a smaller region.'
)
WORKING: Final = 'Looking…'


def describe_pixel(found: Explanation, names: Mapping[int, str]) -> str:
    """Return a line about the classes at a pixel."""
    parts = []
    for share in found.shares:
        name = names.get(share.value, str(share.value))
        part = f'{name} {describe_share(share.probability)}'
        if not share.prompt:
            part += ' (by its examples)'
        elif share.prompt != name:
            part += f' (“{share.prompt}”)'
        parts.append(part)
    text = ', '.join(parts)
    if found.is_below:
        text += '; less certain than asked: background'
    if not found.is_exact:
        text += '. Only the first is exact: the rest is without refinement'
    return f'Under the cursor: {text}.'


def describe_empty(
    empty: Sequence[EmptyClass], names: Mapping[int, str]
) -> str:
    """Return a sentence for each class without a pixel, a line each."""
    if not empty:
        return 'Every class has pixels.'
    return '\n'.join(_describe_one(each, names) for each in empty)


def _describe_one(empty: EmptyClass, names: Mapping[int, str]) -> str:
    reach = empty.reach
    name = names.get(reach.value, str(reach.value))
    rival = names.get(reach.rival, str(reach.rival))
    peak = describe_share(reach.peak)
    match empty.help:
        case 'threshold':
            return (
                f'{name}: is the best class of {reach.won:,} px, but less '
                'certain than asked everywhere. Lower the certainty.'
            )
        case 'detail':
            return (
                f'{name}: comes near ({peak}), but on fewer pixels than the '
                'model sees apart. Raise the detail.'
            )
        case 'contrast':
            return (
                f'{name}: comes nearest ({peak}) where {rival} wins '
                f'({describe_share(reach.rival_probability)}). Give one of them a '
                'word that tells them apart.'
            )
        case _:
            return (
                f'{name}: is nowhere above {peak}. Try another word for it, '
                'or it is not in the picture.'
            )
