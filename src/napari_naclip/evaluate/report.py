"""The figures of an evaluation, as plain data and as a table."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.engine.confusion import accuracy, class_ious, mean_iou
from napari_naclip.evaluate.task import describe_model
from napari_naclip.io.atomic import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from napari_naclip.engine.confusion import Confusions
    from napari_naclip.engine.models import Model
    from napari_naclip.evaluate.count import Counted
    from napari_naclip.evaluate.task import Task

#: What the file of figures says it is.
REPORT_FORMAT: Final = 'napari-naclip evaluation, version 1'


@dataclass(slots=True)
class Tally:
    """The sum over images so far.

    Attributes
    ----------
    confusions : (K, K) int64 ndarray
        Row: true class; column: answer.
    images : int
        That were counted.
    problems : list of str
        One for each image that could not be.
    """

    confusions: Confusions = field(repr=False)
    images: int = 0
    problems: list[str] = field(default_factory=list)

    @classmethod
    def of_classes(cls, count: int) -> Tally:
        """Return an empty tally for a number of classes."""
        return cls(np.zeros((count, count), np.int64))

    def add(self, counted: Counted) -> None:
        """Take in an image."""
        if counted.confusions is None:
            self.problems.append(counted.problem)
        else:
            self.confusions += counted.confusions
            self.images += 1

    @property
    def mean_iou(self) -> float:
        """Mean IoU, 0 to 1; NaN where nothing was counted."""
        return mean_iou(self.confusions)

    @property
    def accuracy(self) -> float:
        """Share of right pixels, 0 to 1; NaN where nothing was counted."""
        return accuracy(self.confusions)


def report(task: Task, tally: Tally, model: Model) -> dict[str, Any]:
    """Return all figures as plain data, shares from 0 to 1.

    Parameters
    ----------
    task : Task
    tally : Tally
    model : Model

    Returns
    -------
    dict
        ``mean_iou`` and ``accuracy`` over all pixels of all images,
        ``published_mean_iou`` and ``differences`` from what that figure is
        about, ``classes`` with an ``iou`` and ``recall`` each (None where
        there is none), ``images``, ``problems``, ``model``, ``settings``.
    """
    confusions = tally.confusions
    pixels = confusions.sum(axis=1)
    classes = [
        {
            'name': row.name,
            'value': row.value,
            'iou': _plain(iou),
            'recall': _plain(hits / true if true else np.nan),
            'pixels': int(true),
        }
        for row, iou, hits, true in zip(
            task.classes.rows,
            class_ious(confusions),
            np.diag(confusions),
            pixels,
            strict=True,
        )
    ]
    return {
        'format': REPORT_FORMAT,
        'version': metadata.version('napari-naclip'),
        'name': task.name,
        'mean_iou': _plain(tally.mean_iou),
        'accuracy': _plain(tally.accuracy),
        'published_mean_iou': task.published,
        'differences': list(_differences(task, tally)),
        'images': tally.images,
        'images_asked': len(task.pairs),
        'problems': tally.problems,
        'model': describe_model(model),
        'settings': task.settings.to_dict(),
        'classes': classes,
    }


def write_report(path: Path, content: dict[str, Any]) -> None:
    """Write figures as JSON; those of an earlier run are replaced.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False) + '\n'
    with write_atomically(path, overwrite=True) as temporary:
        temporary.write_text(text, encoding='utf-8')


def format_report(content: dict[str, Any]) -> str:
    """Return figures as lines for a terminal, shares in percent.

    Parameters
    ----------
    content : dict
        From ``report``.
    """
    classes = content['classes']
    total = sum(each['pixels'] for each in classes)
    width = max(len('class'), *(len(each['name']) for each in classes))
    lines = [
        f'{"class":{width}}   IoU %  recall %  pixels %',
        *(
            f'{each["name"]:{width}}  {_percent(each["iou"]):>6}'
            f'  {_percent(each["recall"]):>8}'
            f'  {_percent(each["pixels"] / total if total else None):>8}'
            for each in classes
        ),
        '',
        (
            f'{content["name"]}: mean IoU {_percent(content["mean_iou"])} %, '
            f'pixels labeled correctly {_percent(content["accuracy"])} %, '
            f'{content["images"]} of {content["images_asked"]} images'
        ),
    ]
    published = content['published_mean_iou']
    if published is not None:
        line = f'published: mean IoU {_percent(published)} %'
        if content['differences']:
            line += f' (but here {"; ".join(content["differences"])})'
        lines.append(line)
    return '\n'.join(lines)


def _differences(task: Task, tally: Tally) -> tuple[str, ...]:
    if task.published is None or not tally.problems:
        return task.differences
    return (
        *task.differences,
        f'images that could not be counted: {len(tally.problems)}',
    )


def _plain(share: float) -> float | None:
    return None if np.isnan(share) else float(share)


def _percent(share: float | None) -> str:
    return '-' if share is None else f'{100 * share:.2f}'
