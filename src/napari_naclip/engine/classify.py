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
from napari_naclip.engine.fetch import TileRows
from napari_naclip.engine.refined import Given, Strip, cut
from napari_naclip.engine.tiles import Projection, TokenScores
from napari_naclip.engine.types import (
    REFINEMENTS,
    Partial,
    Progress,
    Region,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

    from napari_naclip.engine.decide import Tally
    from napari_naclip.engine.decision import MapsOf
    from napari_naclip.engine.features import Features
    from napari_naclip.engine.fetch import Fill
    from napari_naclip.engine.refined import Taken
    from napari_naclip.engine.types import ClassList, Settings

    #: Labels an area of a row of tiles; for good, or for now.
    Label = Callable[[MapsOf, Region], Partial]

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
        region = self._features.region
        if first is not None and first.meets(region):
            first = first.intersection(region)
            yield from self._label_first(first, fill, self.decision.decide)
        else:
            first = None
        projection = Projection(self._features)
        rows = TileRows(self._features, projection, self._new_queries)
        for index in projection.touching(region)[0]:
            part = parts.in_tile(region, projection.rows.tile(index))
            rest = parts.beside(part, first)
            if rest:
                yield from rows.fetch(index, fill)
            for area in rest:
                yield self.decision.decide(rows.maps, area)

    def _label_first(
        self, area: Region, fill: Fill, label: Label
    ) -> Iterator[Progress | Partial]:
        """Label an area from its windows alone, before all others.

        Parameters
        ----------
        area : Region
            In the features' region.
        fill, label : callable
        """
        features = self._features
        projection = Projection(
            features, features.plan.part(features.size, area)
        )
        rows = TileRows(features, projection, self._new_queries)
        indices = projection.touching(area)[0]
        holds = rows.may_hold(indices)
        for index in indices:
            yield from rows.fetch(index, fill, holds=holds)
            part = parts.in_tile(area, projection.rows.tile(index))
            yield label(rows.maps, part)

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
                        yield from self._label_first(
                            first, fill, self.decision.preview
                        )
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
