"""The last block's attention, against plain sums."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_naclip.engine.attention import (
    attend,
    mix_across,
    neighborhood_bias,
)

CPU = torch.device('cpu')
GRID = (3, 4)
TOKENS = 1 + GRID[0] * GRID[1]


def make_bias(grid: tuple[int, int] = GRID, std: float = 2.0) -> torch.Tensor:
    return neighborhood_bias(grid, std, device=CPU, dtype=torch.float32)


def plain_bias(grid: tuple[int, int], std: float) -> np.ndarray:
    places = list(itertools.product(range(grid[0]), range(grid[1])))
    bias = np.zeros((1 + len(places), 1 + len(places)))
    for i, (y, x) in enumerate(places, start=1):
        for j, (v, u) in enumerate(places, start=1):
            square = (y - v) ** 2 + (x - u) ** 2
            bias[i, j] = math.exp(-square / (2 * std * std))
    return bias


@pytest.fixture
def heads() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return query, key and value of 2 windows and 3 heads of size 8."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = torch.randn(3, 2, 3, TOKENS, 8, generator=generator)
    # Unequal windows show whether one leaks into another.
    query[1] *= 3
    return query, key, value


def similarity(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return torch.einsum('bhid,bhjd->bhij', left, right) / math.sqrt(8)


def weigh(logits: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    weights = torch.exp(logits - logits.amax(-1, keepdim=True))
    weights = weights / weights.sum(-1, keepdim=True)
    return torch.einsum('bhij,bhjd->bhid', weights, value)


@settings(max_examples=25)
@given(st.integers(1, 6), st.integers(1, 6), st.floats(0.3, 20))
def test_the_window_is_a_gaussian(rows: int, columns: int, std: float) -> None:
    bias = make_bias((rows, columns), std)
    np.testing.assert_allclose(
        bias, plain_bias((rows, columns), std), atol=1e-6
    )


def test_the_window_leaves_cls_alone() -> None:
    bias = make_bias()
    assert (bias[0] == 0).all()
    assert (bias[:, 0] == 0).all()
    assert (bias.diagonal()[1:] == 1).all()


def test_naclip(heads: tuple[torch.Tensor, ...]) -> None:
    query, key, value = heads
    omega = torch.from_numpy(plain_bias(GRID, 2.0)).float()
    expected = weigh(similarity(key, key) + omega, value)
    result = attend(query, key, value, make_bias(), 'naclip')
    torch.testing.assert_close(result, expected, atol=4e-6, rtol=0)


def test_kk(heads: tuple[torch.Tensor, ...]) -> None:
    query, key, value = heads
    expected = weigh(similarity(key, key), value)
    result = attend(query, key, value, make_bias(), 'kk')
    torch.testing.assert_close(result, expected, atol=4e-6, rtol=0)


def test_csa(heads: tuple[torch.Tensor, ...]) -> None:
    query, key, value = heads
    expected = weigh(similarity(query, query), value)
    expected = expected + weigh(similarity(key, key), value)
    result = attend(query, key, value, make_bias(), 'csa')
    torch.testing.assert_close(result, expected, atol=4e-6, rtol=0)


def test_vanilla(heads: tuple[torch.Tensor, ...]) -> None:
    query, key, value = heads
    expected = weigh(similarity(query, key), value)
    result = attend(query, key, value, make_bias(), 'vanilla')
    torch.testing.assert_close(result, expected, atol=4e-6, rtol=0)


def test_nonly(heads: tuple[torch.Tensor, ...]) -> None:
    query, key, value = heads
    omega = torch.from_numpy(plain_bias(GRID, 2.0)).float()
    expected = torch.empty_like(value)
    for window in range(2):
        sizes = [
            query[window, head, i].norm() * key[window, head, j].norm()
            for head in range(3)
            for i in range(TOKENS)
            for j in range(TOKENS)
        ]
        scale = torch.stack(sizes).mean() / math.sqrt(8)
        logits = (omega * scale).expand(1, 3, -1, -1)
        expected[window] = weigh(logits, value[window : window + 1])[0]
    result = attend(query, key, value, make_bias(), 'nonly')
    torch.testing.assert_close(result, expected, atol=4e-6, rtol=0)


@pytest.mark.parametrize(
    'strategy', ['naclip', 'nonly', 'kk', 'csa', 'vanilla']
)
def test_a_batch_is_its_windows_one_by_one(
    heads: tuple[torch.Tensor, ...], strategy: str
) -> None:
    together = attend(*heads, make_bias(), strategy)
    for window in range(2):
        alone = attend(
            *(part[window : window + 1] for part in heads),
            make_bias(),
            strategy,
        )
        torch.testing.assert_close(
            together[window : window + 1], alone, atol=1e-6, rtol=0
        )


def test_the_head_size_sets_the_scale() -> None:
    # Two tokens besides CLS; all the weight goes where the keys are alike.
    key = torch.zeros(1, 1, 3, 16)
    key[0, 0, 1, 0] = 4.0
    value = torch.eye(3)[None, None]
    bias = torch.zeros(3, 3)
    result = attend(key, key, value, bias, 'kk')[0, 0, 1]
    # 4 * 4 / sqrt(16) = 4
    weights = np.exp([0, 4, 0]) / np.exp([0, 4, 0]).sum()
    np.testing.assert_allclose(result, weights, atol=1e-6)


def test_other_blocks_have_their_share_of_the_attention(
    heads: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    query, key, value = heads
    across = [(query, key), (key, 2 * query), (key, key)]
    weights = [
        torch.softmax(similarity(left, right), dim=-1)
        for left, right in across
    ]
    last = torch.softmax(similarity(key, key) + make_bias(), dim=-1)
    mixed = 0.7 * last + 0.3 * torch.stack(weights).mean(0)
    attended = attend(query, key, value, make_bias(), 'naclip')
    torch.testing.assert_close(
        mix_across(attended, value, across, 0.3),
        torch.einsum('bhij,bhjd->bhid', mixed, value),
    )
    assert torch.equal(mix_across(attended, value, [], 0.3), attended)
