"""Batches whose shape and slots no region changes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_naclip.engine.agenda import Agenda
from napari_naclip.engine.batches import (
    batch_size,
    fill_slots,
    slots_of,
)
from napari_naclip.engine.windows import WindowPart, WindowPlan


class Tower:
    """A tower of a size, on a device."""

    def __init__(self, device: str, parameters: float) -> None:
        self.device = torch.device(device)
        self.parameter_count = int(parameters)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        return height // 16, width // 16


def make_plan(rows: int, columns: int, window: int = 224) -> WindowPlan:
    return WindowPlan(
        window + rows - 1,
        window + columns - 1,
        window,
        window,
        tuple(range(rows)),
        tuple(range(columns)),
    )


@pytest.mark.parametrize(
    ('device', 'parameters', 'lattice', 'expected'),
    [
        # ViT-B/16: a pair fills a CPU, but no window is run for nothing.
        ('cpu', 86e6, (2, 3), 2),
        ('cpu', 86e6, (1, 1), 1),
        ('cpu', 86e6, (3, 5), 1),
        ('cpu', 86e6, (7, 7), 2),
        ('cpu', 304e6, (2, 3), 1),
        ('cpu', 1e6, (2, 3), 6),
        ('cpu', 1e6, (8, 8), 8),
        ('cuda', 86e6, (2, 3), 6),
        ('cuda', 86e6, (10, 10), 10),
        ('cuda', 86e6, (80, 80), 16),
    ],
)
def test_sizes(
    device: str, parameters: float, lattice: tuple[int, int], expected: int
) -> None:
    assert batch_size(
        Tower(device, parameters), make_plan(*lattice), torch.device(device)
    ) == (expected)


lattices = st.tuples(st.integers(1, 12), st.integers(1, 12))


def batches_of(slots: list[int], size: int) -> list[list[int]]:
    """Return the slots that are taken in each batch."""
    agenda = Agenda(range(len(slots)), (), slots, size, lambda _: False)
    batches = []
    while batch := agenda.take():
        batches.append([slots[window] for window in batch])
    return batches


@given(lattices, st.integers(1, 16))
def test_the_whole_lattice_leaves_no_gap(
    lattice: tuple[int, int], size: int
) -> None:
    plan = make_plan(*lattice)
    slots = slots_of(plan, plan.part((1, 1)), size)
    batches = batches_of(slots, size)
    assert len(batches) == -(-len(plan) // size)
    assert all(len(set(batch)) == len(batch) for batch in batches)


def test_few_columns_fill_their_batches() -> None:
    plan = make_plan(8, 8)
    slots = slots_of(plan, WindowPart(range(8), range(3, 5)), 8)
    assert list(map(len, batches_of(slots, 8))) == [8, 8]


@given(lattices, st.integers(1, 16), st.data())
def test_a_part_s_windows_keep_their_slots(
    lattice: tuple[int, int], size: int, data: st.DataObject
) -> None:
    plan = make_plan(*lattice)
    rows, columns = (
        range(
            start := data.draw(st.integers(0, side - 1)),
            data.draw(st.integers(start + 1, side)),
        )
        for side in lattice
    )
    slots = slots_of(plan, WindowPart(rows, columns), size)
    whole = slots_of(plan, plan.part((1, 1)), size)
    assert slots == [
        whole[row * lattice[1] + column] for row in rows for column in columns
    ]
    if size == 2:
        # Pairs, however wide the part is.
        assert len(batches_of(slots, 2)) == -(-len(slots) // 2)


def test_windows_go_into_their_slots() -> None:
    one, other = torch.arange(2 * 3 * 2 * 3.0).reshape(2, 3, 2, 3)
    batch = fill_slots([one, other], [3, 0], 4)
    assert batch.shape == (4, 3, 2, 3)
    assert torch.equal(batch[0], other)
    for place in (1, 2, 3):
        assert torch.equal(batch[place], one)
