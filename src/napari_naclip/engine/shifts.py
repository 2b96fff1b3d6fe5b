"""Maps that are replaced by weighted sums of their own shifted copies.

Two layouts of the same rows: plane after plane for few maps, where a step is
a multiplication and an addition of whole blocks for each neighbor; pixel
after pixel for many, where it is a weighted sum of rows of a table. Both add
up one neighbor after the other, each with one rounding ("fused"), so that a
map comes out the same, to the last bit, with whichever others it is refined.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch.nn.functional import embedding_bag

if TYPE_CHECKING:
    from typing import Self

#: From how many maps on they are kept pixel after pixel.
_MANY = 8
#: Pixels that one weighted sum of table rows is asked for.
_SUMS_AT_ONCE = 16 * 1024


class Rows(ABC):
    """A number of rows of maps, to be filled and refined.

    A step reads as many rows above and below as the neighbors reach; what is
    beyond the right and left edges repeats them.

    Parameters
    ----------
    shape : (int, int, int)
        Maps, rows, columns. Values are undefined until set.
    offsets : list of (int, int)
        Rows and columns to each neighbor.

    Attributes
    ----------
    pixels_at_once : int
        How many a step should do at once: for fewer the calls take longer
        than the work, more leave the cache.
    copies_weights : bool
        Whether ``prepare`` makes a copy.
    """

    pixels_at_once: ClassVar[int]
    copies_weights: ClassVar[bool]

    @abstractmethod
    def __init__(
        self, shape: tuple[int, int, int], offsets: list[tuple[int, int]]
    ) -> None: ...

    @abstractmethod
    def put(self, at: int, values: torch.Tensor) -> None:
        """Set rows from `at` on to (Q, rows, W) values, Q or fewer maps."""

    @abstractmethod
    def get(self, at: int, out: torch.Tensor) -> torch.Tensor:
        """Copy rows into (Q, rows, W), Q or fewer maps; return it."""

    @abstractmethod
    def repeat(self, source: int, start: int, stop: int) -> None:
        """Copy one row into the rows from `start` to `stop`."""

    @abstractmethod
    def move(self, source: int, to: int, count: int) -> None:
        """Copy rows within, also where they overlap."""

    @staticmethod
    @abstractmethod
    def prepare(weights: torch.Tensor) -> Any:
        """Return weights (P, rows, W) as ``step`` wants them.

        A copy, or the weights themselves; see ``copies_weights``.
        """

    @abstractmethod
    def step(
        self, at: int, count: int, weights: Any, target: Self, to: int
    ) -> None:
        """Write the weighted sums of rows into rows of a target."""


class Planes(Rows):
    """Rows of few maps, (Q, rows, W) with the edges repeated at both sides."""

    pixels_at_once = 96 * 1024
    copies_weights = False

    def __init__(
        self, shape: tuple[int, int, int], offsets: list[tuple[int, int]]
    ) -> None:
        maps, rows, width = shape
        self._width = width
        self._offsets = offsets
        self._reach = max(dx for _, dx in offsets)
        self._data = torch.empty(maps, rows, width + 2 * self._reach)
        self._views: dict[tuple[int, int], list[torch.Tensor]] = {}

    def _inner(self, at: int, count: int) -> torch.Tensor:
        left = self._reach
        return self._data[:, at : at + count, left : left + self._width]

    def _repeat_edges(self, at: int, count: int) -> None:
        rows = self._data[:, at : at + count]
        left, right = self._reach, self._reach + self._width
        rows[..., :left] = rows[..., left : left + 1]
        rows[..., right:] = rows[..., right - 1 : right]

    def put(self, at: int, values: torch.Tensor) -> None:
        """Set rows to values."""
        self._inner(at, values.shape[1])[: len(values)] = values
        self._repeat_edges(at, values.shape[1])

    def get(self, at: int, out: torch.Tensor) -> torch.Tensor:
        """Copy rows out."""
        return out.copy_(self._inner(at, out.shape[1])[: len(out)])

    def repeat(self, source: int, start: int, stop: int) -> None:
        """Copy one row into others."""
        self._data[:, start:stop] = self._data[:, source : source + 1]

    def move(self, source: int, to: int, count: int) -> None:
        """Copy rows within."""
        rows = self._data[:, source : source + count].clone()
        self._data[:, to : to + count] = rows

    @staticmethod
    def prepare(weights: torch.Tensor) -> list[torch.Tensor]:
        """Return the weights of each neighbor."""
        return list(weights.unbind())

    def _neighbors(self, at: int, count: int) -> list[torch.Tensor]:
        """Return the shifted views of rows; making them takes a while."""
        views = self._views.get((at, count))
        if views is None:
            views = [
                self._data[
                    :,
                    at + dy : at + dy + count,
                    self._reach + dx : self._reach + dx + self._width,
                ]
                for dy, dx in self._offsets
            ]
            self._views[at, count] = views
        return views

    def step(
        self,
        at: int,
        count: int,
        weights: list[torch.Tensor],
        target: Self,
        to: int,
    ) -> None:
        """Add up one shifted view after the other."""
        sums = target._inner(to, count)
        for index, (view, weight) in enumerate(
            zip(self._neighbors(at, count), weights, strict=True)
        ):
            if index:
                sums.addcmul_(view, weight)
            else:
                torch.mul(view, weight, out=sums)
        target._repeat_edges(to, count)


class Pixels(Rows):
    """Rows of many maps, (rows * W, Q): a table with a row for each pixel."""

    pixels_at_once = 32 * 1024
    copies_weights = True

    def __init__(
        self, shape: tuple[int, int, int], offsets: list[tuple[int, int]]
    ) -> None:
        maps, rows, width = shape
        self._width = width
        self._reach = max(dx for _, dx in offsets)
        self._count = len(offsets)
        self._rows = max(1, min(rows, _SUMS_AT_ONCE // width))
        self._data = torch.empty(rows * width, maps)
        self._columns, self._starts = _table_rows(
            self._rows, width, tuple(offsets)
        )

    def _table(self, at: int, count: int) -> torch.Tensor:
        return self._data[at * self._width : (at + count) * self._width]

    def put(self, at: int, values: torch.Tensor) -> None:
        """Set rows to values."""
        table = self._table(at, values.shape[1])
        table[:, : len(values)] = values.flatten(1).T

    def get(self, at: int, out: torch.Tensor) -> torch.Tensor:
        """Copy rows out."""
        table = self._table(at, out.shape[1])
        return out.copy_(table[:, : len(out)].T.reshape_as(out))

    def repeat(self, source: int, start: int, stop: int) -> None:
        """Copy one row into others."""
        for row in range(start, stop):
            self._table(row, 1).copy_(self._table(source, 1))

    def move(self, source: int, to: int, count: int) -> None:
        """Copy rows within."""
        self._table(to, count).copy_(self._table(source, count).clone())

    @staticmethod
    def prepare(weights: torch.Tensor) -> torch.Tensor:
        """Return the weights pixel after pixel."""
        by_pixel = weights.permute(1, 2, 0)
        return torch.empty(by_pixel.shape).copy_(by_pixel).flatten()

    def step(
        self,
        at: int,
        count: int,
        weights: torch.Tensor,
        target: Self,
        to: int,
    ) -> None:
        """Add up table rows for each pixel."""
        entries = self._width * self._count
        for start in range(0, count, self._rows):
            rows = min(self._rows, count - start)
            table = self._table(
                at + start - self._reach, rows + 2 * self._reach
            )
            target._table(to + start, rows).copy_(
                embedding_bag(
                    self._columns[: rows * entries],
                    table,
                    self._starts[: rows * self._width],
                    mode='sum',
                    per_sample_weights=weights[
                        start * entries : (start + rows) * entries
                    ],
                )
            )


@functools.lru_cache(maxsize=4)
def _table_rows(
    rows: int, width: int, offsets: tuple[tuple[int, int], ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the neighbors in the table, pixel by pixel, and each start.

    The table begins as many rows above as the neighbors reach.
    """
    reach = max(dx for _, dx in offsets)
    ys, xs = torch.arange(rows), torch.arange(width)
    columns = torch.empty(rows, width, len(offsets), dtype=torch.int32)
    for index, (dy, dx) in enumerate(offsets):
        above = (ys + reach + dy) * width
        columns[:, :, index] = above[:, None] + (xs + dx).clamp_(0, width - 1)
    starts = torch.arange(0, columns.numel(), len(offsets), dtype=torch.int32)
    return columns.flatten(), starts


def rows_layout(maps: int) -> type[Rows]:
    """Return the faster layout for a number of maps."""
    return Pixels if maps >= _MANY and _layouts_agree() else Planes


@functools.cache
def _layouts_agree() -> bool:
    """Return whether both layouts give the same bits on this machine.

    They do where the sums are fused in both, which is up to the processor
    and to how torch was built for it.
    """
    generator = torch.Generator().manual_seed(0)
    offsets = [(dy, dx) for dy in (-2, 0, 2) for dx in (-2, 0, 2)]
    maps = torch.randn(19, 9, 37, generator=generator)
    weights = torch.rand(len(offsets), 5, 37, generator=generator)
    layouts: list[type[Rows]] = [Planes, Pixels]
    results = []
    for layout in layouts:
        rows, target = (layout((19, each, 37), offsets) for each in (9, 5))
        rows.put(0, maps)
        rows.step(2, 5, rows.prepare(weights), target, 0)
        results.append(target.get(0, torch.empty(19, 5, 37)))
    return torch.equal(*results)
