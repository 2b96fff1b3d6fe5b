"""Merging by Ward's criterion, and who may be merged with whom."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_naclip.correct.merging import merge, nearest_of_kind


def test_like_parts_are_merged_first() -> None:
    means = np.array([[0.0], [5.0], [0.1], [5.2], [9.0]])
    neighbors = [set(range(5)) - {i} for i in range(5)]
    owners = merge(np.ones(5), means, neighbors, 3, 0)
    assert owners.tolist() == [0, 1, 0, 1, 2]


def test_a_large_part_costs_more_than_a_small_one() -> None:
    means = np.array([[0.0], [1.0], [2.0]])
    neighbors = [{1}, {0, 2}, {1}]
    owners = merge(np.array([100.0, 10.0, 1.0]), means, neighbors, 2, 0)
    assert owners.tolist() == [0, 1, 1]


def test_cheap_mergers_go_on_below_the_number() -> None:
    means = np.array([[0.0], [0.01], [4.0]])
    neighbors = [{1, 2}, {0, 2}, {0, 1}]
    owners = merge(np.ones(3), means, neighbors, 3, 0.1)
    assert owners.tolist() == [0, 0, 1]


@given(seed=st.integers(0, 500), count=st.integers(1, 40))
def test_one_part_of_each_kind_is_left(seed, count) -> None:
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 4, count)
    positions = rng.random((count, 2))
    neighbors = nearest_of_kind(positions, kinds, 2)
    for part, mine in enumerate(neighbors):
        assert part not in mine
        assert all(kinds[part] == kinds[each] for each in mine)
        assert all(part in neighbors[each] for each in mine)
    owners = merge(np.ones(count), rng.random((count, 3)), neighbors, 1, 0)
    assert owners.max() + 1 == len(np.unique(kinds))
    for owner in range(owners.max() + 1):
        assert len(np.unique(kinds[owners == owner])) == 1
