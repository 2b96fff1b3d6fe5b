"""What finishing does in its thread: it reads labels and changes none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_naclip.correct.known import find_known
from napari_naclip.correct.objects import (
    ObjectTable,
    Splitting,
    measure,
    split,
)
from napari_naclip.engine.outputs import zeros
from napari_naclip.layers.tidied import flat_plane
from napari_naclip.ui.imports import prepare_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from napari_naclip.correct.tidy import CleanUp
    from napari_naclip.engine.live import LiveSegmentation
    from napari_naclip.layers.snapshot import PlaneSnapshot
    from napari_naclip.ui.correct.task import Work

    Plane = tuple[int | slice, ...]
    Stopped = Callable[[], bool]
    Tell = Callable[[float], None]
    Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A plane before and after its clean-up, and the array that it is of."""

    source: Any = field(repr=False)
    before: npt.NDArray[Any] = field(repr=False)
    after: npt.NDArray[Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects in the shape of the labels, and the table of each plane."""

    source: Any = field(repr=False)
    ids: npt.NDArray[np.int32] = field(repr=False)
    tables: list[tuple[Plane, ObjectTable]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ModelPlane:
    """What the model wrote of a plane.

    Attributes
    ----------
    written : array
        What it wrote of the whole layer.
    plane : tuple of int or slice
    snapshots : sequence of PlaneSnapshot
        What it is known to have labeled of the plane.
    has_background : bool
        Whether 0 is a class.
    accepted : bool array or None
        What the person accepted of the whole layer.
    """

    written: npt.NDArray[Any] = field(repr=False)
    plane: Plane
    snapshots: Sequence[PlaneSnapshot]
    has_background: bool
    accepted: Mask | None = field(default=None, repr=False)

    def find_edited(self, data: Any) -> Mask:
        """Return the (H, W) pixels that the person edited or accepted."""
        edited = np.asarray(data[self.plane]) != self.written[self.plane]
        if self.accepted is not None:
            edited |= self.accepted[self.plane]
        return np.asarray(edited)

    def find_known(
        self, labels: npt.NDArray[Any] | None = None
    ) -> tuple[Mask | None, bool]:
        """Return what ``correct.known.find_known`` does of the plane.

        Parameters
        ----------
        labels : (H, W) integer array, optional
            The model's; by default what it wrote.
        """
        if labels is None:
            labels = self.written[self.plane]
        parts = []
        for each in self.snapshots:
            mask = None if each.mask is None else each.orient(each.mask)
            place = flat_plane(each.index_of(each.region))
            parts.append((place, mask))
        return find_known(labels, parts, has_background=self.has_background)


def clean_plane(data: Any, model: ModelPlane, wanted: CleanUp) -> Work:
    """Return the work of a clean-up.

    Only what the model is known to have labeled changes; and without a
    background nothing becomes 0, which then is no class but none.
    """

    def work(is_stopped: Stopped, _tell: Tell) -> Cleaned:
        before = np.array(data[model.plane])
        after = wanted.apply(before, is_stopped)
        known, _ = model.find_known()
        if known is not None:
            after = np.where(known, after, before)
        if not model.has_background:
            after = np.where(after == 0, before, after)
        return Cleaned(data, before, after)

    return work


def split_planes(
    data: Any,
    planes: Sequence[Plane],
    values: tuple[int, ...],
    splitting: Splitting,
    answers: Sequence[tuple[PlaneSnapshot, LiveSegmentation]],
) -> Work:
    """Return the work of splitting classes into objects.

    Parameters
    ----------
    data : array-like
        Of the labels layer.
    planes : sequence of tuple
    values : tuple of int
        Of the classes.
    splitting : Splitting
    answers : sequence of PlaneSnapshot and LiveSegmentation
        What knows how sure the model was.
    """

    def work(is_stopped: Stopped, tell: Tell) -> Objects:
        # Here, not in the window's thread.
        prepare_labels(np.dtype(np.int32))
        ids = zeros(tuple(data.shape), np.dtype(np.int32))
        tables: list[tuple[Plane, ObjectTable]] = []
        first = 1
        for done, plane in enumerate(planes):
            labels = np.array(data[plane])
            own = split(
                labels,
                values,
                splitting,
                first=first,
                is_stopped=is_stopped,
                tell=lambda share, done=done: tell(  # type: ignore[misc]
                    (done + share) / len(planes)
                ),
            )
            if is_stopped():
                break
            table = measure(own, labels, _find_confidence(plane, own, answers))
            first += len(table)
            if len(table):
                ids[plane] = own
            tables.append((plane, table))
        return Objects(data, ids, tables)

    return work


def _find_confidence(
    plane: Plane,
    like: npt.NDArray[Any],
    answers: Sequence[tuple[PlaneSnapshot, LiveSegmentation]],
) -> npt.NDArray[np.float16] | None:
    """Return how sure the model was, along the axes of the data.

    NaN where that is not known; None where it is known of no pixel.
    """
    whole: npt.NDArray[np.float16] | None = None
    for snapshot, live in answers:
        confidence = live.confidence
        if snapshot.index != plane or confidence is None:
            continue
        own = snapshot.place(snapshot.engine_region)
        at = flat_plane(snapshot.index_of(own))
        part = snapshot.orient(confidence)
        if whole is None:
            whole = np.full(like.shape, np.nan, np.float16)
        if whole[at].shape == part.shape:
            mask = snapshot.mask
            np.copyto(
                whole[at],
                part,
                where=True if mask is None else snapshot.orient(mask),
            )
    return whole
