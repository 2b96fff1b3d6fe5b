"""How far the model agrees with a person: what the threads do for it.

What the model wrote last is no measure where a person has edited: later
answers were not written there. So the model is asked again for such pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_naclip.correct.agreement import Agreement, compare
from napari_naclip.layers.tidied import flat_plane

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    import numpy.typing as npt

    from napari_naclip.ui.correct.finish_work import ModelPlane
    from napari_naclip.ui.correct.task import Work
    from napari_naclip.ui.correct.why_work import Asked

    Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Answered:
    """What the model answers for a part of a plane, along the data's axes.

    Attributes
    ----------
    place : tuple of slice
        Its rows and columns.
    labels : (rows, columns) integer array
    mask : (rows, columns) bool array or None
        Which of them count; None: all.
    """

    place: tuple[slice, slice]
    labels: npt.NDArray[Any] = field(repr=False)
    mask: Mask | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Compared:
    """The agreement of a plane.

    Attributes
    ----------
    agreement : Agreement
    edited : Agreement
        Of what the person edited or accepted.
    looked : Agreement or None
        Of what the person looked at.
    has_model : bool
        Whether anything is known of what the model wrote.
    is_sure : bool
        See ``correct.known.find_known``.
    is_asked : bool
        Whether all that was edited is compared with what the model answers;
        if not, some of it is with what the model wrote before the edit.
    """

    agreement: Agreement
    edited: Agreement
    looked: Agreement | None
    has_model: bool
    is_sure: bool
    is_asked: bool

    def columns(self, names: Mapping[int, str]) -> dict[str, list[Any]]:
        """Return the columns of a table with a row for each class.

        Parameters
        ----------
        names : mapping of int to str
            Of the label values.
        """
        rows = self.agreement.classes()
        edited = {each.value: each.iou for each in self.edited.classes()}
        return {
            'class': [names.get(r.value, str(r.value)) for r in rows],
            'IoU': [float(r.iou) for r in rows],
            'IoU where edited': [
                edited.get(r.value, float('nan')) for r in rows
            ],
            'model (px)': [r.model for r in rows],
            'corrected (px)': [r.corrected for r in rows],
            'given (px)': [r.given for r in rows],
            'taken (px)': [r.taken for r in rows],
        }


def answer_edited(
    data: Any, model: ModelPlane, asked: Sequence[Asked]
) -> Generator[object, None, list[Answered]]:
    """Yield while it works; return what the model answers where it matters.

    Parameters
    ----------
    data : array-like
        Of the labels layer.
    model : ModelPlane
    asked : sequence of Asked
        What answers for parts of the plane; those without an edit are left
        out, and do not wake.
    """
    edited = model.find_edited(data)
    found = []
    for each in asked:
        yield None
        snapshot, shown = each.kept.snapshot, each.shown
        place = flat_plane(snapshot.index_of(snapshot.region))
        if not edited[place].any():
            continue
        live = yield from each.kept.wake()
        answer = yield from live.answer(
            shown.classes, shown.settings, previews=False
        )
        mask = snapshot.mask
        found.append(
            Answered(
                place,
                # A copy: the next answer goes into the same array.
                snapshot.orient(np.array(answer.labels[:])),
                None if mask is None else snapshot.orient(mask),
            )
        )
    return found


def compare_plane(
    data: Any,
    model: ModelPlane,
    looked: Mask | None,
    answers: Sequence[Answered] = (),
) -> Work:
    """Return the work of comparing labels with those of the model.

    Parameters
    ----------
    data : array-like
        Of the labels layer.
    model : ModelPlane
        In its shape.
    looked : (H, W) bool array or None
        What the person has looked at.
    answers : sequence of Answered
        Instead of what the model wrote, where the person has edited or
        accepted.
    """

    def work(
        is_stopped: Callable[[], bool], tell: Callable[[float], None]
    ) -> Compared:
        corrected = data[model.plane]
        edited = model.find_edited(data)
        labels, is_asked = _merge(model.written[model.plane], edited, answers)
        known, is_sure = model.find_known(labels)
        has_model = bool(model.snapshots) or bool(np.any(labels))
        made, apart = Agreement(), Agreement()
        for made in compare(labels, corrected, known):
            if is_stopped():
                break
            tell((made.pixels + made.left_out) / max(1, labels.size))
        seen = None
        if not is_stopped():
            masks = [
                mask if known is None else mask & known
                for mask in ((edited,) if looked is None else (edited, looked))
            ]
            apart, *others = (
                list(compare(labels, corrected, mask))[-1] for mask in masks
            )
            seen = others[0] if others else None
        return Compared(made, apart, seen, has_model, is_sure, is_asked)

    return work


def _merge(
    written: npt.NDArray[Any], edited: Mask, answers: Sequence[Answered]
) -> tuple[npt.NDArray[Any], bool]:
    """Return the model's labels, and whether it answers for all edits."""
    if not edited.any():
        return written, True
    if not answers:
        return written, False
    dtype = np.result_type(written.dtype, *(a.labels.dtype for a in answers))
    labels = written.astype(dtype)
    is_left = edited.copy()
    for each in answers:
        counts = edited[each.place]
        if each.mask is not None:
            counts = counts & each.mask
        labels[each.place][counts] = each.labels[counts]
        is_left[each.place] &= ~counts
    return labels, not is_left.any()
