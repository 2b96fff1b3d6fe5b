"""PAMR: maps that follow the edges of the picture.

Araslanov and Roth, "Single-Stage Semantic Segmentation from Image Labels",
CVPR 2020, section 3.3; the affinities and settings are those of NACLIP's
published code. Each step replaces every map by a weighted mean of its own
shifted copies, whose weights depend on the picture alone.

A row after a step needs the rows around it after the step before: the steps
follow one another down the picture, each a few rows behind. So a picture of
any height takes the memory of a few rows for each step, no row is computed
twice, and the weights of a block of rows serve all steps while they are in
the cache. A small picture is refined step after step, which takes less.
These rows grow with the width, the steps and the number of maps: see
``refined`` for what bounds these.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from napari_naclip.engine.refine_plan import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_naclip.engine.affinities import Affinities
    from napari_naclip.engine.shifts import Rows


@dataclass(frozen=True, slots=True)
class Refined:
    """The next rows of refined maps.

    Attributes
    ----------
    rows : (Q, rows, W) float32 Tensor
        Perhaps none: the caller may report and cancel between two blocks.
    done : float
        Share of the work that is done.
    """

    rows: torch.Tensor
    done: float


class Refiner:
    """Takes maps from top to bottom, and gives them back refined.

    A map's values depend neither on the other maps nor on how the rows come
    in pieces, nor on the number of threads, to the last bit.

    Parameters
    ----------
    maps : int
        Q.
    affinities : Affinities
        Of the picture.
    steps : int
        How often the maps are averaged; at least 1.

    Raises
    ------
    OutOfMemoryError
        If it takes more memory than is free; before any of it is taken.
    """

    def __init__(self, maps: int, affinities: Affinities, steps: int) -> None:
        self._affinities = affinities
        self._plan = Plan(
            maps,
            affinities.size,
            steps,
            affinities.reach,
            len(affinities.offsets),
        )
        self._plan.check_memory()
        self._stream: _Stream | None = None
        if self._plan.whole_bytes > self._plan.stream_bytes:
            self._stream = _Stream(affinities, self._plan)
        self._maps: torch.Tensor | None = None
        self._taken = 0

    def add(self, piece: torch.Tensor) -> Iterator[Refined]:
        """Take the next rows; yield what can be refined now, top to bottom.

        After the last rows it goes on to the end. Take all that it yields
        before more is added.

        Parameters
        ----------
        piece : (Q, rows, W) float32 Tensor
            Of any height. Overwritten.
        """
        if self._stream is not None:
            yield from self._stream.add(piece)
            return
        count, (height, width) = piece.shape[1], self._plan.size
        if self._maps is None:
            self._maps = (
                piece
                if count == height
                else torch.empty(len(piece), height, width)
            )
        if self._maps is not piece:
            self._maps[:, self._taken : self._taken + count] = piece
        self._taken += count
        if self._taken == height:
            maps, self._maps = self._maps, None
            yield from _refine_whole(maps, self._affinities, self._plan)


def refine_in_place(
    maps: torch.Tensor, affinities: Affinities, steps: int
) -> Iterator[float]:
    """Refine (Q, H, W) maps where they are; yield the share that is done."""
    top = 0
    for refined in Refiner(len(maps), affinities, steps).add(maps):
        bottom = top + refined.rows.shape[1]
        if refined.rows.data_ptr() != maps.data_ptr():
            # Rows come out after they were taken in.
            maps[:, top:bottom] = refined.rows
        top = bottom
        yield refined.done


class _WeightMaker:
    """Makes the weights of blocks of rows as steps want them.

    Parameters
    ----------
    affinities : Affinities
    plan : Plan
    """

    def __init__(self, affinities: Affinities, plan: Plan) -> None:
        self._affinities = affinities
        self._layout = plan.layout
        self._spare: torch.Tensor | None = None
        if plan.layout.copies_weights:
            # One for all: between the copies each would leave a hole that
            # the next does not fit into, as much memory again.
            self._spare = torch.empty(plan.neighbors, plan.block, plan.size[1])

    def make(self, top: int, count: int) -> Any:
        """Return the weights of so many rows."""
        spare = None if self._spare is None else self._spare[:, :count]
        made = self._affinities.rows(top, top + count, spare)
        return self._layout.prepare(made)


class _Stage:
    """The rows before a step, as far as it still needs them.

    Parameters
    ----------
    rows : Rows
        Of a plan's ``stage_rows``.
    plan : Plan

    Attributes
    ----------
    next : int
        The first row that the step has not done.
    """

    def __init__(self, rows: Rows, plan: Plan) -> None:
        self.rows = rows
        self.next = 0
        self._height = plan.size[0]
        self._block = plan.block
        self._reach = plan.reach
        self._room = plan.stage_rows
        self._first = -plan.reach
        self._stop = 0

    @property
    def next_count(self) -> int:
        """How many rows the next block has."""
        return min(self._block, self._height - self.next)

    @property
    def is_ready(self) -> bool:
        """Whether there is a next block, and all its neighbors are here."""
        bottom = self.next + self.next_count + self._reach
        return self.next_count > 0 and self._stop >= min(bottom, self._height)

    def find(self, row: int) -> int:
        """Return where a row lies."""
        return row - self._first

    def make_room(self, count: int) -> int:
        """Return where so many rows may be put next."""
        reach = self._reach
        if self.find(self._stop) + count + reach > self._room:
            first = self.next - reach
            self.rows.move(self.find(first), 0, self._stop - first)
            self._first = first
        return self.find(self._stop)

    def add(self, count: int) -> None:
        """Count the rows that were put; repeat the picture's edges."""
        reach = self._reach
        if self._stop == 0:
            self.rows.repeat(self.find(0), 0, reach)
        self._stop += count
        if self._stop == self._height:
            at = self.find(self._stop)
            self.rows.repeat(at - 1, at, at + reach)


class _Stream:
    """Refines row after row.

    Parameters
    ----------
    affinities : Affinities
    plan : Plan
    """

    def __init__(self, affinities: Affinities, plan: Plan) -> None:
        self._offsets = affinities.offsets
        self._plan = plan
        self._maker = _WeightMaker(affinities, plan)
        self._stages = [
            _Stage(self._make_rows(plan.stage_rows), plan)
            for _ in range(plan.steps)
        ]
        self._result = self._make_rows(plan.block)
        self._weights: dict[int, Any] = {}
        self._taken = self._given = 0

    def _make_rows(self, count: int) -> Rows:
        plan = self._plan
        shape = plan.maps, count, plan.size[1]
        return plan.layout(shape, self._offsets)

    def add(self, piece: torch.Tensor) -> Iterator[Refined]:
        """Take rows in; yield after each block, and after the last go on."""
        first = self._stages[0]
        for values in piece.split(self._plan.block, dim=1):
            count = values.shape[1]
            first.rows.put(first.make_room(count), values)
            first.add(count)
            self._taken += count
            yield self._advance()
        height = self._plan.size[0]
        while self._taken == height and self._given < height:
            yield self._advance()

    def _advance(self) -> Refined:
        """Let every step do its next block."""
        first = self._stages[0]
        if first.is_ready:
            top = first.next
            self._weights[top] = self._maker.make(top, first.next_count)
        for stage, follower in itertools.pairwise([*self._stages, None]):
            if stage is not None and stage.is_ready:
                self._step(stage, follower)
        given, self._given = self._given, self._stages[-1].next
        rows = torch.empty(
            self._plan.maps, self._given - given, self._plan.size[1]
        )
        return Refined(self._result.get(0, rows), self._done)

    def _step(self, stage: _Stage, follower: _Stage | None) -> None:
        """Average the next block of a step."""
        top, count = stage.next, stage.next_count
        target, to = self._result, 0
        if follower is not None:
            target, to = follower.rows, follower.make_room(count)
        weights = self._weights[top]
        stage.rows.step(stage.find(top), count, weights, target, to)
        stage.next += count
        if follower is None:
            del self._weights[top]
        else:
            follower.add(count)

    @property
    def _done(self) -> float:
        plan = self._plan
        height = plan.size[0]
        rows = sum(stage.next for stage in self._stages)
        return (plan.weights_steps * self._stages[0].next + rows) / (
            plan.weights_steps * height + plan.steps * height
        )


def _refine_whole(
    maps: torch.Tensor, affinities: Affinities, plan: Plan
) -> Iterator[Refined]:
    """Refine step after step, a group of maps at a time."""
    nothing = maps[:, :0]
    reach, (height, width) = plan.reach, plan.size
    shape = plan.group, height + 2 * reach, width
    rows, spare = (plan.layout(shape, affinities.offsets) for _ in range(2))
    block = plan.block
    maker = _WeightMaker(affinities, plan)
    blocks = [
        (top, min(block, height - top)) for top in range(0, height, block)
    ]
    starts = range(0, plan.maps, plan.group)
    total = plan.weights_steps + len(starts) * plan.steps
    done = 0.0
    weights = []
    for top, count in blocks:
        weights.append(maker.make(top, count))
        done += plan.weights_steps / len(blocks)
        yield Refined(nothing, done / total)
    for start in starts:
        # The last group may be smaller: what else is in the rows is refined
        # again, and forgotten.
        group = maps[start : start + plan.group]
        rows.put(reach, group)
        for _ in range(plan.steps):
            rows.repeat(reach, 0, reach)
            bottom = reach + height
            rows.repeat(bottom - 1, bottom, bottom + reach)
            for (top, count), each in zip(blocks, weights, strict=True):
                at = reach + top
                rows.step(at, count, each, spare, at)
            rows, spare = spare, rows
            done += 1
            yield Refined(nothing, done / total)
        rows.get(reach, group)
    yield Refined(maps, 1.0)
