"""What is to be evaluated: images, classes, settings, values of the labels."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.registry import DEFAULT_NAME
from napari_naclip.engine.types import Settings, check_threshold
from napari_naclip.evaluate.layouts import UNDECIDED, find_dataset
from napari_naclip.evaluate.pairs import pair_folders
from napari_naclip.evaluate.truth import ValueRule
from napari_naclip.io.presets import load_preset

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from napari_naclip.engine.models import Model
    from napari_naclip.engine.types import ClassList
    from napari_naclip.evaluate.pairs import Pair

#: What the published evaluation does for all of its sets.
PUBLISHED: Final[dict[str, Any]] = {
    'refine': 'fast',
    'resampling': 'published',
    'token_precision': 'float32',
}


@dataclass(frozen=True, slots=True)
class Task:
    """An evaluation that can begin.

    Attributes
    ----------
    name : str
        For people and for the files that are written.
    pairs : tuple of Pair
    rule : ValueRule
        What the values in the label files stand for.
    classes : ClassList
    settings : Settings
    published : float or None
        The paper's mean IoU, 0 to 1, if this is an evaluation of the paper.
    differences : tuple of str
        Why that figure is about something else, a phrase each.
    unmatched : int
        Files without a partner, which are left out.
    """

    name: str
    pairs: tuple[Pair, ...] = field(repr=False)
    rule: ValueRule = field(repr=False)
    classes: ClassList
    settings: Settings
    published: float | None = None
    differences: tuple[str, ...] = ()
    unmatched: int = 0

    def limited(self, count: int | None) -> Task:
        """Return the task for the first `count` images only."""
        if count is None or count >= len(self.pairs):
            return self
        if count < 1:
            raise InputError(f'The limit is {count} images; the least is 1.')
        why = f'only {count} of {len(self.pairs)} images'
        return replace(
            self,
            pairs=self.pairs[:count],
            differences=(*self.differences, why),
        )

    def key(self, model: Model) -> str:
        """Return a hash of all that decides the counts, but the images."""
        content = {
            'version': metadata.version('napari-naclip'),
            'model': describe_model(model),
            'settings': self.settings.to_dict(),
            'rule': self.rule.to_dict(),
            'classes': [
                # Names and colors are for people.
                {
                    name: value
                    for name, value in row.items()
                    if name not in ('name', 'color')
                }
                for row in self.classes.to_dict()
            ],
        }
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def describe_model(model: Model) -> dict[str, str]:
    """Return what identifies a model and how it was asked to run."""
    return {
        'name': model.name,
        'weights_sha256': model.fingerprint,
        # Not where the tower is now: a lack of memory moves it for a while.
        'device': str(model.device),
        'precision': str(model.dtype).removeprefix('torch.'),
    }


def plan_published(
    key: str,
    root: Path,
    changes: Mapping[str, Any] | None = None,
    *,
    model: str = DEFAULT_NAME,
    has_weights: bool = False,
) -> Task:
    """Return the paper's evaluation of one of its data sets.

    Parameters
    ----------
    key : str
        Of ``LAYOUTS``.
    root : Path
        The data set's own folder or the one that holds it.
    changes : mapping, optional
        Fields of ``Settings`` that are to be other than published.
    model : str
        Name of the model; the paper's figure is for ``DEFAULT_NAME``.
    has_weights : bool
        Whether it gets other weights than the published ones.

    Raises
    ------
    InputError
        If there is no such set, its files are not there, or a setting cannot
        be used.
    StorageError
        If a file of it is missing.
    """
    found = find_dataset(key, root)
    preset = load_preset(key)
    classes = preset.class_list()
    usual = Settings(**{**PUBLISHED, **preset.settings})
    settings = replace(usual, **changes) if changes else usual
    check_threshold(classes, settings)
    if found.values is None:
        rule = ValueRule.in_order(len(classes.rows), found.first, {UNDECIDED})
    else:
        between = {UNDECIDED, *range(max(found.values))}
        rule = ValueRule(
            found.values, frozenset(between - found.values.keys())
        )
    differences = [
        f'{name} is {getattr(settings, name)}, not {getattr(usual, name)}'
        for name in (changes or ())
        if getattr(settings, name) != getattr(usual, name)
    ]
    if model != DEFAULT_NAME:
        differences.append(f'the model is {model}, not {DEFAULT_NAME}')
    elif has_weights:
        differences.append('the weights are from a file')
    if len(found.pairs) not in found.sizes:
        sizes = ' or '.join(map(str, found.sizes))
        differences.append(
            f'the number of images is {len(found.pairs)}, not {sizes}'
        )
    return Task(
        key,
        found.pairs,
        rule,
        classes,
        settings,
        preset.published_miou,
        tuple(differences),
    )


def plan_dataset(
    key: str,
    root: Path,
    classes: ClassList,
    settings: Settings,
    *,
    ignored: Collection[int] = (UNDECIDED,),
    is_from_zero: bool = False,
) -> Task:
    """Return an evaluation of other classes in a data set's folders.

    Parameters
    ----------
    key, root
        As in ``plan_published``.
    classes, settings, ignored, is_from_zero
        As in ``plan_folders``.
    """
    check_threshold(classes, settings)
    rule = ValueRule.of_classes(classes, ignored, is_from_zero=is_from_zero)
    return Task(key, find_dataset(key, root).pairs, rule, classes, settings)


def plan_folders(
    images: Path,
    labels: Path,
    classes: ClassList,
    settings: Settings,
    *,
    ignored: Collection[int] = (UNDECIDED,),
    is_from_zero: bool = False,
) -> Task:
    """Return an evaluation of images and label files of the same names.

    Parameters
    ----------
    images, labels : Path
        Folders.
    classes : ClassList
        Its label values are those in the files.
    settings : Settings
    ignored : collection of int
        Values that do not count.
    is_from_zero : bool
        Whether the files count the first class as 0, not as 1.

    Raises
    ------
    InputError
        If nothing belongs together, or a value or setting cannot be used.
    StorageError
        If a folder cannot be read.
    """
    check_threshold(classes, settings)
    rule = ValueRule.of_classes(classes, ignored, is_from_zero=is_from_zero)
    found = pair_folders(images, labels)
    return Task(
        images.resolve().name or 'images',
        found.pairs,
        rule,
        classes,
        settings,
        unmatched=found.unmatched,
    )
