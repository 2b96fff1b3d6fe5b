"""The regions of one plane that a person is guided through.

What is long is done by ``find_guided`` on the thread of live answers; the
rest is asked on the GUI thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_naclip.correct.guidance import Guidance
from napari_naclip.engine.classes import BACKGROUND_NAME, BACKGROUND_VALUE
from napari_naclip.engine.taught import Example
from napari_naclip.engine.types import Region
from napari_naclip.ui.correct.guide_panel import Choice

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import numpy.typing as npt

    from napari_naclip.correct.regions import Regions
    from napari_naclip.layers.labels import Result
    from napari_naclip.layers.snapshot import PlaneSnapshot
    from napari_naclip.ui.kept_live import KeptLive, Shown

    Mask = npt.NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class Found:
    """What ``find_guided`` returns: regions, and what they are of.

    Attributes
    ----------
    kept : KeptLive
    shown : Shown
        What the labels were that the regions are of.
    revision : int
        Of the result, before its labels were read.
    regions : Regions
    shares : (N, C) float32 array
        Probabilities of the classes, by the regions' mean tokens.
    values : tuple of int
        Label values of these classes.
    edited : (H, W) bool array
        Pixels that the person edited, or that are not to be labeled.
    center : (D,) float32 array
        What tokens of the picture have in common; see ``find_center``.
    model : str
        Fingerprint of the model.
    """

    kept: KeptLive
    shown: Shown
    revision: int
    regions: Regions = field(repr=False)
    shares: npt.NDArray[np.float32] = field(repr=False)
    values: tuple[int, ...]
    edited: Mask = field(repr=False)
    center: npt.NDArray[np.float32] = field(repr=False)
    model: str

    def is_current(self) -> bool:
        """Return whether the labels are those that were read."""
        kept = self.kept
        return (
            self.shown == kept.shown and self.revision == kept.result.revision
        )


class Guided:
    """A plane, or a part of it, with its queue of regions.

    Attributes
    ----------
    guidance : Guidance
    """

    def __init__(self, found: Found) -> None:
        self._found = found
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
        region, mask = self.place(index)
        rows, columns = region.slices
        parts = iter((rows, columns))
        at = tuple(
            next(parts) if isinstance(i, slice) else i for i in self.plane
        )
        now = np.asarray(self.result.labels.data[at])[mask]
        own = self.guidance.regions.labels[index]
        return 2 * int(np.count_nonzero(now == own)) >= now.size

    def is_of_same_pixels(self, kept: KeptLive) -> bool:
        """Return whether something else that answers is of its pixels."""
        own = self.kept
        return (
            own.result is kept.result
            and own.snapshot.index == kept.snapshot.index
            and own.snapshot.is_transposed == kept.snapshot.is_transposed
            and _area(own.snapshot) == _area(kept.snapshot)
        )

    def take(self, found: Found) -> None:
        """Go on with other regions of the same pixels."""
        self._found = found
        self.guidance.remake(found.regions, found.edited)

    def look_for_edits(self) -> None:
        """Take in what the person has edited since."""
        kept = self.kept
        self.guidance.set_edited(find_edited(kept.result, kept.snapshot))

    def place(self, index: int) -> tuple[Region, Mask]:
        """Return where a region is, along the axes of the layer's data."""
        regions, snapshot = self.guidance.regions, self.kept.snapshot
        box, mask = regions.box(index), regions.mask(index)
        if snapshot.mask is not None:
            # Nothing beside what was drawn.
            mask = mask & snapshot.mask[box.slices]
        area = _area(snapshot)
        top, left = box.top + area.top, box.left + area.left
        rows, columns = mask.shape
        if snapshot.is_transposed:
            return Region(left, top, left + columns, top + rows), mask.T
        return Region(top, left, top + rows, left + columns), mask

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


def _area(snapshot: PlaneSnapshot) -> Region:
    """Return the pixels of the plane, as displayed, that are labeled."""
    return snapshot.region or Region(0, 0, *snapshot.size)


def find_edited(result: Result, snapshot: PlaneSnapshot) -> Mask:
    """Return the (H, W) pixels that regions are not to be made of.

    Those that the person edited, and those beside what was drawn.
    """
    at = snapshot.index_of(snapshot.region)
    edited = np.asarray(result.labels.data[at]) != np.asarray(
        result.written[at]
    )
    edited = snapshot.orient(edited)
    return edited if snapshot.mask is None else edited | ~snapshot.mask


def find_guided(
    kept: KeptLive, shown: Shown
) -> Generator[object, None, Found]:
    """Yield now and then; return the regions of what is shown."""
    # They need torch, which the panel opens without.
    from napari_naclip.correct.examples import find_center
    from napari_naclip.correct.regions import iter_regions
    from napari_naclip.correct.shares import class_shares

    live = yield from kept.wake()
    result, snapshot = kept.result, kept.snapshot
    confidence: Any = live.confidence
    if confidence is None:
        answer = yield from live.answer(
            shown.classes, shown.settings, previews=False
        )
        confidence = answer.confidence
    revision = result.revision
    at = snapshot.index_of(snapshot.region)
    labels = snapshot.orient(np.array(result.labels.data[at]))
    yield None
    edited = find_edited(result, snapshot)
    yield None
    regions = yield from iter_regions(
        live, labels, confidence, shown.classes, shown.settings
    )
    queries = yield from live.queries(shown.classes, shown.settings)
    competing = live.competing(shown.classes)
    shares = class_shares(
        regions.tokens, queries, competing, shown.settings.logit_scale
    )
    values = tuple(row.value for row in competing.competitors)
    yield None
    center = find_center(live)
    return Found(
        kept,
        shown,
        revision,
        regions,
        shares,
        values,
        edited,
        center,
        live.fingerprint,
    )


def find_choices(
    place: Guided, index: int
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
    likely = [
        replace(names[value], share=share)
        for value, share in place.choices(index)
        if value in names
    ]
    return likely, list(names.values())


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
        at = snapshot.index_of(_area(snapshot))
        own = tuple(i for i in at if isinstance(i, slice))
        seen = guidance.is_looked_at()[guidance.regions.ids]
        looked[own] |= snapshot.orient(seen)
    return looked
