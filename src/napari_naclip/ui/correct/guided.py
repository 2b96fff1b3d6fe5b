"""The regions of one plane that a person is guided through.

They are found by ``find_guided``; all else is asked on the GUI thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.correct.guidance import Guidance
from napari_naclip.engine.classes import BACKGROUND_NAME, BACKGROUND_VALUE
from napari_naclip.engine.taught import Example
from napari_naclip.engine.types import Region
from napari_naclip.layers.blocks import find_locked, reduce_mask
from napari_naclip.layers.outline import reduction_of
from napari_naclip.ui.correct.guide_panel import Choice
from napari_naclip.ui.correct.messages import describe_region

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator, Sequence

    import numpy.typing as npt

    from napari_naclip.layers.labels import Result
    from napari_naclip.layers.snapshot import PlaneSnapshot
    from napari_naclip.ui.correct.finding import Found
    from napari_naclip.ui.kept_live import KeptLive

    Integers = npt.NDArray[np.integer[Any]]
    Mask = npt.NDArray[np.bool_]

#: Pixels of a region that are looked at in a step: about a millisecond.
_BAND_PIXELS: Final = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Where a region is, along the axes of the layer's data.

    Attributes
    ----------
    region : Region
        Its box.
    mask : (rows, columns) bool array
        Which pixels of the box are its own.
    small : bool array
        The mask for an outline, reduced.
    step : int
        Rows and columns that became one.
    """

    region: Region
    mask: Mask = field(repr=False)
    small: Mask = field(repr=False)
    step: int


class Guided:
    """A plane, or a part of it, with its queue of regions.

    Attributes
    ----------
    guidance : Guidance
    """

    def __init__(self, found: Found) -> None:
        self._found = found
        self._placed: tuple[int, Placed] | None = None
        self.guidance = Guidance(found.regions, found.edited)

    @property
    def kept(self) -> KeptLive:
        """What answers for it."""
        return self._found.kept

    @property
    def result(self) -> Result:
        """Where its labels are."""
        return self._found.kept.result

    @property
    def plane(self) -> tuple[int | slice, ...]:
        """What selects its plane in the layer."""
        return self._found.kept.snapshot.index

    def is_current(self) -> bool:
        """Return whether its regions are of the labels as they are."""
        return self._found.is_current()

    def holds(self, index: int) -> bool:
        """Return whether most of a region has its label still."""
        regions, snapshot = self.guidance.regions, self.kept.snapshot
        cells = regions.grid_ids == index
        if cells.any():
            within = [np.flatnonzero(cells.any(axis)) for axis in (1, 0)]
            rows, columns = (
                regions.grid.positions(axis)[within[axis]] for axis in (0, 1)
            )
            mask = cells[np.ix_(*within)]
        else:
            # It lies between the grid's pixels, and is small.
            box = regions.box(index)
            rows = np.arange(box.top, box.bottom)
            columns = np.arange(box.left, box.right)
            mask = regions.mask(index)
        if snapshot.mask is not None:
            mask = mask & snapshot.mask[np.ix_(rows, columns)]
        now = _read(self.result.labels.data, snapshot, rows, columns)[mask]
        count = np.count_nonzero(now == regions.labels[index])
        return bool(2 * count >= now.size)

    def is_of_same_pixels(self, kept: KeptLive) -> bool:
        """Return whether something else that answers is of its pixels."""
        own = self.kept
        return (
            own.result is kept.result
            and own.snapshot.index == kept.snapshot.index
            and own.snapshot.is_transposed == kept.snapshot.is_transposed
            and own.snapshot.area == kept.snapshot.area
        )

    def take(self, found: Found) -> None:
        """Go on with other regions of the same pixels."""
        self._found = found
        self._placed = None
        self.guidance.remake(found.regions, found.edited)

    def look_for_edits(
        self, locked: Collection[int] = frozenset()
    ) -> Iterator[None]:
        """Take in what the person has edited or accepted since, in steps.

        Labels of locked classes count as edited: nothing is to change there.
        """
        snapshot, result = self.kept.snapshot, self.result

        def read(rows: Integers, columns: Integers) -> Mask:
            now, model = (
                _read(array, snapshot, rows, columns)
                for array in (result.labels.data, result.written)
            )
            edited = now != model
            edited |= find_locked(locked, now)
            if result.accepted is not None:
                edited |= _read(result.accepted, snapshot, rows, columns)
            if snapshot.mask is not None:
                edited |= ~snapshot.mask[np.ix_(rows, columns)]
            return np.asarray(edited)

        return self.guidance.look(read)

    def place(self, index: int) -> Placed:
        """Return where a region is; see ``find_place``."""
        if self._placed is None or self._placed[0] != index:
            for _ in self.find_place(index):
                pass
        if self._placed is None:
            raise RuntimeError('a region that was not found')
        return self._placed[1]

    def find_place(self, index: int) -> Iterator[None]:
        """Find where a region is, in steps; ``place`` then takes no time."""
        regions, snapshot = self.guidance.regions, self.kept.snapshot
        if self._placed is not None and self._placed[0] == index:
            return
        box = regions.box(index)
        mask = np.empty(box.size, bool)
        step = reduction_of(box.size)
        small = []
        band = step * max(1, _BAND_PIXELS // max(1, mask.shape[1] * step))
        for start in range(0, len(mask), band):
            part = mask[start : start + band]
            at = (
                slice(box.top + start, box.top + start + len(part)),
                slice(box.left, box.right),
            )
            np.equal(regions.ids[at], index, out=part)
            if snapshot.mask is not None:
                # Nothing beside what was drawn.
                part &= snapshot.mask[at]
            small.append(reduce_mask(part, step))
            yield
        if regions is not self.guidance.regions:
            return
        area = snapshot.area
        top, left = box.top + area.top, box.left + area.left
        bottom, right = top + len(mask), left + mask.shape[1]
        self._placed = (
            index,
            Placed(
                Region(left, top, right, bottom)
                if snapshot.is_transposed
                else Region(top, left, bottom, right),
                snapshot.orient(mask),
                snapshot.orient(np.concatenate(small)),
                step,
            ),
        )

    def example(self, index: int) -> Example:
        """Return a region as an example of a class."""
        found = self._found
        regions = self.guidance.regions
        return Example.of(
            regions.tokens[index],
            found.center,
            int(regions.areas[index]),
            found.model,
        )

    def choices(self, index: int) -> list[tuple[int, float]]:
        """Return label values with their probabilities, the best first."""
        shares = self._found.shares[index]
        values = self._found.values
        order = np.argsort(-shares, kind='stable')
        return [(values[i], float(shares[i])) for i in order]


def _read(
    array: Any, snapshot: PlaneSnapshot, rows: Integers, columns: Integers
) -> npt.NDArray[Any]:
    """Return rows and columns of what is labeled of an array's plane."""
    area = snapshot.area
    span = Region(
        area.top + int(rows[0]),
        area.left + int(columns[0]),
        area.top + int(rows[-1]) + 1,
        area.left + int(columns[-1]) + 1,
    )
    # Arrays of other kinds than numpy's know no such choice.
    block = snapshot.orient(np.asarray(array[snapshot.index_of(span)]))
    return block[np.ix_(rows - rows[0], columns - columns[0])]


def choose(
    places: Sequence[Guided], locked: Collection[int] = frozenset()
) -> Generator[None, None, tuple[Guided, int] | None]:
    """Look for edits, in steps; return where an answer is worth most."""
    for place in places:
        yield from place.look_for_edits(locked)
    best: tuple[float, Guided, int] | None = None
    for place in places:
        index = place.guidance.next()
        if index is None:
            continue
        gain = float(place.guidance.gains()[index])
        if best is None or gain > best[0]:
            best = gain, place, index
    return None if best is None else best[1:]


def find_choices(
    place: Guided, index: int, locked: Collection[int] = frozenset()
) -> tuple[list[Choice], list[Choice]]:
    """Return the likeliest classes of a region, and all that there are."""
    rows = place.result.rows
    names = {
        value: Choice(value, rows[value].name, rows[value].color)
        for value in sorted(rows)
    }
    names.setdefault(
        BACKGROUND_VALUE, Choice(BACKGROUND_VALUE, BACKGROUND_NAME, '#000000')
    )
    for value in names.keys() & locked:
        names[value] = replace(names[value], is_locked=True)
    likely = [
        replace(names[value], share=share)
        for value, share in place.choices(index)
        if value in names
    ]
    return likely, list(names.values())


def describe(
    place: Guided, index: int, locked: Collection[int] = frozenset()
) -> tuple[str, list[Choice], list[Choice]]:
    """Return what a region is, and what ``find_choices`` returns."""
    regions = place.guidance.regions
    likely, everything = find_choices(place, index, locked)
    own = int(regions.labels[index])
    names = {each.value: each.name for each in everything}
    about = describe_region(
        names.get(own, str(own)),
        float(regions.confidence[index]),
        int(regions.areas[index]),
    )
    return about, likely, everything


def find_looked(
    places: Sequence[Guided], result: Result, plane: tuple[int | slice, ...]
) -> Mask | None:
    """Return which pixels of a plane a person has answered for.

    Returns
    -------
    (H, W) bool array or None
        Along the axes of the layer; None where nothing has been answered.
    """
    looked: Mask | None = None
    for place in places:
        if place.result is not result or place.plane != plane:
            continue
        guidance, snapshot = place.guidance, place.kept.snapshot
        if not guidance.is_looked_at().any():
            continue
        if looked is None:
            looked = snapshot.orient(np.zeros(snapshot.size, bool))
        at = snapshot.index_of(snapshot.area)
        own = tuple(i for i in at if isinstance(i, slice))
        seen = guidance.is_looked_at()[guidance.regions.ids]
        looked[own] |= snapshot.orient(seen)
    return looked
