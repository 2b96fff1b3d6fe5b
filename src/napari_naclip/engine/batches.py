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
    from napari_naclip.engine.windows import WindowPart, WindowPlan

#: Work in a batch, at most: more does not fill a CPU better, and a cancel is
#: answered after a batch.
_FLOP_CPU = 7.5e10
#: The same for an accelerator.
_FLOP_ACCELERATOR = 6e11
#: Windows in a batch, at most. What lies between the layers of a small tower
#: is to stay in a CPU's cache: the demo model's run takes a tenth less time in
#: eights than in sixteens, with one thread.
_LARGEST_CPU = 8
#: The same for an accelerator.
_LARGEST = 16
#: What a batch costs beside its windows, in windows: measured with ViT-B/16.
_OVERHEAD_CPU = 0.05
#: The same for an accelerator, which few windows do not fill.
_OVERHEAD_ACCELERATOR = 1.0
#: What errors say that a device had no room, in lower case.
_NO_ROOM = (
    'out of memory',
    "can't allocate memory",
    'failed to allocate',
    'alloc_failed',
    'out_of_device_memory',
    'invalid buffer size',
)


def batch_size(
    tower: ImageTower,
    plan: WindowPlan,
    device: torch.device,
    cost: float = 1.0,
) -> int:
    """Return how many windows every batch of a plan has, for any region.

    Parameters
    ----------
    device : torch.device
        Where the tower was asked to run, wherever it is now.
    cost : float
        Looks at a window, in plain ones: see ``Beyond.cost``.
    """
    rows, columns = tower.grid(plan.window_height, plan.window_width)
    flop = 2 * tower.parameter_count * (1 + rows * columns) * cost
    is_cpu = device.type == 'cpu'
    budget = _FLOP_CPU if is_cpu else _FLOP_ACCELERATOR
    overhead = _OVERHEAD_CPU if is_cpu else _OVERHEAD_ACCELERATOR
    most = _LARGEST_CPU if is_cpu else _LARGEST
    largest = max(1, min(most, int(budget / flop)))
    # The last batch is filled up: what the whole image costs decides.
    return min(
        range(1, largest + 1),
        key=lambda size: -(-len(plan) // size) * (size + overhead),
    )


def slots_of(plan: WindowPlan, part: WindowPart, size: int) -> list[int]:
    """Return the slot of each window of a part in its batch, in order.

    It follows from the window's place in the whole lattice alone.

    Parameters
    ----------
    size : int
        Windows in a batch.
    """
    # Windows in a row of the lattice, or beneath each other, differ.
    step = len(plan.lefts)
    if step % size == 0:
        step += 1
    return [
        (row * step + column) % size
        for row in part.rows
        for column in part.columns
    ]


def fill_slots(
    windows: Sequence[torch.Tensor], slots: Sequence[int], size: int
) -> torch.Tensor:
    """Return a batch of windows, each in its slot.

    Parameters
    ----------
    windows : sequence of (3, rows, columns) float32 Tensor
        At least one.
    slots : sequence of int
        Of each window; slots that none takes repeat the first.
    size : int
        Windows in a batch.

    Returns
    -------
    (size, 3, rows, columns) float32 Tensor
    """
    places = dict(zip(slots, windows, strict=True))
    return torch.stack([places.get(slot, windows[0]) for slot in range(size)])


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that a batch had no room."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # MPS, XPU and the CPU's allocator raise a bare RuntimeError, and so do the
    # libraries that CUDA brings.
    text = str(error).lower()
    return any(sign in text for sign in _NO_ROOM)
