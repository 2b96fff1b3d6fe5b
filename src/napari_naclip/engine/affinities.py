"""How much each neighbor counts in a step of PAMR, row by row.

The weights of a row depend on the picture alone, and on no more rows of it
than the dilations reach: they are made in blocks of rows, used by every step
while they are in the cache, and forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import pad

if TYPE_CHECKING:
    from collections.abc import Callable

_CHANNELS = 3

#: Keeps the affinity of a constant neighborhood finite, as published.
_EPSILON = 1e-8
#: Share of the neighborhood's standard deviation that differences are
#: measured in, as published.
_STD_SHARE = 0.1
#: Pixels whose differences to all neighbors are worked on at once: more
#: leave the cache, of fewer the calls take longer than the work.
_PIXELS_AT_ONCE = 32 * 1024


def neighbor_offsets(dilations: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the (dy, dx) of the 8 neighbors at all dilations, in order.

    The order is that in which a step adds up: row by row.
    """
    return sorted(
        (dy * dilation, dx * dilation)
        for dilation in dilations
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
        if (dy, dx) != (0, 0)
    )


class Affinities:
    """The weights of the neighbors of a picture's pixels.

    With s the standard deviation (unbiased) of a channel over a pixel's
    neighbors at all dilations, the pixel itself counted once a dilation, the
    affinity to a neighbor is the mean over channels of
    -|difference| / (1e-8 + 0.1 s); the softmax over the neighbors makes the
    weights. Beyond the border the edge is repeated.

    Every value is the same, to the last bit, however the rows are cut and
    whatever the number of threads: no operation here adds up in an order
    that depends on where in a block a pixel lies.

    Parameters
    ----------
    guide : (3, H, W) float32 Tensor, or callable
        The normalized picture; or what returns its rows (3, bottom - top, W)
        from `top` to `bottom`. Row after row, each is asked for once.
    dilations : tuple of int
        Distances of the 8 neighbors in pixels; at most 7 of them.
    size : (int, int), optional
        H and W, where the guide is a callable.

    Attributes
    ----------
    offsets : list of (int, int)
        Rows and columns to each of the P neighbors.
    reach : int
        The largest dilation.
    size : (int, int)
        Rows and columns of the picture.
    """

    def __init__(
        self,
        guide: torch.Tensor | Callable[[int, int], torch.Tensor],
        dilations: tuple[int, ...],
        size: tuple[int, int] | None = None,
    ) -> None:
        self.offsets = neighbor_offsets(dilations)
        self.reach = max(dilations)
        if isinstance(guide, torch.Tensor):
            size = guide.shape[1], guide.shape[2]
        elif size is None:
            raise TypeError('a guide that is called needs a size')
        self._guide = guide
        self.size = size
        height, width = size
        self._rows = max(1, min(height, _PIXELS_AT_ONCE // width))
        block = (_CHANNELS, self._rows, width)
        self._differences = torch.empty(len(self.offsets), *block)
        self._total = torch.empty(block)
        self._squares = torch.empty(block)
        self._sum = torch.empty(block[1:])
        # The rows that were read last, and which they are.
        self._known = torch.empty(_CHANNELS, 0, width)
        self._known_rows = range(0)

    def rows(
        self, top: int, bottom: int, out: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the weights of some rows.

        Parameters
        ----------
        top, bottom : int
            The first row and the one after the last.
        out : (P, bottom - top, W) float32 Tensor, optional
            Where to write them.

        Returns
        -------
        (P, bottom - top, W) float32 Tensor
            Sums to 1 over P.
        """
        if out is None:
            shape = len(self.offsets), bottom - top, self.size[1]
            out = torch.empty(shape)
        padded = self._surroundings(top, bottom)
        for start in range(0, bottom - top, self._rows):
            stop = min(start + self._rows, bottom - top)
            around = padded[:, start : stop + 2 * self.reach]
            self._weigh(around, out[:, start:stop])
        return out

    def _read(self, top: int, bottom: int) -> torch.Tensor:
        if isinstance(self._guide, torch.Tensor):
            return self._guide[:, top:bottom]
        return self._guide(top, bottom)

    def _surroundings(self, top: int, bottom: int) -> torch.Tensor:
        """Return the picture's rows and those around, edges repeated."""
        first = max(0, top - self.reach)
        last = min(self.size[0], bottom + self.reach)
        known = self._known_rows
        if known.start <= first < known.stop <= last:
            parts = [self._known[:, first - known.start :]]
            if last > known.stop:
                parts.append(self._read(known.stop, last))
            self._known = torch.cat(parts, dim=1)
        else:
            self._known = self._read(first, last)
        self._known_rows = range(first, last)
        above = first - (top - self.reach)
        below = bottom + self.reach - last
        sides = (self.reach, self.reach, above, below)
        return pad(self._known[None], sides, mode='replicate')[0]

    def _weigh(self, padded: torch.Tensor, out: torch.Tensor) -> None:
        """Write the weights of rows, with those around them at hand."""
        reach = self.reach
        _, height, width = out.shape
        differences = self._differences[:, :, :height]
        total = self._total[:, :height].zero_()
        squares = self._squares[:, :height].zero_()
        center = padded[:, reach : reach + height, reach : reach + width]
        for difference, (dy, dx) in zip(
            differences.unbind(), self.offsets, strict=True
        ):
            y, x = reach + dy, reach + dx
            neighbor = padded[:, y : y + height, x : x + width]
            torch.sub(neighbor, center, out=difference)
            total += difference
            squares.addcmul_(difference, difference)
        # Of the differences to the center the center's own are zero: they
        # enter through the count alone (8 neighbors and 1 center a dilation).
        count = len(self.offsets) // 8 * 9
        squares.addcmul_(total, total, value=-1 / count)
        spread = squares.clamp_(min=0).mul_(1 / (count - 1)).sqrt_()
        scale = spread.mul_(_STD_SHARE * _CHANNELS).add_(_EPSILON * _CHANNELS)
        scale.reciprocal_().neg_()
        differences.abs_()
        torch.mul(differences[:, 0], scale[0], out=out)
        for channel in range(1, _CHANNELS):
            out.addcmul_(differences[:, channel], scale[channel])
        # No maximum is subtracted first: a difference is at most
        # sqrt((D + 1) (9 D - 1) / D) standard deviations for D dilations,
        # so that up to 7 of them nothing underflows. And ``softmax`` and
        # ``sum`` would add up in an order of their own.
        first, *others = out.exp_().unbind()
        summed = self._sum[:height].copy_(first)
        for other in others:
            summed += other
        out /= summed
