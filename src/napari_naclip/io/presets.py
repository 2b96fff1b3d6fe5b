"""Class lists that ship with the package, each with its source.

The files are in ``napari_naclip/data/presets``: the lists of the paper's
evaluation with their settings, and lists of our own for some fields.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from napari_naclip.engine.class_rows import ClassDraft, read_draft
from napari_naclip.engine.class_state import MAX_MARGIN, ListState
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.types import Settings, margin_from_threshold
from napari_naclip.io.template_sets import DEFAULT_KEY

if TYPE_CHECKING:
    from napari_naclip.engine.classes import ClassList

Group = Literal['domain', 'paper']

_SUFFIX: Final = '.json'


@dataclass(frozen=True, slots=True)
class Preset:
    """A class list that ships with the package.

    Attributes
    ----------
    key : str
        What it is asked for by.
    title, description, source, license, remark : str
        For people.
    group : {'domain', 'paper'}
        Ours for a field, or a list of the published evaluation.
    drafts : tuple of ClassDraft
        The classes, the background row first where there is one.
    settings : dict
        Fields of ``Settings`` that the list was published with; the threshold
        is a probability. Empty where there are none.
    template_set : str
        Key of the template set that suits.
    published_miou : float or None
        The paper's mean IoU with this list, 0 to 1, with refinement.
    """

    key: str
    title: str
    description: str
    source: str
    license: str
    remark: str
    group: Group
    drafts: tuple[ClassDraft, ...] = field(repr=False)
    settings: dict[str, Any] = field(default_factory=dict, repr=False)
    template_set: str = DEFAULT_KEY
    published_miou: float | None = None

    def class_list(self) -> ClassList:
        """Return the list for the engine; label values from 1."""
        return ListState.from_drafts(self.drafts).class_list()

    @property
    def margin(self) -> float | None:
        """The certainty that the published threshold is with this list.

        None where no settings were published.
        """
        if not self.settings:
            return None
        margin = margin_from_threshold(
            self.settings['threshold'],
            len(self.class_list().queries),
            Settings().logit_scale,
        )
        return min(margin, MAX_MARGIN)


@functools.cache
def list_presets() -> tuple[Preset, ...]:
    """Return all presets, ours first, then the paper's, by title."""
    folder = resources.files('napari_naclip.data') / 'presets'
    presets = [
        _read(file.name.removesuffix(_SUFFIX), file.read_text('utf-8'))
        for file in folder.iterdir()
        if file.name.endswith(_SUFFIX)
    ]
    return tuple(sorted(presets, key=lambda each: (each.group, each.title)))


def load_preset(key: str) -> Preset:
    """Return a preset by its key.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    found = {preset.key: preset for preset in list_presets()}
    if key not in found:
        raise InputError(
            f'There is no class list {key!r}. Choose one of '
            f'{", ".join(found)}.'
        )
    return found[key]


def _read(key: str, text: str) -> Preset:
    data = json.loads(text)
    return Preset(
        key=key,
        title=data['title'],
        description=data['description'],
        source=data['source'],
        license=data['license'],
        remark=data['remark'],
        group=cast('Group', data['group']),
        drafts=tuple(read_draft(row) for row in data['classes']),
        settings=_read_settings(data.get('settings')),
        template_set=data.get('templates', DEFAULT_KEY),
        published_miou=_read_miou(data.get('settings')),
    )


def _read_miou(published: dict[str, Any] | None) -> float | None:
    # The files have the paper's percentages.
    return None if published is None else published['published_miou'] / 100


def _read_settings(published: dict[str, Any] | None) -> dict[str, Any]:
    if published is None:
        return {}
    return {
        'detail': published['short_side'],
        'max_side': published['long_side'],
        'window': published['window'],
        # Without a window there is nothing to move.
        'stride': published['stride'] or None,
        'threshold': published['threshold'],
    }
