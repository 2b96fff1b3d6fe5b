"""From unit tokens and query embeddings to labels.

Everything here is linear in the tokens up to the softmax: the cosines, the
upsampling, the mean over windows, the resize to the image and PAMR. It runs
on the CPU, from the top of the image to its bottom: tile by tile, and refined
row by row. Rows are refined as soon as their windows were looked at, so that
nothing has to stay until the end, or to be made twice where nothing stays;
but for what is around the strips of a wide image, see ``refined``, and where
memory is too small for all classes at once.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from napari_naclip.engine import parts
from napari_naclip.engine.decision import Decision
from napari_naclip.engine.fetch import WindowRows
from napari_naclip.engine.refined import Given, Strip, cut
from napari_naclip.engine.tiles import Projection, TokenScores
from napari_naclip.engine.types import (
    REFINEMENTS,
    Partial,
    Progress,
    Region,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import torch

    from napari_naclip.engine.decide import Tally
    from napari_naclip.engine.features import Features
    from napari_naclip.engine.fetch import Fill
    from napari_naclip.engine.refined import Taken
    from napari_naclip.engine.types import ClassList, Settings

#: Steps in which a refinement's progress is told.
_REFINE_STEPS = 100
#: Steps of one dilation that take about as long as maps and their preview.
_MAPS_STEPS = 5


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
    decision : Decision
        The labels, and how the region's pixels were decided.
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
        self._settings = settings
        self._queries = queries
        self.decision = Decision(
            features.region, classes, settings, before, known
        )

    @property
    def _new_queries(self) -> torch.Tensor:
        """Those of the classes that are not known."""
        new = self.decision.new
        return self._queries[new.start : new.stop]

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
        scores = TokenScores(self._features, self._new_queries)
        projection = Projection(self._features)
        windows = WindowRows(self._features, projection)
        region = self._features.region
        done: tuple[range, range] = range(0), range(0)
        if first is not None and first.meets(region):
            done = projection.touching(first.intersection(region))
            holds = windows.may_hold(done[0])
            for row in done[0]:
                yield from windows.fetch(row, scores, fill, holds=holds)
                yield self._decide_row(projection, scores, row, done[1])
        rows, columns = projection.touching(region)
        for row in rows:
            yield from windows.fetch(row, scores, fill)
            spans = (
                parts.without(columns, done[1])
                if row in done[0]
                else [columns]
            )
            for span in spans:
                yield self._decide_row(projection, scores, row, span)

    def _decide_row(
        self,
        projection: Projection,
        scores: TokenScores,
        index: int,
        span: range,
    ) -> Partial:
        """Decide some tiles of a row of tiles whose windows are there."""
        row = projection.rows.tile(index)
        places = []
        for j in span:
            column = projection.columns.tile(j)
            # Whole tiles: a part of one would be products of other shapes.
            maps = projection.tile(scores, row, column)
            places.append(
                Region(row.start, column.start, row.stop, column.stop)
            )
            self.decision.add(maps, places[-1])
        area = Region(
            row.start, places[0].left, row.stop, places[-1].right
        ).intersection(self._features.region)
        return Partial(area, self.decision.labels_of(area))

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
        features = self._features
        if first is not None and first.meets(features.region):
            first = first.intersection(features.region)
        else:
            first = None
        strips = cut(features.region, self._settings.refine)
        for index, area in enumerate(strips):
            strip = Strip(
                features,
                self._settings.refine,
                area,
                is_cut=len(strips) > 1,
            )
            most = strip.plan(len(self.decision.new)).most_maps()
            groups = self.decision.groups(most)
            # Before a window is looked at: there may be too little memory.
            largest = max(map(len, map(self.decision.queries_of, groups)))
            strip.plan(largest).check_memory()
            if len(groups) > 1:
                self.decision.expect_groups(area)
            for turn, group in enumerate(groups):
                steps = strip.refine(self._queries_of(group), fill)
                previewer = None
                if previews and turn == 0:
                    if first is not None and index == 0:
                        part = None if len(strips) == 1 else first
                        first = yield from self._show(first, fill, part)
                    previewer = self._previewer(strip, first, len(groups) > 1)
                for step in steps:
                    if isinstance(step, Progress):
                        yield step
                    elif isinstance(step, Given):
                        if step.place is not None:
                            self.decision.add(step.maps, step.place, group)
                        done, taken = (
                            (index + (turn + each) / len(groups)) / len(strips)
                            for each in (step.done, step.taken)
                        )
                        yield self._refine_progress(done, taken)
                    elif previewer is not None:
                        yield from previewer(step)

    def _queries_of(self, group: range) -> torch.Tensor:
        queries = self.decision.queries_of(group)
        return self._queries[queries.start : queries.stop]

    def _show(
        self, area: Region, fill: Fill, near: Region | None
    ) -> Generator[Progress | Partial, None, Region]:
        """Yield previews of an area; return what they are of.

        Parameters
        ----------
        area : Region
            In the features' region.
        fill : callable
        near : Region or None
            Only windows are looked at that it depends on; None: all in the
            rows.
        """
        features = self._features
        window_part = (
            None if near is None else features.plan.part(features.size, near)
        )
        projection = Projection(features, window_part)
        windows = WindowRows(features, projection)
        scores = TokenScores(features, self._new_queries, window_part)
        rows, _ = projection.touching(area)
        holds = windows.may_hold(rows)
        # Whole rows of tiles: the others then do not meet it.
        shown = Region(
            projection.rows.tile(rows[0]).start,
            area.left,
            projection.rows.tile(rows[-1]).stop,
            area.right,
        ).intersection(features.region)
        for index in rows:
            yield from windows.fetch(index, scores, fill, holds=holds)
            part = parts.in_tile(shown, projection.rows.tile(index))
            yield self.decision.preview(
                functools.partial(projection.maps, scores), part
            )
        return shown

    def _previewer(
        self, strip: Strip, shown: Region | None, is_grouped: bool
    ) -> Callable[[Taken], Iterator[Partial]]:
        """Return what yields previews of rows of a strip that were taken.

        Parameters
        ----------
        shown : Region or None
            What was previewed already.
        is_grouped : bool
            Whether the maps are not those of all queries.
        """
        projection = strip.projection
        scores = TokenScores(
            self._features, self._new_queries, projection.part
        )

        def maps_of(step: Taken, area: Region) -> torch.Tensor:
            if is_grouped:
                return projection.maps(scores, area)
            rows, columns = area.within(step.place)
            return step.maps[:, rows, columns]

        def previews(step: Taken) -> Iterator[Partial]:
            if step.place.meets(strip.region):
                part = step.place.intersection(strip.region)
                for area in parts.beside(part, shown):
                    yield self.decision.preview(
                        functools.partial(maps_of, step), area
                    )
            row = projection.touching(step.place)[0][0]
            scores.release(projection.windows(projection.rows.tile(row)).start)

        return previews

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
