"""From unit tokens and query embeddings to labels.

Everything here is linear in the tokens up to the softmax: the cosines, the
upsampling, the mean over windows, the resize to the image and PAMR. It runs
on the CPU, from the top of the image to its bottom: tile by tile, and refined
row by row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_naclip.engine.affinities import Affinities
from napari_naclip.engine.decide import Tally, class_queries
from napari_naclip.engine.refine import refined_rows
from napari_naclip.engine.tiles import Projection, TokenScores
from napari_naclip.engine.types import (
    REFINEMENTS,
    Partial,
    Progress,
    Region,
)
from napari_naclip.engine.windows import with_halo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

    from napari_naclip.engine.features import Features
    from napari_naclip.engine.types import ClassList, Settings

    #: Makes windows be there; yields how far it is.
    Fill = Callable[[range], Iterator[Progress]]

#: Steps in which a refinement's progress is told.
_REFINE_STEPS = 100
#: Bytes of tallies that are kept for the next answer, at most.
TALLY_BYTES = 512 * 2**20


class Labeler:
    """Labels the region of features for one list of classes.

    Parameters
    ----------
    features : Features
    queries : (Q, D) float32 Tensor
        Unit embeddings of the queries of `classes`, in order.
    classes : ClassList
    settings : Settings
    before : Tally, optional
        Of the region, with the first classes of the list and the same
        settings; the others are added to it, and it is used up.
    known : int
        How many classes it holds.
    keeps : bool
        Whether to keep a tally, where there is memory for it.

    Attributes
    ----------
    labels : (rows, columns) uint8 or uint16 array
        Of the region, as far as they are decided.
    confidence : (rows, columns) float16 array
    tally : Tally or None
        How the region's pixels were decided; None where it is not kept.
    """

    def __init__(
        self,
        features: Features,
        queries: torch.Tensor,
        classes: ClassList,
        settings: Settings,
        before: Tally | None = None,
        known: int = 0,
        *,
        keeps: bool = True,
    ) -> None:
        self._features = features
        self._classes = classes
        self._settings = settings
        owners = class_queries(classes)
        self._has_synonyms = any(len(each) > 1 for each in owners)
        self._known = known
        start = owners[known].start
        self._queries = queries[start:]
        self._owners = [
            range(each.start - start, each.stop - start)
            for each in owners[known:]
        ]
        self._projection = Projection(features)
        size = features.region.size
        self.labels = np.empty(size, classes.label_dtype)
        self.confidence = np.empty(size, np.float16)
        self.tally = before
        if before is not None:
            before.allow_synonyms(needed=self._has_synonyms)
        elif keeps and size[0] * size[1] * Tally.BYTES <= TALLY_BYTES:
            self.tally = Tally.empty(*size, has_synonyms=self._has_synonyms)

    def decide(
        self, fill: Fill, first: Region | None = None
    ) -> Iterator[Progress | Partial]:
        """Yield progress and labels of areas; no pixel twice.

        Without refinement the labels are final.

        Parameters
        ----------
        fill : callable
            Takes windows of the features, and makes them be there.
        first : Region, optional
            What the person looks at: decided before the rest.
        """
        scores = TokenScores(self._features, self._queries)
        region = self._features.region
        done: tuple[range, range] = range(0), range(0)
        if first is not None and first.meets(region):
            done = self._touching(first.intersection(region))
            for row in done[0]:
                yield from self._decide_row(scores, row, done[1], fill)
        rows, columns = self._touching(region)
        for row in rows:
            spans = _without(columns, done[1]) if row in done[0] else [columns]
            for span in spans:
                yield from self._decide_row(scores, row, span, fill)

    def _touching(self, area: Region) -> tuple[range, range]:
        """Return the tiles that hold any pixel of an area."""
        return (
            self._projection.rows.touching(area.top, area.bottom),
            self._projection.columns.touching(area.left, area.right),
        )

    def _decide_row(
        self, scores: TokenScores, index: int, span: range, fill: Fill
    ) -> Iterator[Progress | Partial]:
        """Decide some tiles of a row of tiles."""
        rows, columns = self._projection.rows, self._projection.columns
        region = self._features.region
        row = rows.tile(index)
        yield from self._fetch(index, scores, fill)
        inner_rows, outer_rows = row.overlap(region.top, region.bottom)
        for j in span:
            column = columns.tile(j)
            inner, outer = column.overlap(region.left, region.right)
            # Whole tiles: a part of one would be products of other shapes.
            maps = self._projection.tile(scores, row, column)
            self._add(maps, (inner_rows, inner), (outer_rows, outer))
        left = max(columns.tile(span[0]).start, region.left)
        right = min(columns.tile(span[-1]).stop, region.right)
        yield Partial(
            Region(
                region.top + outer_rows.start,
                left,
                region.top + outer_rows.stop,
                right,
            ),
            self.labels[
                outer_rows, left - region.left : right - region.left
            ].copy(),
        )

    def _fetch(
        self, index: int, scores: TokenScores, fill: Fill
    ) -> Iterator[Progress]:
        """Make what a row of tiles needs be there; let go of what is above."""
        part = self._features.part
        windows = self._projection.windows(self._projection.rows.tile(index))
        width = len(part.columns)
        start = (windows.start - part.rows.start) * width
        yield from fill(range(start, start + len(windows) * width))
        scores.release(windows.start)
        self._projection.rows.release(index)
        self._features.tokens.release(range(start))

    def _add(
        self,
        maps: torch.Tensor,
        inner: tuple[slice, slice],
        outer: tuple[slice, slice],
    ) -> None:
        """Let the classes compete in an area.

        Parameters
        ----------
        maps : (Q, rows, columns) float32 Tensor
        inner, outer : (slice, slice)
            The pixels that count, in the maps and in the region.
        """
        tally = Tally.empty(*maps.shape[1:], has_synonyms=self._has_synonyms)
        if self._known and self.tally is not None:
            tally.part(*inner).assign(self.tally.part(*outer))
        for place, each in enumerate(self._owners, start=self._known):
            tally.add(
                maps[each.start : each.stop],
                place,
                self._settings.logit_scale,
            )
        tally = tally.part(*inner)
        self.labels[outer] = tally.labels(
            self._classes, self._settings.threshold
        )
        self.confidence[outer] = tally.confidence()
        if self.tally is not None:
            self.tally.part(*outer).assign(tally)

    def refine(self, fill: Fill) -> Iterator[Progress]:
        """Decide every pixel from refined maps; yield progress."""
        features = self._features
        scores = TokenScores(features, self._queries)
        steps, dilations = REFINEMENTS[self._settings.refine]
        # Beyond this nothing is known that would be the same in the whole
        # image.
        outer = with_halo(
            features.region, features.size, self._settings.refine
        ).intersection(features.plan.covered(features.size, features.part))
        tiles = self._projection.rows.touching(outer.top, outer.bottom)
        for index in tiles:
            yield from self._fetch(index, scores, fill)

        def guide(top: int, bottom: int) -> torch.Tensor:
            return features.seen.guide(_rows_of(outer, top, bottom))

        top = 0
        for refined in refined_rows(
            self._maps_of(outer, scores, fill),
            Affinities(guide, dilations, outer.size),
            steps,
        ):
            bottom = top + refined.rows.shape[1]
            if bottom > top:
                self._add_refined(refined.rows, _rows_of(outer, top, bottom))
            top = bottom
            yield Progress(
                'refine',
                int(refined.done * _REFINE_STEPS),
                _REFINE_STEPS,
            )

    def _maps_of(
        self, area: Region, scores: TokenScores, fill: Fill
    ) -> Iterator[torch.Tensor]:
        """Yield the (Q, rows, columns) maps of an area, top to bottom."""
        rows = self._projection.rows
        for index in rows.touching(area.top, area.bottom):
            row = rows.tile(index)
            # There already, unless the store forgot them meanwhile.
            for _ in self._fetch(index, scores, fill):
                pass
            yield self._projection.maps(
                scores,
                Region(
                    max(row.start, area.top),
                    area.left,
                    min(row.stop, area.bottom),
                    area.right,
                ),
            )

    def _add_refined(self, maps: torch.Tensor, place: Region) -> None:
        """Let the classes compete where refined maps lie in the region."""
        region = self._features.region
        if not place.meets(region):
            return
        part = place.intersection(region)
        inner, outer = (
            (
                slice(part.top - origin.top, part.bottom - origin.top),
                slice(part.left - origin.left, part.right - origin.left),
            )
            for origin in (place, region)
        )
        self._add(maps, inner, outer)

    def decide_again(self, classes: ClassList, settings: Settings) -> None:
        """Label what is tallied with other values or another threshold.

        Parameters
        ----------
        classes : ClassList
            With the same prompts in the same order.
        settings : Settings
        """
        if self.tally is None:
            raise TypeError('nothing was kept to decide again')
        self._classes, self._settings = classes, settings
        self.labels = self.tally.labels(classes, settings.threshold)
        self.confidence = self.tally.confidence()


def _without(columns: range, done: range) -> list[range]:
    """Return what is left of a range without another inside it."""
    parts = [
        range(columns.start, done.start),
        range(done.stop, columns.stop),
    ]
    return [part for part in parts if part]


def _rows_of(area: Region, top: int, bottom: int) -> Region:
    """Return some rows of an area, counted from its first."""
    return Region(area.top + top, area.left, area.top + bottom, area.right)
