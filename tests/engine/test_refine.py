"""PAMR as a sparse product, against shifted copies in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_naclip.engine import refine
from napari_naclip.engine.refine import affinity_matrix, halo, refine_maps


def shifted(image: np.ndarray, dilation: int) -> np.ndarray:
    """Return the (9, C, H, W) copies of (C, H, W), center in the middle."""
    _, height, width = image.shape
    reach = ((0, 0), (dilation, dilation), (dilation, dilation))
    padded = np.pad(image, reach, mode='edge')
    return np.stack(
        [
            padded[:, dy : dy + height, dx : dx + width]
            for dy in (0, dilation, 2 * dilation)
            for dx in (0, dilation, 2 * dilation)
        ]
    )


def neighbors(image: np.ndarray, dilations: tuple[int, ...]) -> np.ndarray:
    """Return the (8 * dilations, C, H, W) copies without the center."""
    return np.concatenate(
        [np.delete(shifted(image, each), 4, axis=0) for each in dilations]
    )


def plain_pamr(
    guide: np.ndarray, maps: np.ndarray, dilations: tuple[int, ...], steps: int
) -> np.ndarray:
    guide, maps = guide.astype(float), maps.astype(float)
    samples = np.concatenate([shifted(guide, each) for each in dilations])
    spread = samples.std(axis=0, ddof=1)
    differences = np.abs(neighbors(guide, dilations) - guide)
    affinity = (-differences / (1e-8 + 0.1 * spread)).mean(axis=1)
    weights = np.exp(affinity - affinity.max(axis=0))
    weights /= weights.sum(axis=0)
    for _ in range(steps):
        maps = (neighbors(maps, dilations) * weights[:, None]).sum(axis=0)
    return maps


def random_pair(
    height: int, width: int, maps: int = 3
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a guide (3, H, W) and maps (maps, H, W)."""
    generator = torch.Generator().manual_seed(0)
    guide = torch.randn(3, height, width, generator=generator)
    return guide, torch.randn(maps, height, width, generator=generator)


def run(
    guide: torch.Tensor,
    maps: torch.Tensor,
    dilations: tuple[int, ...],
    steps: int,
) -> torch.Tensor:
    matrix = affinity_matrix(guide, dilations)
    columns = maps.flatten(1).T.contiguous()
    *_, refined = refine_maps(columns, matrix, steps)
    return refined.T.reshape(maps.shape)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from([(1,), (3,), (1, 2, 4), (8, 16)]),
    st.integers(1, 4),
)
def test_steps_are_means_of_shifted_copies(
    height: int, width: int, dilations: tuple[int, ...], steps: int
) -> None:
    guide, maps = random_pair(height, width)
    expected = plain_pamr(guide.numpy(), maps.numpy(), dilations, steps)
    result = run(guide, maps, dilations, steps)
    np.testing.assert_allclose(result, expected, atol=2e-4)


def test_a_picture_with_edges() -> None:
    generator = np.random.default_rng(0)
    guide = np.zeros((3, 40, 30), np.float32)
    guide[:, :, 15:] = 2
    guide += 0.05 * generator.standard_normal(guide.shape)
    maps = generator.random((2, 40, 30)).astype(np.float32)
    expected = plain_pamr(guide, maps, (1, 2, 4), 10)
    result = run(
        torch.from_numpy(guide), torch.from_numpy(maps), (1, 2, 4), 10
    )
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_weights_sum_to_one() -> None:
    guide, _ = random_pair(20, 15)
    matrix = affinity_matrix(guide, (8, 16))
    sums = matrix @ torch.ones(300, 1)
    torch.testing.assert_close(sums, torch.ones(300, 1))


def test_rows_in_pieces_are_rows_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guide, _ = random_pair(70, 6)
    pieces = affinity_matrix(guide, (1, 4)).values()
    monkeypatch.setattr(refine, '_AFFINITY_ROWS', 1000)
    assert torch.equal(affinity_matrix(guide, (1, 4)).values(), pieces)


def test_a_constant_picture_averages_its_neighbors() -> None:
    guide = torch.full((3, 9, 9), 0.3)
    maps = torch.zeros(1, 9, 9)
    maps[0, 4, 4] = 8.0
    expected = torch.zeros(1, 9, 9)
    expected[0, 2:7:2, 2:7:2] = 1.0
    expected[0, 4, 4] = 0.0
    torch.testing.assert_close(run(guide, maps, (2,), 1), expected)


def test_classes_do_not_mix() -> None:
    guide, maps = random_pair(12, 10, maps=20)
    together = run(guide, maps, (1, 2), 5)
    alone = run(guide, maps[7:8], (1, 2), 5)
    # One column and many are added up in another order: a few roundings.
    torch.testing.assert_close(together[7:8], alone, atol=3e-6, rtol=0)


def test_the_halo_reaches_as_far_as_the_steps() -> None:
    assert halo(10, (8, 16)) == 160
    assert halo(0, ()) == 0


def test_a_band_with_its_halo_is_the_whole_bit_for_bit() -> None:
    guide, maps = random_pair(60, 7)
    dilations, steps = (1, 3), 4
    whole = run(guide, maps, dilations, steps)
    margin = halo(steps, dilations)
    outer = slice(20 - margin, 30 + margin)
    band = run(guide[:, outer], maps[:, outer], dilations, steps)
    assert torch.equal(band[:, margin:-margin], whole[:, 20:30])
    # One row less is not enough.
    outer = slice(20 - margin + 1, 30 + margin)
    band = run(guide[:, outer], maps[:, outer], dilations, steps)
    assert not torch.equal(band[:, margin - 1 : -margin], whole[:, 20:30])


def test_every_step_is_yielded() -> None:
    guide, maps = random_pair(4, 4)
    matrix = affinity_matrix(guide, (1,))
    columns = maps.flatten(1).T.contiguous()
    assert len(list(refine_maps(columns, matrix, 3))) == 3
