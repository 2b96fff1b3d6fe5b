"""The counting: each image is segmented and compared with its true labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_naclip.engine.confusion import Confusions, count_confusions
from napari_naclip.engine.errors import (
    InputError,
    NaclipError,
    OutOfMemoryError,
    StorageError,
)
from napari_naclip.engine.segment import segment
from napari_naclip.evaluate.kept_counts import describe_files
from napari_naclip.evaluate.truth import IGNORED, read_labels
from napari_naclip.io.images import read_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_naclip.engine.models import Model
    from napari_naclip.evaluate.kept_counts import KeptCounts
    from napari_naclip.evaluate.pairs import Pair
    from napari_naclip.evaluate.task import Task

#: Rows that are compared at a time: the memory for it does not grow.
_STRIP = 512


@dataclass(frozen=True, slots=True)
class Counted:
    """What came of one image.

    Attributes
    ----------
    pair : Pair
    confusions : (K, K) int64 ndarray or None
        Pixels of each pair of true and answered row; None: it failed.
    is_kept : bool
        Whether it was counted earlier.
    problem : str
        Why it failed, for people.
    notices : tuple of str
        What the person should know about its labels.
    """

    pair: Pair
    confusions: Confusions | None = field(repr=False)
    is_kept: bool = False
    problem: str = ''
    notices: tuple[str, ...] = ()


def iter_counts(
    task: Task, model: Model, kept: KeptCounts
) -> Iterator[Counted]:
    """Yield what is counted in each image, those kept among them.

    A file that cannot be used does not keep the others from being counted.

    Parameters
    ----------
    task : Task
    model : Model
    kept : KeptCounts
        Where counts are looked up and kept.

    Raises
    ------
    NaclipError
        If what goes wrong has nothing to do with the image: counts cannot be
        written, the model or the device fails.
    """
    for pair in task.pairs:
        confusions = kept.read(pair)
        if confusions is not None:
            yield Counted(pair, confusions, is_kept=True)
            continue
        try:
            # Before they are read: a change on the way counts as one.
            files = describe_files(pair)
            confusions, notices = count_pair(pair, task, model)
        except (InputError, StorageError, OutOfMemoryError) as error:
            yield Counted(pair, None, problem=_name_image(pair, error))
            continue
        kept.write(pair, files, confusions)
        yield Counted(pair, confusions, notices=notices)


def count_pair(
    pair: Pair, task: Task, model: Model
) -> tuple[Confusions, tuple[str, ...]]:
    """Segment an image and compare it with its true labels.

    Returns
    -------
    (K, K) int64 ndarray
        Row: true class; column: answer; pixels that are ignored left out.
    tuple of str
        What the person should know about the labels.

    Raises
    ------
    NaclipError
        If a file or the image cannot be used.
    """
    truth = task.rule.apply(read_labels(pair.labels), pair.labels)
    image = read_image(pair.image)
    if image.shape[:2] != truth.shape:
        sizes = [
            f'{rows} rows and {columns} columns'
            for rows, columns in (image.shape[:2], truth.shape)
        ]
        raise InputError(
            f'{pair.image} has {sizes[0]}, but {pair.labels} has {sizes[1]}. '
            'They must be of one size.'
        )
    result = segment(image, task.classes, model=model, settings=task.settings)
    rows = task.classes.rows
    table = np.zeros(max(row.value for row in rows) + 1, np.int32)
    table[[row.value for row in rows]] = np.arange(len(rows))
    confusions = np.zeros((len(rows), len(rows)), np.int64)
    for top in range(0, len(truth), _STRIP):
        strip = slice(top, top + _STRIP)
        answer = table[np.asarray(result.labels[strip])]
        counts = truth[strip] != IGNORED
        confusions += count_confusions(
            truth[strip][counts], answer[counts], len(rows)
        )
    return confusions, result.notices


def _name_image(pair: Pair, error: NaclipError) -> str:
    text = str(error)
    # What the engine says knows no file.
    is_named = str(pair.image) in text or str(pair.labels) in text
    return text if is_named else f'{pair.image}: {text}'
