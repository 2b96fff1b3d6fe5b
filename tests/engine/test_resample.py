"""Linear resampling as matrices, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from napari_naclip.engine.resample import bilinear_block, token_block
from napari_naclip.engine.windows import plan_windows

sides = st.integers(1, 40)


def bilinear_matrix(source: int, target: int) -> np.ndarray:
    """Return the whole matrix, of blocks of three pixels."""
    matrix = np.zeros((target, source))
    for start in range(0, target, 3):
        stop = min(start + 3, target)
        first, block = bilinear_block(source, target, start, stop)
        matrix[start:stop, first : first + block.shape[1]] = block
    return matrix


def token_matrix(
    starts: tuple[int, ...], window: int, grid: int, lengths: tuple[int, int]
) -> np.ndarray:
    """Return the whole matrix, of blocks of three pixels."""
    matrix = np.zeros((lengths[1], len(starts) * grid))
    for start in range(0, lengths[1], 3):
        stop = min(start + 3, lengths[1])
        windows, block = token_block(
            starts, window, grid, lengths, start, stop
        )
        columns = slice(windows.start * grid, windows.stop * grid)
        matrix[start:stop, columns] = block
    return matrix


def upsample(grid: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    tensor = torch.from_numpy(grid)[None, None]
    return interpolate(tensor, size, mode='bilinear')[0, 0].numpy()


@given(sides, sides, sides, sides)
def test_bilinear_is_that_of_torch(h: int, w: int, th: int, tw: int) -> None:
    grid = np.random.default_rng(0).random((h, w))
    product = bilinear_matrix(h, th) @ grid @ bilinear_matrix(w, tw).T
    np.testing.assert_allclose(product, upsample(grid, (th, tw)), atol=1e-12)


@given(sides, sides)
def test_bilinear_rows_are_means(source: int, target: int) -> None:
    matrix = bilinear_matrix(source, target)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)
    assert matrix.min() >= 0


@given(
    sides,
    sides,
    st.integers(1, 20).flatmap(
        lambda window: st.tuples(st.just(window), st.integers(1, window))
    ),
    st.integers(1, 6),
    st.integers(1, 6),
    st.tuples(sides, sides),
)
def test_windows_are_upsampled_averaged_and_resized(
    height: int,
    width: int,
    shape: tuple[int, int],
    rows: int,
    columns: int,
    target: tuple[int, int],
) -> None:
    plan = plan_windows(height, width, window=shape[0], stride=shape[1])
    generator = np.random.default_rng(0)
    grids = generator.random((len(plan.tops), len(plan.lefts), rows, columns))
    window = (plan.window_height, plan.window_width)
    # The published way: add the windows up, then divide by their count.
    total, count = np.zeros((2, height, width))
    for i, top in enumerate(plan.tops):
        for j, left in enumerate(plan.lefts):
            place = np.s_[top : top + window[0], left : left + window[1]]
            total[place] += upsample(grids[i, j], window)
            count[place] += 1

    vertical = token_matrix(plan.tops, window[0], rows, (height, target[0]))
    horizontal = token_matrix(
        plan.lefts, window[1], columns, (width, target[1])
    )
    lattice = grids.transpose(0, 2, 1, 3).reshape(
        len(plan.tops) * rows, len(plan.lefts) * columns
    )
    np.testing.assert_allclose(
        vertical @ lattice @ horizontal.T,
        upsample(total / count, target),
        atol=1e-12,
    )
    np.testing.assert_allclose(vertical.sum(axis=1), 1, atol=1e-12)


def test_a_grid_is_stretched_over_a_window_that_is_no_multiple() -> None:
    matrix = token_matrix((0,), 5, 2, (5, 5))
    assert matrix[:, 0].tolist() == pytest.approx([1, 0.9, 0.5, 0.1, 0])
