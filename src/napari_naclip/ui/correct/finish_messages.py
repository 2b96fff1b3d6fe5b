"""Every text about finishing that is no label of a control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from napari_naclip.correct.agreement import Agreement

NO_RESULT: Final = (
    'There are no labels of this class list. Press Run first, or select a '
    'layer that a run made.'
)
NO_PLANE: Final = (
    'The labels have no plane on the screen. Leave 3-D, or move the sliders '
    'to where they are.'
)
BUSY: Final = 'A run writes to these labels. Wait for it, or cancel it.'
NOTHING_TO_CLEAN: Final = 'Choose above what is to be cleaned up.'
FOLLOWING: Final = 'Waiting until the labels follow the settings…'
MOVED: Final = (
    'Another plane or another result is shown by now; nothing was changed. '
    'Go back to it and try again.'
)
CLEANING: Final = 'Cleaning up…'
SPLITTING: Final = 'Splitting into objects…'
COMPARING: Final = 'Comparing…'
CANCELLED: Final = 'Cancelled. Nothing was changed.'
GONE: Final = (
    'The labels were removed or replaced meanwhile; nothing was changed.'
)
CUT_SHORT: Final = (
    'A run began, or the labels were reverted or replaced: the clean-up was '
    'left before its end. Clean up again when it is over.'
)
NO_CLASS: Final = 'There is no class to split. Add one and press Run.'
NO_OBJECTS: Final = (
    'No object was found: the class has no pixel there, or all are smaller '
    'than the smallest. No layer was added.'
)
NOT_WRITTEN: Final = (
    'What the model wrote here is not known, so that there is nothing to '
    'compare with. Press Run first.'
)
FAILED: Final = (
    'Something unexpected went wrong: {}. Nothing was changed. Try again; if '
    'it comes back, report it.'
)
NO_MEMORY: Final = (
    'There is no memory for that. Nothing was changed. Close other layers, or '
    'work on one plane.'
)
COPIED: Final = 'The table is in the clipboard.'


def describe_cleaned(changed: int, kept: int) -> str:
    """Return what a clean-up did."""
    if not changed:
        text = 'Nothing was to be cleaned up.'
    else:
        text = f'Cleaned up: {changed:,} px changed. Revert takes it back.'
    if kept:
        text += f' {kept:,} px that you edited stay as they are.'
    return text


def describe_objects(count: int, layer: str) -> str:
    """Return what splitting found."""
    objects = 'object' if count == 1 else 'objects'
    return f'{count:,} {objects} in the layer “{layer}”.'


def describe_progress(text: str, share: float) -> str:
    """Return what is being done and how much of it is."""
    return f'{text} {100 * share:.0f} %'


def describe_agreement(
    agreement: Agreement,
    edited: Agreement,
    looked: Agreement | None,
    *,
    is_sure: bool,
    is_asked: bool,
) -> str:
    """Return how far labels agree as a whole.

    Parameters
    ----------
    agreement : Agreement
    edited : Agreement
        Of what the person edited or accepted.
    looked : Agreement or None
        Of the regions that the person looked at, if that is known.
    is_sure : bool
        Whether it is known where the model wrote background.
    is_asked : bool
        Whether the model was asked again for all that was edited.
    """
    changed = f'{edited.pixels:,} px edited or accepted'
    lines = [f'{_describe(agreement)}; {changed} of {agreement.pixels:,}.']
    if edited.pixels:
        lines.append(f'Of those apart: {_describe(edited)}.')
    if not is_asked:
        lines.append(
            'Where you edited, some is compared with what the model wrote '
            'before. Press Run, then compare again.'
        )
    if looked is not None and looked.pixels:
        lines.append(f'Where you looked: {_describe(looked)}.')
    if agreement.left_out:
        lines.append(
            f'{agreement.left_out:,} px that the model never labeled are '
            'left out.'
        )
    if not is_sure:
        lines.append('Where the model has not written counts as background.')
    return ' '.join(lines)


def _describe(agreement: Agreement) -> str:
    return (
        f'Accuracy {100 * agreement.accuracy:.2f} %, mean IoU '
        f'{agreement.mean_iou:.3f}'
    )


def describe_saved(path: Path) -> str:
    """Return where a table was saved."""
    return f'Saved as {path.name}.'
