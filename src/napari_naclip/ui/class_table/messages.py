"""What the class table says and what its undo steps are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from napari_naclip.engine.class_rows import ClassRow
    from napari_naclip.io.presets import Preset

BACKGROUND_STAYS: Final = (
    'The background row is not removed but turned off: clear its box "On".'
)
NOTHING_SELECTED: Final = 'No row is selected. Click one in the table first.'
EXPORTED: Final = 'Written: {}.'
VALUES_CHANGED: Final = (
    '{} got other label values than in the file, because those were given '
    'to other classes of this list.'
)


NO_CLASS: Final = (
    'The list has no class with the label value {}. Add it, or choose another.'
)
WEIGHT_TIP: Final = (
    'How far examples move the class away from its words: 0 the words alone, '
    '1 the examples alone.'
)
FORGET_TIP: Final = (
    'Go back to the words of the class. Ctrl+Z in the list brings the '
    'examples back.'
)


def describe_teaching(row: ClassRow) -> str:
    """Return what a row was taught by, as part of a sentence."""
    count = len(row.teaching.examples)
    regions = '1 region' if count == 1 else f'{count} regions'
    if not row.prompts:
        return f'taught by {regions} alone'
    return f'taught by {regions}, weight {row.teaching.weight:g}'


def mark_teaching(row: ClassRow) -> str:
    """Return the mark of a taught row beside its prompts."""
    if not row.teaching:
        return ''
    count = len(row.teaching.examples)
    return '+ 1 example' if count == 1 else f'+ {count} examples'


#: Kinds of files that are written, and their endings.
FILTERS: Final = {
    'JSON with colors (*.json)': '.json',
    'Table (*.csv)': '.csv',
    'Text (*.txt)': '.txt',
}
CONTRAST_TIP: Final = (
    'A class that is alone wins everywhere. With this it is compared with '
    'common surroundings; where they win is background (label 0). For words '
    'of your own turn the background row on and give it prompts.'
)
ALONE: Final = '{!r} is the only class, so that it covers everything.'


def describe_certainty(threshold: float) -> str:
    """Return what a certainty means as a probability, 0 to 1."""
    return f'Below a probability of {threshold:.3g}: background'


def describe_preset(preset: Preset, margin: float | None = None) -> str:
    """Return what a person should know after choosing a list.

    Parameters
    ----------
    preset : Preset
    margin : float, optional
        To what the certainty was set with it.
    """
    text = f'{preset.title}: {preset.description} {preset.remark}'
    if preset.settings:
        settings = preset.settings
        window = settings['window']
        how = (
            f'windows of {window} px, stride {settings["stride"]} px'
            if window
            else 'one window'
        )
        text += (
            f' Published with a short side of {settings["detail"]} px, {how}, '
            f'threshold {settings["threshold"]}.'
        )
    if margin is not None:
        text += (
            f' Certainty is set to {round(margin, 3):g}, which is that '
            'threshold with this list.'
        )
    return text


def describe_rows(rows: list[ClassRow]) -> str:
    """Return the names of rows for an undo step."""
    if len(rows) == 1:
        return f'“{rows[0].name}”'
    return f'{len(rows)} classes'
