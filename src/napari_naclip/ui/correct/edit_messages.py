"""What the part about edits says to people."""

from __future__ import annotations

import time
from typing import Final

WRITE_TIP: Final = (
    'Where a run or a changed setting may write. "Where not edited" leaves '
    'what you painted, filled or erased. "Only into background" fills pixels '
    'without a class, those that you erased too. "Everywhere" lets a run go '
    'over your edits as well; Revert brings them back. A changed setting '
    'never goes over them. Locked classes never change.'
)
OUTLINE_TIP: Final = (
    'Outline the pixels that you edited, in a layer of its own.'
)
FORGET_TIP: Final = (
    'Give edited pixels back to the model: they get its labels again. Revert '
    'brings the edits back. Locked classes stay as they are.'
)
FORGET_SCOPES: Final = {
    'In view': 'view',
    'In drawn shapes': 'shapes',
    'On the whole plane': 'plane',
}
NO_RESULT: Final = 'No result is chosen.'
RUN_FIRST: Final = 'A run is under way. Wait for it, or cancel it.'
NO_SHAPES: Final = (
    'There is no Shapes layer. Draw a rectangle, an ellipse or a polygon '
    'around what is to be forgotten.'
)


def describe_edits(pixels: int | None, *, is_done: bool = True) -> str:
    """Return how many pixels were edited; None: there is no result."""
    if pixels is None:
        return NO_RESULT
    if not pixels:
        return 'No pixel edited.' if is_done else 'Counting edited pixels…'
    return f'{pixels:,} px edited{"" if is_done else "…"}'


def describe_forgotten(pixels: int) -> str:
    """Return how many edited pixels were given back to the model."""
    if not pixels:
        return 'No edit was there to forget.'
    number = f'{pixels:,}'.replace(',', ' ')
    return f'Edits forgotten: {number} px. Revert brings them back.'


FORGOTTEN_IN_PART: Final = (
    'Something else wrote to the labels, or took them back: not all edits '
    'were forgotten. Forget them again when it is over.'
)
NOT_SAVED: Final = 'Edits are not saved by themselves. {}'
NO_MEMORY_TO_SAVE: Final = (
    'There is no memory for it. It is tried again; close other programs, or '
    'save the layer.'
)
SAVING_FAILED: Final = (
    'Unexpected: {}. It is tried again; save the layer now and then.'
)
RESTORING: Final = 'Restoring edits…'
RESTORED: Final = 'Edits restored.'
NO_MEMORY_TO_RESTORE: Final = (
    'There is no memory to restore the edits; they are kept. Close other '
    'programs and try again.'
)
RESTORING_FAILED: Final = (
    'The edits were not restored: {}. They are kept: try again, or discard '
    'them.'
)


def describe_size(size: int, folder: str) -> str:
    """Return that saved edits take much room; nothing goes by itself."""
    return (
        f'Edits saved by themselves take {size / 1e9:.1f} GB in {folder}. '
        'Restore or discard what you do not need.'
    )


def describe_saved() -> str:
    """Return when edits were saved: now."""
    return f'Edits saved by themselves at {time.strftime("%H:%M:%S")}.'


def describe_offer(name: str, saved: float, *, is_open: bool) -> str:
    """Return what is offered after a crash.

    Parameters
    ----------
    name : str
        Of the layer.
    saved : float
        Seconds since 1970.
    is_open : bool
        Whether its image is open.
    """
    then = time.localtime(saved)
    is_today = then[:3] == time.localtime()[:3]
    at = time.strftime('%H:%M' if is_today else '%Y-%m-%d %H:%M', then)
    text = (
        f'The last session ended without closing. Restore the edits of '
        f'“{name}” of {at}?'
    )
    if is_open:
        return text
    return (
        f'{text} Its image is not open: open it first, so that runs can go on '
        'in them, or restore them by themselves.'
    )
