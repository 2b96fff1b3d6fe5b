"""Refined maps of a region, in strips of columns where it is wide.

The rows that a refinement keeps grow with the width, and so does its memory.
A wide region is cut at fixed columns of the image into strips, which are
refined one after the other, each with what is around it: the halo of
``with_halo``. So memory depends on the words alone. With 'fast' that is exact;
with 'fine' it is what a region is to the whole image. The cuts follow from
the region and never from the memory that is free, so that the same picture
gives the same labels. A strip reads and looks at its own columns alone; what
is around it is looked at once more where no tokens are kept.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from napari_naclip.engine import parts
from napari_naclip.engine.affinities import Affinities, neighbor_offsets
from napari_naclip.engine.fetch import TileRows
from napari_naclip.engine.refine import Refiner
from napari_naclip.engine.refine_plan import Plan
from napari_naclip.engine.tiles import Projection
from napari_naclip.engine.types import REFINEMENTS, Progress, Region
from napari_naclip.engine.windows import with_halo

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from napari_naclip.engine.features import Features
    from napari_naclip.engine.fetch import Fill
    from napari_naclip.engine.refine import Refined
    from napari_naclip.engine.types import Refinement

#: Columns of a strip; what has no more than twice as many is not cut. A
#: strip of 'fine' with 20 words takes 1.7 GB, one of 'fast' 0.3 GB.
COLUMNS: Final[dict[str, int]] = {'fast': 4096, 'fine': 2048}
#: With fewer nearly all of the work would be around the strips.
_LEAST_COLUMNS: Final = 256


def cut(
    region: Region, refinement: Refinement, width: int | None = None
) -> list[Region]:
    """Return the strips in which a region is refined, from the left.

    Parameters
    ----------
    region : Region
    refinement : {'fast', 'fine'}
    width : int, optional
        Columns of a strip; only for 'fast' may they differ from ``COLUMNS``,
        the default.
    """
    width = COLUMNS[refinement] if width is None else width
    if region.right - region.left <= 2 * width:
        return [region]
    edges = [
        region.left,
        *range((region.left // width + 1) * width, region.right, width),
        region.right,
    ]
    return [
        Region(region.top, left, region.bottom, right)
        for left, right in itertools.pairwise(edges)
    ]


def cut_to_fit(
    features: Features, refinement: Refinement, region: Region, maps: int
) -> list[Region]:
    """Return strips that can be refined with so many maps at once.

    What 'fast' gives does not depend on them, so that they may be narrower
    than those of ``cut``. Too large ones are left for the refinement to tell.
    """
    width = COLUMNS[refinement]
    strips = cut(region, refinement)
    while refinement == 'fast' and width > _LEAST_COLUMNS:
        widest = max(strips, key=lambda strip: strip.size[1])
        if Strip(features, refinement, widest).plan(maps).fits:
            break
        width //= 2
        strips = cut(region, refinement, width)
    return strips


@dataclass(frozen=True, slots=True)
class Taken:
    """Maps of some rows before they are refined.

    Attributes
    ----------
    maps : (Q, rows, columns) float32 Tensor
        Overwritten when the next step is asked for.
    place : Region
        Where they lie, in pixels of the image; around the strip too.
    """

    maps: torch.Tensor = field(repr=False)
    place: Region


@dataclass(frozen=True, slots=True)
class Given:
    """How far a strip is, and what is refined since.

    Attributes
    ----------
    maps : (Q, rows, columns) float32 Tensor
    place : Region or None
        Where they lie in the strip, in pixels of the image; None where there
        are none.
    done, taken : float
        Share of the strip's refinement that is done, and of its rows that
        were taken in.
    """

    maps: torch.Tensor = field(repr=False)
    place: Region | None
    done: float
    taken: float


class Strip:
    """Some columns of a region that are refined at once.

    Parameters
    ----------
    features : Features
    refinement : {'fast', 'fine'}
    region : Region
        One of those of ``cut``.
    is_cut : bool
        Whether there are others, so that only its own columns are read.

    Attributes
    ----------
    region : Region
    projection : Projection
        Of the windows that the strip depends on.
    """

    def __init__(
        self,
        features: Features,
        refinement: Refinement,
        region: Region,
        *,
        is_cut: bool = False,
    ) -> None:
        self._is_cut = is_cut
        self.region = region
        self._features = features
        self._steps, self._dilations = REFINEMENTS[refinement]
        # Beyond this nothing is known that would be the same in the whole
        # image.
        self._outer = with_halo(
            region, features.size, refinement
        ).intersection(features.plan.covered(features.size, features.part))
        part = None
        if region != features.region:
            part = features.plan.part(features.size, self._outer)
        self.projection = Projection(features, part)

    def plan(self, maps: int) -> Plan:
        """Return how so many maps would be refined at once."""
        return Plan(
            maps,
            self._outer.size,
            self._steps,
            max(self._dilations),
            len(neighbor_offsets(self._dilations)),
        )

    def refine(
        self, queries: torch.Tensor, fill: Fill
    ) -> Iterator[Progress | Taken | Given]:
        """Return what yields progress in windows, and maps by and by.

        Parameters
        ----------
        queries : (Q, D) float32 Tensor
            Unit query embeddings.
        fill : callable
            Takes windows of the features, and makes them be there.

        Raises
        ------
        OutOfMemoryError
            If it takes more memory than is free; at once, before a window is
            looked at.
        """
        features, outer = self._features, self._outer

        def guide(top: int, bottom: int) -> torch.Tensor:
            return features.seen.guide(parts.rows_of(outer, top, bottom))

        refiner = Refiner(
            len(queries),
            Affinities(guide, self._dilations, outer.size),
            self._steps,
        )
        tile_rows = TileRows(features, self.projection, queries)
        return self._run(refiner, tile_rows, fill)

    def _run(
        self, refiner: Refiner, tile_rows: TileRows, fill: Fill
    ) -> Iterator[Progress | Taken | Given]:
        outer, rows = self._outer, self.projection.rows
        if self._is_cut:
            plan, across = self._features.plan, self.projection.part.columns
            self._features.seen.take_only(
                plan.lefts[across.start],
                plan.lefts[across.stop - 1] + plan.window_width,
            )
        top = 0
        for index in rows.touching(outer.top, outer.bottom):
            yield from tile_rows.fetch(index, fill)
            place = parts.in_tile(outer, rows.tile(index))
            maps = tile_rows.maps(place)
            yield Taken(maps, place)
            taken = (place.bottom - outer.top) / outer.size[0]
            for refined in refiner.add(maps):
                bottom = top + refined.rows.shape[1]
                yield self._given(refined, top, bottom, taken)
                top = bottom

    def _given(
        self, refined: Refined, top: int, bottom: int, taken: float
    ) -> Given:
        """Return what of refined rows lies in the strip."""
        if bottom > top:
            place = parts.rows_of(self._outer, top, bottom)
            if place.meets(self.region):
                part = place.intersection(self.region)
                rows, columns = part.within(place)
                return Given(
                    refined.rows[:, rows, columns], part, refined.done, taken
                )
        return Given(refined.rows[:, :0], None, refined.done, taken)
