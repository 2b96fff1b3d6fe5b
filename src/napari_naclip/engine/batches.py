"""Windows in batches of one fixed size, each window in a fixed slot.

The last bits of a matrix product can depend on its shape and on the place of
a row in it. Neither depends here on how many windows are run or on which:
both follow from the lattice of the whole image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_naclip.engine.clip.tower import ImageTower
    from napari_naclip.engine.windows import WindowPlan

#: Work in a batch of windows: on a CPU a window of a real model fills the
#: processor alone, and a cancel is answered after it.
_FLOP_CPU = 3e10
#: The same for an accelerator.
_FLOP_ACCELERATOR = 6e11
_LARGEST = 16


def batch_size(tower: ImageTower, plan: WindowPlan) -> int:
    """Return how many windows every batch of a plan has, for any region."""
    rows, columns = tower.grid(plan.window_height, plan.window_width)
    flop = 2 * tower.parameter_count * (1 + rows * columns)
    budget = _FLOP_CPU if tower.device.type == 'cpu' else _FLOP_ACCELERATOR
    return max(1, min(_LARGEST, int(budget / flop), len(plan)))


def take_slots(indices: Sequence[int], size: int) -> list[int]:
    """Return the slots of the next windows in a batch, as many as fit.

    Parameters
    ----------
    indices : sequence of int
        Places of the windows in the whole lattice, increasing.
    size : int
        Windows in a batch.
    """
    slots: list[int] = []
    for index in indices[:size]:
        slot = index % size
        if slot in slots:
            break
        slots.append(slot)
    return slots


def cut_batch(
    picture: torch.Tensor,
    plan: WindowPlan,
    corners: Sequence[tuple[int, int]],
    slots: Sequence[int],
    size: int,
) -> torch.Tensor:
    """Return windows of a picture in their slots.

    Parameters
    ----------
    picture : (3, plan.height, plan.width) float32 Tensor
    corners : sequence of (int, int)
        Top row and left column of each window, at least one.
    slots : sequence of int
        Of each window; slots that none takes repeat the first.
    size : int
        Windows in a batch.

    Returns
    -------
    (size, 3, plan.window_height, plan.window_width) float32 Tensor
    """
    height, width = plan.window_height, plan.window_width
    windows = [
        picture[:, top : top + height, left : left + width]
        for top, left in corners
    ]
    places = dict(zip(slots, windows, strict=True))
    return torch.stack([places.get(slot, windows[0]) for slot in range(size)])
