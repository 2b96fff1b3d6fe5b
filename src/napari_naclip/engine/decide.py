"""From cosines to the winning class of each pixel, one class at a time.

Softmax over all queries, the best query of each class, the best class,
background where that is below the threshold, and only then the probabilities
divided by their sum (the published order). All of it follows from three
numbers a pixel, the winner's cosine and two sums of exponentials relative to
it. They are kept, so that a class can be added to them, and a threshold be
moved, without a look at the others; and because classes are added in their
order always, a class that came later gives the bits of a fresh start.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_naclip.engine.types import ClassList


@dataclass(slots=True)
class Tally:
    """The winner so far of each pixel of an area.

    Attributes
    ----------
    best : (rows, columns) float32 Tensor
        Largest cosine of any query.
    owner : (rows, columns) int16 Tensor
        Place, among the competing rows of the class list, of the class that
        has it; the first of equals.
    queries, classes : (rows, columns) float32 Tensor
        Sums of exp(scale * (cosine - best)) over all queries, and over the
        best query of each class. One Tensor while no class has synonyms.
    """

    #: What a pixel takes, at most.
    BYTES: ClassVar[int] = 14

    best: torch.Tensor = field(repr=False)
    owner: torch.Tensor = field(repr=False)
    queries: torch.Tensor = field(repr=False)
    classes: torch.Tensor = field(repr=False)

    @classmethod
    def empty(cls, rows: int, columns: int, *, has_synonyms: bool) -> Tally:
        """Return the tally of no class at all."""
        queries = torch.zeros(rows, columns)
        return cls(
            torch.full((rows, columns), -torch.inf),
            torch.zeros(rows, columns, dtype=torch.int16),
            queries,
            torch.zeros(rows, columns) if has_synonyms else queries,
        )

    def allow_synonyms(self, *, needed: bool) -> None:
        """Keep the two sums apart from now on, if that is needed."""
        if needed and self.classes is self.queries:
            self.classes = self.queries.clone()

    def part(self, rows: slice, columns: slice) -> Tally:
        """Return a view of a part of the area."""
        queries = self.queries[rows, columns]
        return Tally(
            self.best[rows, columns],
            self.owner[rows, columns],
            queries,
            queries
            if self.classes is self.queries
            else self.classes[rows, columns],
        )

    def assign(self, other: Tally) -> None:
        """Take over another tally of the same shape."""
        self.best.copy_(other.best)
        self.owner.copy_(other.owner)
        self.queries.copy_(other.queries)
        if self.classes is not self.queries:
            self.classes.copy_(other.classes)

    def add(self, maps: torch.Tensor, place: int, scale: float) -> None:
        """Let a class compete.

        Parameters
        ----------
        maps : (Q, rows, columns) float32 Tensor
            Cosines of the class's queries.
        place : int
            Of the class among the competing rows; larger than that of any
            class that was added before.
        scale : float
            Factor on the cosines before the softmax.
        """
        cosine = maps[0] if len(maps) == 1 else maps.amax(dim=0)
        is_best = cosine > self.best
        # What the loser, be it old or new, is worth beside the winner.
        share = (cosine - self.best).abs_().mul_(-scale).exp_()
        top = torch.maximum(self.best, cosine)
        sums = [self.queries]
        if self.classes is not self.queries:
            sums.append(self.classes)
        for total in sums:
            own = torch.where(is_best, 1.0, share)
            if total is self.queries and len(maps) > 1:
                own = _sum((maps - top).mul_(scale).exp_())
            total.mul_(torch.where(is_best, share, 1.0)).add_(own)
        self.best.copy_(top)
        self.owner.masked_fill_(is_best, place)

    def labels(
        self, classes: ClassList, threshold: float
    ) -> npt.NDArray[np.unsignedinteger]:
        """Return the label values, (rows, columns) uint8 or uint16."""
        values = np.array(
            [row.value for row in classes.competitors],
            dtype=classes.label_dtype,
        )
        labels: npt.NDArray[np.unsignedinteger] = values[self.owner.numpy()]
        if threshold > 0:
            labels[(self.queries.reciprocal() < threshold).numpy()] = 0
        return labels

    def confidence(self) -> npt.NDArray[np.float16]:
        """Return the best class's share of all classes, (rows, columns).

        Rounded to float16, which is within 0.0003 of it.
        """
        shares: npt.NDArray[np.float16] = (
            self.classes.reciprocal().half().numpy()
        )
        return shares


def _sum(maps: torch.Tensor) -> torch.Tensor:
    """Return a sum over maps in their order, whatever their size."""
    total = maps[0]
    for each in maps[1:]:
        total += each
    return total


def class_queries(classes: ClassList) -> list[range]:
    """Return which queries belong to each competing row of a class list."""
    starts = np.searchsorted(
        classes.query_owners, np.arange(len(classes.competitors) + 1)
    )
    return [range(*map(int, each)) for each in itertools.pairwise(starts)]


def class_scores(maps: torch.Tensor, spans: list[range]) -> torch.Tensor:
    """Return the cosines of each class's best query, (C, rows, columns)."""
    if len(spans) == len(maps):
        return maps
    return torch.stack(
        [maps[each.start : each.stop].amax(dim=0) for each in spans]
    )


def best_two(scores: torch.Tensor) -> torch.Tensor:
    """Return places of the best class and the next, (1 or 2, rows, columns).

    Of equals the first comes first, as in labels.
    """
    owner = scores.argmax(dim=0, keepdim=True)
    if len(scores) == 1:
        return owner
    others = scores.scatter(0, owner, -torch.inf)
    return torch.cat([owner, others.argmax(dim=0, keepdim=True)])
