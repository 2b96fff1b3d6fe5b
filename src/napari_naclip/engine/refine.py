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
"""

from __future__ import annotations

import functools
import itertools
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import pad

from napari_naclip.engine.affinities import Affinities, neighbor_offsets
from napari_naclip.engine.shifts import MANY, Pixels, Planes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_naclip.engine.shifts import Rows

#: Pixels in a block of rows of few maps and of many: of fewer the calls take
#: longer than the work, more leave the cache.
_FEW_BLOCK = 96 * 1024
_MANY_BLOCK = 32 * 1024
#: Most maps that a small picture's are refined in at once.
_GROUP = 64
#: Fewest rows in a block: a step is behind the one before by whole blocks.
_LEAST_ROWS = 8
#: Keeps the affinity of a constant neighborhood finite, as published.
_EPSILON = 1e-8
#: Share of the neighborhood's standard deviation that differences are
#: measured in, as published.
_STD_SHARE = 0.1
#: Rows whose affinities are computed at once: they stay in the cache.
_AFFINITY_ROWS = 32


def halo(steps: int, dilations: tuple[int, ...]) -> int:
    """Return how many rows away a pixel can still change a refined one."""
    return steps * max(dilations, default=0)


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


def refined_rows(
    pieces: Iterable[torch.Tensor],
    guide: torch.Tensor,
    *,
    steps: int,
    dilations: tuple[int, ...],
) -> Iterator[Refined]:
    """Yield the rows of refined maps from top to bottom.

    A map's values depend neither on the other maps nor on how the rows come
    in pieces, nor on the number of threads, to the last bit.

    Parameters
    ----------
    pieces : iterable of (Q, rows, W) float32 Tensor
        The maps from top to bottom, in pieces of any height. Overwritten.
    guide : (3, H, W) float32 Tensor
        The normalized picture, as high as all pieces together.
    steps : int
        How often the maps are averaged; at least 1.
    dilations : tuple of int
        Distances of the 8 neighbors in pixels.
    """
    pieces = iter(pieces)
    first = next(pieces)
    affinities = Affinities(guide, dilations)
    plan = _Plan.make(len(first), affinities.size, steps, dilations)
    pieces = itertools.chain([first], pieces)
    del first
    if plan.whole_bytes <= plan.stream_bytes:
        return _refine_whole(pieces, affinities, plan)
    return _refine_stream(pieces, affinities, plan)


def needed_bytes(
    maps: int, size: tuple[int, int], steps: int, dilations: tuple[int, ...]
) -> int:
    """Return about how much memory ``refined_rows`` takes besides pieces."""
    plan = _Plan.make(maps, size, steps, dilations)
    return min(plan.whole_bytes, plan.stream_bytes)


@functools.cache
def _layouts_agree() -> bool:
    """Return whether both layouts give the same bits on this machine."""
    generator = torch.Generator().manual_seed(0)
    offsets = neighbor_offsets((1, 2))
    maps = torch.randn(19, 9, 37, generator=generator)
    weights = torch.rand(len(offsets), 5, 37, generator=generator)
    results = []
    for layout in (Planes, Pixels):
        rows, target = (layout((19, each, 37), offsets) for each in (9, 5))
        rows.put(0, maps)
        rows.step(2, 5, rows.prepare(weights), target, 0)
        results.append(target.get(0, torch.empty(19, 5, 37)))
    return torch.equal(*results)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a number of maps is refined.

    Attributes
    ----------
    maps, height, width, steps : int
        Of the job.
    reach : int
        The largest dilation.
    neighbors : int
        Of a pixel.
    is_plane : bool
        Whether the maps are few.
    block : int
        Rows that a step does at once.
    """

    maps: int
    height: int
    width: int
    steps: int
    reach: int
    neighbors: int
    is_plane: bool
    block: int

    @classmethod
    def make(
        cls,
        maps: int,
        size: tuple[int, int],
        steps: int,
        dilations: tuple[int, ...],
    ) -> _Plan:
        height, width = size
        is_plane = maps < MANY or not _layouts_agree()
        pixels = _FEW_BLOCK if is_plane else _MANY_BLOCK
        block = max(_LEAST_ROWS, min(height, pixels // width))
        reach, neighbors = max(dilations), 8 * len(dilations)
        return cls(
            maps, height, width, steps, reach, neighbors, is_plane, block
        )

    @property
    def lag(self) -> int:
        """Rows that a step is behind the one before."""
        return -(-self.reach // self.block) * self.block

    @property
    def stage_rows(self) -> int:
        """Rows between two steps, with room for some blocks.

        Rows move up only when the room is used up.
        """
        return 2 * self.reach + self.lag + 3 * self.block

    @property
    def group(self) -> int:
        """Maps that a small picture's are refined in at once."""
        return -(-self.maps // -(-self.maps // _GROUP))

    @property
    def whole_bytes(self) -> int:
        """Memory for step after step."""
        rows = 2 * (self.height + 2 * self.reach) * self.group
        return 4 * self.width * (rows + self.neighbors * self.height)

    @property
    def stream_bytes(self) -> int:
        """Memory for row after row."""
        rows = self.steps * self.stage_rows * self.maps
        kept = min(self.height, self.steps * self.lag + self.block)
        return 4 * self.width * (rows + self.neighbors * kept)

    def make_rows(
        self, maps: int, rows: int, offsets: list[tuple[int, int]]
    ) -> Rows:
        layout = Planes if self.is_plane else Pixels
        return layout((maps, rows, self.width), offsets)


def _cut(
    pieces: Iterable[torch.Tensor], height: int
) -> Iterator[torch.Tensor]:
    """Yield maps in blocks of at most some rows."""
    for piece in pieces:
        yield from piece.split(height, dim=1)


class _Stage:
    """The rows before a step, as far as it still needs them.

    Parameters
    ----------
    rows : Rows
        Of a plan's ``stage_rows``.
    plan : _Plan

    Attributes
    ----------
    next : int
        The first row that the step has not done.
    """

    def __init__(self, rows: Rows, plan: _Plan) -> None:
        self.rows = rows
        self.next = 0
        self._plan = plan
        self._first = -plan.reach
        self._stop = 0

    @property
    def next_count(self) -> int:
        """How many rows the next block has."""
        return min(self._plan.block, self._plan.height - self.next)

    @property
    def is_ready(self) -> bool:
        """Whether there is a next block, and all its neighbors are here."""
        bottom = self.next + self.next_count + self._plan.reach
        return self.next_count > 0 and self._stop >= min(
            bottom, self._plan.height
        )

    def find(self, row: int) -> int:
        """Return where a row lies."""
        return row - self._first

    def make_room(self, count: int) -> int:
        """Return where so many rows may be put next."""
        reach = self._plan.reach
        if self.find(self._stop) + count + reach > self._plan.stage_rows:
            first = self.next - reach
            self.rows.move(self.find(first), 0, self._stop - first)
            self._first = first
        return self.find(self._stop)

    def add(self, count: int) -> None:
        """Count the rows that were put; repeat the picture's edges."""
        reach = self._plan.reach
        if self._stop == 0:
            self.rows.repeat(self.find(0), 0, reach)
        self._stop += count
        if self._stop == self._plan.height:
            at = self.find(self._stop)
            self.rows.repeat(at - 1, at, at + reach)


def _refine_stream(
    pieces: Iterable[torch.Tensor], affinities: Affinities, plan: _Plan
) -> Iterator[Refined]:
    """Refine row after row."""
    stages = [
        _Stage(
            plan.make_rows(plan.maps, plan.stage_rows, affinities.offsets),
            plan,
        )
        for _ in range(plan.steps)
    ]
    result = plan.make_rows(plan.maps, plan.block, affinities.offsets)
    weights: dict[int, Any] = {}
    taken = given = 0
    for values in itertools.chain(
        _cut(pieces, plan.block), itertools.repeat(None)
    ):
        if values is not None:
            count = values.shape[1]
            stages[0].rows.put(stages[0].make_room(count), values)
            stages[0].add(count)
            taken += count
        if stages[0].is_ready:
            top = stages[0].next
            made = affinities.rows(top, min(top + plan.block, plan.height))
            weights[top] = result.prepare(made)
        rows = torch.empty(
            plan.maps, _advance(stages, weights, result), plan.width
        )
        given += rows.shape[1]
        yield Refined(result.get(0, rows), (taken + given) / (2 * plan.height))
        if given == plan.height:
            return


def _advance(
    stages: list[_Stage], weights: dict[int, Any], result: Rows
) -> int:
    """Let every step do its next block; return how many rows came out."""
    for stage, follower in itertools.pairwise([*stages, None]):
        if stage is None or not stage.is_ready:
            continue
        top, count = stage.next, stage.next_count
        target, to = result, 0
        if follower is not None:
            target, to = follower.rows, follower.make_room(count)
        stage.rows.step(stage.find(top), count, weights[top], target, to)
        stage.next += count
        if follower is None:
            del weights[top]
            return count
        follower.add(count)
    return 0


def _refine_whole(
    pieces: Iterable[torch.Tensor], affinities: Affinities, plan: _Plan
) -> Iterator[Refined]:
    """Refine step after step, a group of maps at a time."""
    first, *others = pieces
    maps = torch.cat([first, *others], dim=1) if others else first
    del first, others
    nothing = maps[:, :0]
    height, reach = plan.height, plan.reach
    rows, spare = (
        plan.make_rows(plan.group, height + 2 * reach, affinities.offsets)
        for _ in range(2)
    )
    blocks = [
        (top, min(plan.block, height - top))
        for top in range(0, height, plan.block)
    ]
    starts = range(0, plan.maps, plan.group)
    # The weights take about as long as two steps.
    total = 2 + len(starts) * plan.steps
    done = 0.0
    weights = []
    for top, count in blocks:
        weights.append(rows.prepare(affinities.rows(top, top + count)))
        done += 2 / len(blocks)
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


def affinity_matrix(
    guide: torch.Tensor, dilations: tuple[int, ...]
) -> torch.Tensor:
    """Return the matrix of one refinement step.

    With s the standard deviation (unbiased) of a channel over a pixel's
    neighbors at all dilations, the pixel itself counted once a dilation, the
    affinity to a neighbor is the mean over channels of
    -|difference| / (1e-8 + 0.1 s); the softmax over the neighbors makes the
    weights. Beyond the border the edge is repeated.

    Parameters
    ----------
    guide : (3, H, W) float32 Tensor
        The normalized picture.
    dilations : tuple of int
        Distances of the 8 neighbors in pixels.

    Returns
    -------
    (H * W, H * W) sparse CSR float32 Tensor
        Rows sum to 1.
    """
    _, height, width = guide.shape
    offsets = sorted(
        (dy * dilation, dx * dilation)
        for dilation in dilations
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
        if (dy, dx) != (0, 0)
    )
    reach = max(dilations)
    padded = pad(guide[None], (reach,) * 4, mode='replicate')[0]
    weights = torch.empty(height, width, len(offsets))
    for top in range(0, height, _AFFINITY_ROWS):
        rows = min(_AFFINITY_ROWS, height - top)
        center = guide[:, top : top + rows]
        differences = [
            padded[
                :,
                top + reach + dy : top + reach + dy + rows,
                reach + dx : reach + dx + width,
            ]
            - center
            for dy, dx in offsets
        ]
        weights[top : top + rows] = _neighbor_weights(differences)

    ys, xs = torch.arange(height), torch.arange(width)
    columns = torch.empty(height, width, len(offsets), dtype=torch.int32)
    for index, (dy, dx) in enumerate(offsets):
        neighbor_rows = (ys + dy).clamp_(0, height - 1) * width
        neighbor_columns = (xs + dx).clamp_(0, width - 1)
        columns[:, :, index] = neighbor_rows[:, None] + neighbor_columns
    pixels = height * width
    row_starts = torch.arange(
        0, (pixels + 1) * len(offsets), len(offsets), dtype=torch.int32
    )
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'Sparse CSR tensor support')
        return torch.sparse_csr_tensor(
            row_starts,
            columns.flatten(),
            weights.flatten(),
            size=(pixels, pixels),
            check_invariants=False,
        )


def _neighbor_weights(differences: list[torch.Tensor]) -> torch.Tensor:
    """Return (rows, W, P) weights from P differences of (3, rows, W)."""
    total = torch.zeros_like(differences[0])
    squares = torch.zeros_like(differences[0])
    for difference in differences:
        total += difference
        squares.addcmul_(difference, difference)
    # Of the differences to the center the center's own are zero: they enter
    # through the count alone (8 neighbors and 1 center a dilation).
    count = len(differences) // 8 * 9
    variance = (squares - total.square() / count) / (count - 1)
    spread = variance.clamp_(min=0).sqrt_().mul_(_STD_SHARE).add_(_EPSILON)
    logits = torch.stack(
        [
            -(difference.abs_() / spread).mean(dim=0)
            for difference in differences
        ],
        dim=-1,
    )
    return logits.softmax(dim=-1)


def refine_maps(
    maps: torch.Tensor, matrix: torch.Tensor, steps: int
) -> Iterator[torch.Tensor]:
    """Yield the maps after each step; each is overwritten two steps later.

    Parameters
    ----------
    maps : (H * W, Q) float32 Tensor
        One column a map. Overwritten.
    matrix : (H * W, H * W) sparse Tensor
        ``affinity_matrix``.
    steps : int
        How often it is applied.
    """
    spare = torch.zeros_like(maps)
    for _ in range(steps):
        # ``matrix @ maps`` fills and copies its result besides, which takes
        # longer than the product itself.
        torch.addmm(spare, matrix, maps, beta=0, out=spare)
        maps, spare = spare, maps
        yield maps
