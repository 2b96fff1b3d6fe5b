"""From unit tokens and query embeddings to labels.

Everything here is linear in the tokens up to the softmax: the cosines, the
upsampling, the mean over windows, the resize to the image and PAMR. It runs
on the CPU, from the top of the image to its bottom: tile by tile, and refined
row by row. Rows are refined as soon as their windows were looked at, so that
nothing has to stay until the end, or to be made twice where nothing stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_naclip.engine import outputs, parts
from napari_naclip.engine.affinities import Affinities
from napari_naclip.engine.decide import Tally, class_queries
from napari_naclip.engine.fetch import WindowRows
from napari_naclip.engine.refine import Refiner
from napari_naclip.engine.tiles import TILE, Projection, TokenScores
from napari_naclip.engine.types import (
    REFINEMENTS,
    Partial,
    Progress,
    Region,
)
from napari_naclip.engine.windows import with_halo

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    import torch

    from napari_naclip.engine.features import Features
    from napari_naclip.engine.fetch import Fill
    from napari_naclip.engine.types import ClassList, Settings

#: Steps in which a refinement's progress is told.
_REFINE_STEPS = 100
#: Steps of one dilation that take about as long as maps and their preview.
_MAPS_STEPS = 5
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

    Attributes
    ----------
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
        self._windows = WindowRows(features, self._projection)
        size = features.region.size
        self._labels = outputs.buffered(
            outputs.zeros(size, classes.label_dtype)
        )
        self._confidence = outputs.buffered(outputs.zeros(size, np.float16))
        self.tally = before
        if before is not None:
            before.allow_synonyms(needed=self._has_synonyms)
        elif size[0] * size[1] * Tally.BYTES <= TALLY_BYTES:
            self.tally = Tally.empty(*size, has_synonyms=self._has_synonyms)

    def finish(
        self,
    ) -> tuple[npt.NDArray[np.unsignedinteger], npt.NDArray[np.float16]]:
        """Return labels and confidence of the region, (rows, columns) each.

        Once they are decided; see ``outputs.zeros`` for where they are.
        """
        return (
            outputs.finished(self._labels),
            outputs.finished(self._confidence),
        )

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
            holds = self._windows.may_hold(done[0])
            for row in done[0]:
                yield from self._windows.fetch(row, scores, fill, holds=holds)
                yield self._decide_row(scores, row, done[1])
        rows, columns = self._touching(region)
        for row in rows:
            yield from self._windows.fetch(row, scores, fill)
            spans = (
                parts.without(columns, done[1])
                if row in done[0]
                else [columns]
            )
            for span in spans:
                yield self._decide_row(scores, row, span)

    def _touching(self, area: Region) -> tuple[range, range]:
        """Return the tiles that hold any pixel of an area."""
        return (
            self._projection.rows.touching(area.top, area.bottom),
            self._projection.columns.touching(area.left, area.right),
        )

    def _decide_row(
        self, scores: TokenScores, index: int, span: range
    ) -> Partial:
        """Decide some tiles of a row of tiles whose windows are there."""
        rows, columns = self._projection.rows, self._projection.columns
        region = self._features.region
        row = rows.tile(index)
        inner_rows, outer_rows = row.overlap(region.top, region.bottom)
        for j in span:
            column = columns.tile(j)
            inner, outer = column.overlap(region.left, region.right)
            # Whole tiles: a part of one would be products of other shapes.
            maps = self._projection.tile(scores, row, column)
            self._add(maps, (inner_rows, inner), (outer_rows, outer))
        left = max(columns.tile(span[0]).start, region.left)
        right = min(columns.tile(span[-1]).stop, region.right)
        return Partial(
            Region(
                region.top + outer_rows.start,
                left,
                region.top + outer_rows.stop,
                right,
            ),
            self._labels[
                outer_rows, left - region.left : right - region.left
            ].copy(),
        )

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
        self._count(maps, tally)
        tally = tally.part(*inner)
        self._labels[outer] = tally.labels(
            self._classes, self._settings.threshold
        )
        self._confidence[outer] = tally.confidence()
        if self.tally is not None:
            self.tally.part(*outer).assign(tally)

    def _count(self, maps: torch.Tensor, tally: Tally) -> None:
        """Add the classes that are not in it yet to a tally."""
        for place, each in enumerate(self._owners, start=self._known):
            tally.add(
                maps[each.start : each.stop],
                place,
                self._settings.logit_scale,
            )

    def refine(
        self,
        fill: Fill,
        first: Region | None = None,
        *,
        previews: bool = False,
    ) -> Iterator[Progress | Partial]:
        """Decide every pixel from refined maps; yield progress and previews.

        Parameters
        ----------
        fill : callable
            Takes windows of the features, and makes them be there.
        first : Region, optional
            What the person looks at: previewed before the rest.
        previews : bool
            Whether labels without refinement come before the refined ones;
            only where all classes are new.
        """
        features, rows = self._features, self._projection.rows
        scores = TokenScores(features, self._queries)
        # Beyond this nothing is known that would be the same in the whole
        # image.
        outer = with_halo(
            features.region, features.size, self._settings.refine
        ).intersection(features.plan.covered(features.size, features.part))

        def guide(top: int, bottom: int) -> torch.Tensor:
            return features.seen.guide(parts.rows_of(outer, top, bottom))

        steps, dilations = REFINEMENTS[self._settings.refine]
        # Before a window is looked at: there may be too little memory.
        refiner = Refiner(
            scores.queries, Affinities(guide, dilations, outer.size), steps
        )
        shown = None
        if previews and first is not None and first.meets(features.region):
            shown = first.intersection(features.region)
            indices = rows.touching(shown.top, shown.bottom)
            holds = self._windows.may_hold(indices)
            # Whole rows of tiles: the others then do not meet it.
            shown = Region(
                max(rows.tile(indices[0]).start, features.region.top),
                shown.left,
                min(rows.tile(indices[-1]).stop, features.region.bottom),
                shown.right,
            )
            for index in indices:
                yield from self._windows.fetch(
                    index, scores, fill, holds=holds
                )
                part = parts.in_tile(shown, rows.tile(index))
                maps = self._projection.maps(scores, part)
                yield self._preview(maps, part, part)
        top = 0
        for index in rows.touching(outer.top, outer.bottom):
            yield from self._windows.fetch(index, scores, fill)
            place = parts.in_tile(outer, rows.tile(index))
            maps = self._projection.maps(scores, place)
            if previews and place.meets(features.region):
                part = place.intersection(features.region)
                for area in parts.beside(part, shown):
                    yield self._preview(maps, place, area)
            for refined in refiner.add(maps):
                bottom = top + refined.rows.shape[1]
                if bottom > top:
                    self._add_refined(
                        refined.rows, parts.rows_of(outer, top, bottom)
                    )
                top = bottom
                taken = (place.bottom - outer.top) / outer.size[0]
                yield self._refine_progress(refined.done, taken)

    def _refine_progress(self, refined: float, taken: float) -> Progress:
        """Return how far it is: a refinement goes on behind the windows.

        Parameters
        ----------
        refined, taken : float
            Share of the steps' work that is done, and of the rows whose maps
            and previews are.
        """
        steps, dilations = REFINEMENTS[self._settings.refine]
        maps = _MAPS_STEPS / (steps * len(dilations))
        done = (refined + maps * taken) / (1 + maps)
        tokens = self._features.tokens
        if tokens.done < len(tokens):
            return Progress(
                'windows', tokens.done, len(tokens), tokens.found, done
            )
        return Progress(
            'refine',
            int(done * _REFINE_STEPS),
            _REFINE_STEPS,
            refined=done,
        )

    def _preview(
        self, maps: torch.Tensor, place: Region, area: Region
    ) -> Partial:
        """Return what an area would be without refinement.

        Parameters
        ----------
        maps : (Q, rows, columns) float32 Tensor
        place, area : Region
            Where the maps lie, and the area among them.
        """
        labels = np.empty(area.size, self._classes.label_dtype)
        # As much at once as stays in the cache.
        for left in range(area.left, area.right, TILE):
            right = min(left + TILE, area.right)
            part = maps[
                :,
                area.top - place.top : area.bottom - place.top,
                left - place.left : right - place.left,
            ]
            tally = Tally.empty(
                *part.shape[1:], has_synonyms=self._has_synonyms
            )
            self._count(part, tally)
            labels[:, left - area.left : right - area.left] = tally.labels(
                self._classes, self._settings.threshold
            )
        return Partial(area, labels)

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
        self._labels = self.tally.labels(classes, settings.threshold)
        self._confidence = self.tally.confidence()
