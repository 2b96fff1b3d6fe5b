"""From unit tokens and query embeddings to labels.

Everything here is linear in the tokens up to the softmax: the cosines, the
upsampling, the mean over windows, the resize to the image and PAMR. It runs
on the CPU: tile by tile, and refined in bands of rows.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_naclip.engine import refine
from napari_naclip.engine.tiles import Projection, TokenScores
from napari_naclip.engine.types import (
    REFINEMENTS,
    Partial,
    Progress,
    Region,
)
from napari_naclip.engine.windows import with_halo

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import numpy.typing as npt

    from napari_naclip.engine.types import ClassList, Settings
    from napari_naclip.engine.windows import WindowPart, WindowPlan

#: Bytes that the maps of one refined band may take.
BAND_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Features:
    """What the image tower saw: all that classes are later compared with.

    Attributes
    ----------
    tokens : (N, rows, columns, D) float32 Tensor
        Unit tokens of each window of ``part``, row by row.
    plan : WindowPlan
        Where the windows of the whole image lie in the resized picture.
    size : (int, int)
        Rows and columns of the whole image itself.
    guide : (3, plan.height, plan.width) float32 Tensor
        The normalized, resized picture, which PAMR follows.
    part : WindowPart
        The windows that were run.
    region : Region
        The pixels of the image that labels are wanted for.
    """

    tokens: torch.Tensor = field(repr=False)
    plan: WindowPlan
    size: tuple[int, int]
    guide: torch.Tensor = field(repr=False)
    part: WindowPart
    region: Region


@dataclass(frozen=True, slots=True)
class Decision:
    """Labels, confidence and probabilities of a band of rows.

    Attributes
    ----------
    labels : (rows, W) uint8 or uint16 array
    confidence : (rows, W) float32 array
        Probability of the best class.
    probabilities : (K, rows, W) float32 Tensor
        Of the competing rows of the class list, in order; they sum to 1.
    """

    labels: npt.NDArray[np.unsignedinteger]
    confidence: npt.NDArray[np.float32]
    probabilities: torch.Tensor


def token_scores(features: Features, queries: torch.Tensor) -> TokenScores:
    """Return the cosines of all tokens with all (Q, D) queries."""
    scores = TokenScores(features, queries)
    scores.add(len(features.tokens))
    return scores


def decide(
    cosines: torch.Tensor,
    classes: ClassList,
    *,
    logit_scale: float,
    threshold: float,
) -> Decision:
    """Return the labels of maps of cosines.

    Softmax over all queries, the best query of each class, the best class,
    background where that is below the threshold, and only then the
    probabilities divided by their sum (the published order).

    Parameters
    ----------
    cosines : (Q, rows, W) float32 Tensor
        Of all queries of the class list, in order. Overwritten.
    """
    probabilities = cosines.mul_(logit_scale).softmax(dim=0)
    competitors = classes.competitors
    if len(competitors) < len(probabilities):
        owners = classes.query_owners
        starts = np.searchsorted(owners, np.arange(len(competitors) + 1))
        probabilities = torch.stack(
            [
                probabilities[start:stop].amax(dim=0)
                for start, stop in itertools.pairwise(starts)
            ]
        )
    best, index = probabilities.max(dim=0)
    values = np.array(
        [row.value for row in competitors], dtype=classes.label_dtype
    )
    labels = values[index.numpy()]
    if threshold > 0:
        labels[(best < threshold).numpy()] = 0
    total = probabilities.sum(dim=0)
    return Decision(
        labels=labels,
        confidence=(best / total).numpy(),
        probabilities=probabilities / total,
    )


def band_height(
    width: int, queries: int, steps: int, dilations: tuple[int, ...]
) -> int:
    """Return how many rows to refine at once within ``BAND_BYTES``."""
    # Maps and their successor, softmax; and PAMR's weights and columns.
    per_pixel = 4 * (3 * queries + 2 * 8 * len(dilations))
    rows = BAND_BYTES // (per_pixel * width)
    rows -= 2 * refine.halo(steps, dilations)
    return max(32, rows)


def refined_maps(
    projection: Projection,
    scores: TokenScores,
    area: Region,
    outer: Region,
    *,
    steps: int,
    dilations: tuple[int, ...],
) -> Generator[int, None, torch.Tensor]:
    """Yield each finished step of PAMR; return the area's (Q, H, W) maps.

    Parameters
    ----------
    area, outer : Region
        What is wanted, and what is refined for it: all that can reach it if
        it shall equal the same part of the whole image.
    """
    matrix = refine.affinity_matrix(projection.guide(outer), dilations)
    maps = projection.maps(scores, outer)
    shape = maps.shape
    columns = maps.flatten(1).T.contiguous()
    del maps
    for step, refined in enumerate(
        refine.refine_maps(columns, matrix, steps), start=1
    ):
        columns = refined
        yield step
    inner = columns.T.reshape(shape)[
        :,
        area.top - outer.top : area.bottom - outer.top,
        area.left - outer.left : area.right - outer.left,
    ]
    return inner.contiguous()


class Labeler:
    """Labels the region of features, as far as their windows are there.

    Parameters
    ----------
    features : Features
    queries : (Q, D) float32 Tensor
        Unit embeddings of the queries of `classes`, in order.
    classes : ClassList
    settings : Settings

    Attributes
    ----------
    labels : (rows, columns) uint8 or uint16 array
        Of the region, as far as they are decided.
    confidence : (rows, columns) float32 array
    """

    def __init__(
        self,
        features: Features,
        queries: torch.Tensor,
        classes: ClassList,
        settings: Settings,
    ) -> None:
        self._features = features
        self._classes = classes
        self._settings = settings
        self._scores = TokenScores(features, queries)
        self._projection = Projection(features)
        region = features.region
        self._tile_rows = self._projection.rows.touching(
            region.top, region.bottom
        )
        self._decided = 0
        self.labels = np.empty(region.size, classes.label_dtype)
        self.confidence = np.empty(region.size, np.float32)

    def decide(self, windows: int) -> Iterator[Partial]:
        """Yield the labels of all rows that became ready; no pixel twice.

        Without refinement they are final.

        Parameters
        ----------
        windows : int
            How many windows of the features are there.
        """
        self._scores.add(windows)
        part = self._features.part
        stop = part.rows.start + windows // len(part.columns)
        while self._decided < len(self._tile_rows):
            row = self._tile_rows[self._decided]
            tile = self._projection.rows.tile(row)
            if min(tile.windows.stop, part.rows.stop) > stop:
                return
            self._decided += 1
            yield self._decide_row(row)

    def _decide_row(self, index: int) -> Partial:
        """Decide a row of tiles."""
        rows, columns = self._projection.rows, self._projection.columns
        region = self._features.region
        row = rows.tile(index)
        inner_rows, outer_rows = row.overlap(region.top, region.bottom)
        for j in columns.touching(region.left, region.right):
            column = columns.tile(j)
            inner, outer = column.overlap(region.left, region.right)
            # Whole tiles: a part of one would be products of other shapes.
            decision = self._decide_maps(
                self._projection.tile(self._scores, row, column)
            )
            source, target = (inner_rows, inner), (outer_rows, outer)
            self.labels[target] = decision.labels[source]
            self.confidence[target] = decision.confidence[source]
        return Partial(
            Region(
                region.top + outer_rows.start,
                region.left,
                region.top + outer_rows.stop,
                region.right,
            ),
            self.labels[outer_rows].copy(),
        )

    def _decide_maps(self, maps: torch.Tensor) -> Decision:
        return decide(
            maps,
            self._classes,
            logit_scale=self._settings.logit_scale,
            threshold=self._settings.threshold,
        )

    def refine(self) -> Iterator[Progress]:
        """Decide every pixel anew from refined maps; yield each step."""
        features = self._features
        self._scores.add(len(features.tokens))
        refinement = self._settings.refine
        steps, dilations = REFINEMENTS[refinement]
        region = features.region
        known = features.plan.covered(features.size, features.part)
        reach = with_halo(region, features.size, refinement)
        height = band_height(
            reach.size[1], self._scores.queries, steps, dilations
        )
        tops = range(region.top, region.bottom, height)
        for index, top in enumerate(tops):
            bottom = min(top + height, region.bottom)
            area = Region(top, region.left, bottom, region.right)
            outer = with_halo(area, features.size, refinement)
            running = refined_maps(
                self._projection,
                self._scores,
                area,
                outer.intersection(known),
                steps=steps,
                dilations=dilations,
            )
            maps = yield from _reported(
                running, index * steps, len(tops) * steps
            )
            decision = self._decide_maps(maps)
            band = slice(top - region.top, bottom - region.top)
            self.labels[band] = decision.labels
            self.confidence[band] = decision.confidence


def _reported(
    steps: Generator[int, None, torch.Tensor], before: int, total: int
) -> Generator[Progress, None, torch.Tensor]:
    try:
        while True:
            yield Progress('refine', before + next(steps), total)
    except StopIteration as stop:
        maps: torch.Tensor = stop.value
        return maps
