"""What the thread of live answers computes for the part "Why".

What needs torch is imported there: the panel opens without it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_naclip.engine.types import Region
from napari_naclip.layers.maps import PlaneMap, step_for, take_every

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import numpy.typing as npt

    from napari_naclip.engine.explain import Explanation
    from napari_naclip.engine.reasons import ClassReach
    from napari_naclip.layers.snapshot import PlaneSnapshot
    from napari_naclip.ui.kept_live import KeptLive, Shown

    HalfMap = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A plane or region, and what its labels are.

    Attributes
    ----------
    kept : KeptLive
    shown : Shown
    """

    kept: KeptLive
    shown: Shown


@dataclass(frozen=True, slots=True, eq=False)
class Surveyed:
    """What ``survey_plane`` returns.

    Attributes
    ----------
    confidence, margin : PlaneMap
    reaches : tuple of ClassReach
    token_pixels : float
    """

    confidence: PlaneMap = field(repr=False)
    margin: PlaneMap = field(repr=False)
    reaches: tuple[ClassReach, ...]
    token_pixels: float


def map_class(
    asked: Sequence[Asked], value: int
) -> Generator[object, None, PlaneMap]:
    """Yield while it works; return the heat map of a class on a plane."""
    from napari_naclip.engine.reasons import heat_map

    canvas = _Canvas([each.kept.snapshot for each in asked])
    for each in asked:
        rows = each.shown.classes.competitors
        if value not in [row.value for row in rows]:
            # A part that an earlier run has labeled.
            continue
        live = yield from each.kept.wake()
        heat = yield from heat_map(
            live, each.shown.classes, each.shown.settings, value
        )
        canvas.put(each.kept.snapshot, heat)
        yield None
    return canvas.found()


def survey_plane(
    asked: Sequence[Asked],
) -> Generator[object, None, Surveyed]:
    """Yield while it works; return a look at all classes on a plane."""
    from napari_naclip.engine.reasons import merge_reaches, survey

    snapshots = [each.kept.snapshot for each in asked]
    confidence, margin = _Canvas(snapshots), _Canvas(snapshots)
    reaches, tokens = [], []
    for each in asked:
        live = yield from each.kept.wake()
        found = yield from survey(
            live, each.shown.classes, each.shown.settings
        )
        confidence.put(each.kept.snapshot, found.confidence)
        margin.put(each.kept.snapshot, found.margin)
        reaches.append(found.classes)
        tokens.append(found.token_pixels)
        yield None
    return Surveyed(
        confidence.found(),
        margin.found(),
        merge_reaches(reaches),
        max(tokens),
    )


def explain_pixel(
    asked: Asked, point: tuple[int, int], *, exactly: bool
) -> Generator[object, None, Explanation]:
    """Yield while it works; return the best classes at a pixel.

    Parameters
    ----------
    asked : Asked
    point : (int, int)
        Row and column of what the snapshot reads.
    exactly : bool
        See ``reasons.explain``.
    """
    from napari_naclip.engine.explain import explain

    live = yield from asked.kept.wake()
    return (
        yield from explain(
            live,
            asked.shown.classes,
            asked.shown.settings,
            point,
            exactly=exactly,
        )
    )


class _Canvas:
    """One map of all that was labeled of a plane; 0 between its regions."""

    def __init__(self, snapshots: Sequence[PlaneSnapshot]) -> None:
        places = [each.area for each in snapshots]
        self._plane = snapshots[0].index
        self._is_transposed = snapshots[0].is_transposed
        self._region = functools.reduce(_join, places)
        self._whole: HalfMap | None = None
        self._is_one = len(places) == 1

    def put(self, snapshot: PlaneSnapshot, values: HalfMap) -> None:
        """Put in the map of what a snapshot labels."""
        if self._is_one:
            self._whole = values
            return
        if self._whole is None:
            self._whole = np.zeros(self._region.size, np.float16)
        np.copyto(
            self._whole[snapshot.area.within(self._region)],
            values,
            where=True if snapshot.mask is None else snapshot.mask,
        )

    def found(self) -> PlaneMap:
        """Return the map along the axes of the data, as large as is shown."""
        region, whole = self._region, self._whole
        if whole is None:
            raise TypeError('nothing was put in')
        step = step_for(region.size)
        values = take_every(whole, step)
        if self._is_transposed:
            values = values.T
            region = Region(
                region.left, region.top, region.right, region.bottom
            )
        return PlaneMap(self._plane, region, step, values)


def _join(one: Region, other: Region) -> Region:
    return Region(
        min(one.top, other.top),
        min(one.left, other.left),
        max(one.bottom, other.bottom),
        max(one.right, other.right),
    )
