"""How much each neighbor counts in a step of PAMR, row by row.

The weights of a row depend on the picture alone, and on no more rows of it
than the dilations reach: they are made in blocks of rows, used by every step
while they are in the cache, and forgotten.
"""

from __future__ import annotations

import torch
from torch.nn.functional import pad

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
    guide : (3, H, W) float32 Tensor
        The normalized picture.
    dilations : tuple of int
        Distances of the 8 neighbors in pixels; at most 7 of them.

    Attributes
    ----------
    offsets : list of (int, int)
        Rows and columns to each of the P neighbors.
    reach : int
        The largest dilation.
    """

    def __init__(
        self, guide: torch.Tensor, dilations: tuple[int, ...]
    ) -> None:
        self.offsets = neighbor_offsets(dilations)
        self.reach = max(dilations)
        self._guide = guide
        self._padded = pad(guide[None], (self.reach,) * 4, mode='replicate')[0]
        channels, height, width = guide.shape
        count = len(self.offsets)
        self._rows = max(1, min(height, _PIXELS_AT_ONCE // width))
        block = (channels, self._rows, width)
        self._differences = torch.empty(count, *block)
        self._total = torch.empty(block)
        self._squares = torch.empty(block)
        self._sum = torch.empty(block[1:])

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the picture."""
        return self._guide.shape[1], self._guide.shape[2]

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
        for start in range(top, bottom, self._rows):
            stop = min(start + self._rows, bottom)
            self._weigh(start, stop, out[:, start - top : stop - top])
        return out

    def _weigh(self, top: int, bottom: int, out: torch.Tensor) -> None:
        height, width = bottom - top, self.size[1]
        differences = self._differences[:, :, :height]
        total = self._total[:, :height].zero_()
        squares = self._squares[:, :height].zero_()
        center = self._guide[:, top:bottom]
        for difference, (dy, dx) in zip(
            differences.unbind(), self.offsets, strict=True
        ):
            y, x = top + self.reach + dy, self.reach + dx
            neighbor = self._padded[:, y : y + height, x : x + width]
            torch.sub(neighbor, center, out=difference)
            total += difference
            squares.addcmul_(difference, difference)
        # Of the differences to the center the center's own are zero: they
        # enter through the count alone (8 neighbors and 1 center a dilation).
        count = len(self.offsets) // 8 * 9
        squares.addcmul_(total, total, value=-1 / count)
        spread = squares.clamp_(min=0).mul_(1 / (count - 1)).sqrt_()
        channels = len(center)
        scale = spread.mul_(_STD_SHARE * channels).add_(_EPSILON * channels)
        scale.reciprocal_().neg_()
        differences.abs_()
        torch.mul(differences[:, 0], scale[0], out=out)
        for channel in range(1, channels):
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
