"""Which region to look at next, and what a person has answered so far.

Pure state: it writes no labels and knows no layer. Who uses it paints what a
person assigns, and takes it back after ``back``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_naclip.correct import doubt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from napari_naclip.correct.regions import Regions

    Floats = npt.NDArray[Any]
    Integers = npt.NDArray[np.integer[Any]]
    Mask = npt.NDArray[np.bool_]

#: Share of a region's pixels from which on it counts as edited, or as looked
#: at when the regions were others.
_MOST_OF_IT = 0.5
#: How much a region counts by its share of its label's pixels, the rest by its
#: share of the picture: mean IoU gains by the one, accuracy by the other.
_LABEL_WEIGHT = 0.6
#: Rows of the grid that are looked at in a step: about a millisecond.
_BAND = 32


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One answer of a person.

    Attributes
    ----------
    index : int
        The region, of those that there were then.
    label : int
        Label value that it had.
    value : int
        Label value that it was given; its own: it was accepted.
    round : int
        How often regions had been made anew.
    cover : (n,) intp array
        Its places in the flat grid.
    pixel : (int, int) or None
        Row and column of one of its pixels, where there is no such place.
    area : int
        How many pixels it has.
    """

    index: int
    label: int
    value: int
    round: int
    cover: npt.NDArray[np.intp] = field(repr=False)
    pixel: tuple[int, int] | None
    area: int

    @property
    def is_change(self) -> bool:
        """Whether the region was given another label."""
        return self.value != self.label


class Guidance:
    """A queue of regions, those first where an answer is worth most.

    Nothing of an image's full size is kept but the regions themselves; every
    question takes well under a millisecond but ``set_edited`` and
    ``remake``, which take some; ``look`` goes in steps.

    Parameters
    ----------
    regions : Regions
    edited : (H, W) bool array, optional
        Pixels that a person has edited. Read here, not kept.
    """

    def __init__(self, regions: Regions, edited: Mask | None = None) -> None:
        self._steps: list[Step] = []
        self._round = 0
        #: Steps that cover each grid pixel.
        self._covers = np.zeros(regions.grid_ids.size, np.int32)
        self._take(regions)
        self.set_edited(edited)

    def _take(self, regions: Regions) -> None:
        self._regions = regions
        self._counts = np.bincount(
            regions.grid_ids.ravel(), minlength=len(regions)
        )
        self._doubt = doubt.first_doubt(regions)
        self._alike = doubt.likeness(regions)
        self._edited = np.zeros(len(regions))
        #: Regions whose answer is not there any more.
        self._is_given_back = np.zeros(len(regions), bool)
        self._update()

    @property
    def regions(self) -> Regions:
        """The regions as they are now."""
        return self._regions

    @property
    def steps(self) -> tuple[Step, ...]:
        """What has been answered, the last one at the end."""
        return tuple(self._steps)

    def set_edited(self, edited: Mask | None) -> None:
        """Say which pixels a person has edited.

        Parameters
        ----------
        edited : (H, W) bool array, or None for no pixel
            Read here, not kept.

        Raises
        ------
        ValueError
            If it is of another size than the regions.
        """
        regions = self._regions
        if edited is None:
            self._edited = np.zeros(len(regions))
            return
        if edited.shape != regions.ids.shape:
            raise ValueError(
                f'{edited.shape} edited pixels of {regions.ids.shape}'
            )
        for _ in self._count(
            lambda rows, columns: edited[np.ix_(rows, columns)]
        ):
            pass

    def look(
        self, read: Callable[[Integers, Integers], Mask]
    ) -> Iterator[None]:
        """Find out which pixels are settled; yield now and then.

        A region that was answered for, but of which most is not settled any
        more, is open again: its answer was overwritten or forgotten. Where
        regions are made anew meanwhile it ends without an effect.

        Parameters
        ----------
        read : callable
            Gets rows and columns, increasing; returns a bool array of them:
            pixels that a person has edited or accepted, or that are not to
            change.
        """
        regions = self._regions
        yield from self._count(read)
        if regions is self._regions:
            self._is_given_back = self._edited < _MOST_OF_IT
            self._update()

    def _count(
        self, read: Callable[[Integers, Integers], Mask]
    ) -> Iterator[None]:
        """Find out which share of each region is edited, as ``look``."""
        regions = self._regions
        rows, columns = (regions.grid.positions(axis) for axis in (0, 1))
        sums = np.zeros(len(regions))
        for start in range(0, len(rows), _BAND):
            band = slice(start, start + _BAND)
            sums += np.bincount(
                regions.grid_ids[band].ravel(),
                weights=read(rows[band], columns).ravel(),
                minlength=len(regions),
            )
            yield
            if regions is not self._regions:
                return
        shares: Floats = sums / np.maximum(self._counts, 1)
        # Regions between the grid's pixels are few and small.
        for index in np.flatnonzero(self._counts == 0).tolist():
            box = regions.box(index)
            edited = read(
                np.arange(box.top, box.bottom), np.arange(box.left, box.right)
            )
            shares[index] = edited[regions.mask(index)].mean()
        self._edited = shares

    def remake(self, regions: Regions, edited: Mask | None = None) -> None:
        """Take other regions of the same pixels, after labels changed.

        What was looked at stays so: regions of which most was.

        Raises
        ------
        ValueError
            If the pixels are others; start a new ``Guidance`` for these.
        """
        if regions.ids.shape != self._regions.ids.shape:
            raise ValueError(
                f'regions of {regions.ids.shape} pixels, not of '
                f'{self._regions.ids.shape}'
            )
        self._round += 1
        self._take(regions)
        self.set_edited(edited)

    def next(self) -> int | None:
        """Return the open region where an answer is worth most, if any."""
        gains = self.gains()
        best = int(gains.argmax())
        return best if gains[best] > 0 else None

    def gains(self) -> Floats:
        """Return what an answer is expected to be worth, (N,).

        The probability that the label is wrong times the region's share, of
        the pixels that still have its label and of the picture (a weighted
        geometric mean), as far as not edited; 0 for regions that are not
        open, and only for these.
        """
        shares = self._regions.areas / (
            self._label_areas**_LABEL_WEIGHT
            * self._regions.ids.size ** (1 - _LABEL_WEIGHT)
        )
        gains: Floats = self.doubt() * shares * (1 - self._edited)
        gains[~self.is_open()] = 0
        return gains

    def doubt(self) -> Floats:
        """Return the probability that each label is wrong, (N,).

        Answers for regions that look alike count.
        """
        return doubt.with_answers(self._doubt, self._alike, self._answers)

    def is_open(self) -> Mask:
        """Return which regions are neither edited nor looked at, (N,)."""
        is_open: Mask = ~self._is_seen & (self._edited < _MOST_OF_IT)
        return is_open

    def is_looked_at(self) -> Mask:
        """Return which regions a person has answered for, (N,)."""
        return self._is_seen.copy()

    @property
    def share_done(self) -> float:
        """Share of the picture that is looked at or edited, 0 to 1."""
        areas = self._regions.areas
        shares = np.where(self._is_seen, 1.0, self._edited)
        return float(areas @ shares / areas.sum())

    @property
    def share_wrong(self) -> float:
        """Estimated share of the picture that is wrong still, 0 to 1."""
        areas = self._regions.areas
        left = np.where(self.is_open(), 1 - self._edited, 0.0)
        return float(areas @ (left * self.doubt()) / areas.sum())

    def accept(self, index: int) -> Step:
        """Say that a region's label is right."""
        return self.assign(index, int(self._regions.labels[index]))

    def assign(self, index: int, value: int) -> Step:
        """Say that a region's label is to be a value.

        Parameters
        ----------
        index : int
            Of the region, open or not.
        value : int
            Label value.
        """
        cover = np.flatnonzero(self._regions.grid_ids.ravel() == index)
        step = Step(
            index=index,
            label=int(self._regions.labels[index]),
            value=value,
            round=self._round,
            cover=cover,
            pixel=None if len(cover) else self._pixel(index),
            area=int(self._regions.areas[index]),
        )
        self._steps.append(step)
        self._is_given_back[index] = False
        self._covers[step.cover] += 1
        self._update()
        return step

    def back(self) -> Step | None:
        """Take the last answer back; return it, if there was one."""
        if not self._steps:
            return None
        step = self._steps.pop()
        self._covers[step.cover] -= 1
        self._update()
        return step

    def index_of(self, step: Step) -> int:
        """Return the region that an answer was about.

        Where regions have been made anew since: the one that has most of its
        pixels now.
        """
        if step.round == self._round:
            return step.index
        if step.pixel is not None:
            return int(self._regions.ids[step.pixel])
        counts = np.bincount(
            self._regions.grid_ids.ravel()[step.cover], minlength=1
        )
        return int(counts.argmax())

    def _pixel(self, index: int) -> tuple[int, int]:
        """Return row and column of a region's first pixel."""
        rows, columns = self._regions.box(index).slices
        row, column = np.argwhere(self._regions.mask(index))[0].tolist()
        return rows.start + row, columns.start + column

    def _update(self) -> None:
        """Find out what is looked at, and what is known by it."""
        covered = np.bincount(
            self._regions.grid_ids.ravel()[self._covers > 0],
            minlength=len(self._regions),
        )
        seen = (covered > 0) & (covered >= _MOST_OF_IT * self._counts)
        for step in self._steps:
            # The grid does not tell of regions between its pixels.
            if step.round < self._round and step.pixel is not None:
                index = self.index_of(step)
                area = int(self._regions.areas[index])
                seen[index] |= step.area >= _MOST_OF_IT * area
        seen &= ~self._is_given_back
        # What was looked at before labels changed is right by now.
        answers = np.where(seen, 0.0, np.nan)
        labels = self._regions.labels.copy()
        for step in self._steps:
            if (
                step.round == self._round
                and not self._is_given_back[step.index]
            ):
                seen[step.index] = True
                answers[step.index] = float(step.is_change)
                labels[step.index] = step.value
        self._is_seen: Mask = seen
        self._answers: Floats = answers
        # What keeps a label that is wrong nearly everywhere weighs more.
        self._label_areas = doubt.areas_of_labels(labels, self._regions.areas)
