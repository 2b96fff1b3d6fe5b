"""Where the windows lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.resample import token_block
from napari_naclip.engine.types import Region, Settings
from napari_naclip.engine.windows import (
    plan_image,
    plan_windows,
    working_size,
)

windows_and_strides = st.integers(1, 40).flatmap(
    lambda window: st.tuples(st.just(window), st.integers(1, window))
)


@given(st.integers(1, 120), st.integers(1, 120), windows_and_strides)
def test_the_windows_are_the_published_ones(
    height: int, width: int, shape: tuple[int, int]
) -> None:
    window, stride = shape
    plan = plan_windows(height, width, window=window, stride=stride)
    # The loop of the published code, in its own order.
    expected = []
    rows = max(height - window + stride - 1, 0) // stride + 1
    columns = max(width - window + stride - 1, 0) // stride + 1
    for row in range(rows):
        for column in range(columns):
            bottom = min(row * stride + window, height)
            right = min(column * stride + window, width)
            expected.append((max(bottom - window, 0), max(right - window, 0)))
    assert plan.corners == expected
    assert len(plan) == len(expected)


@given(st.integers(1, 120), st.integers(1, 120), windows_and_strides)
def test_every_pixel_is_covered(
    height: int, width: int, shape: tuple[int, int]
) -> None:
    plan = plan_windows(height, width, window=shape[0], stride=shape[1])
    covered = np.zeros((height, width), int)
    for top, left in plan.corners:
        bottom, right = top + plan.window_height, left + plan.window_width
        assert bottom <= height
        assert right <= width
        covered[top:bottom, left:right] += 1
    assert covered.min() >= 1


def test_the_last_window_ends_at_the_border() -> None:
    plan = plan_windows(336, 500, window=224, stride=112)
    assert plan.tops == (0, 112)
    assert plan.lefts == (0, 112, 224, 276)


def test_a_small_image_gets_one_small_window() -> None:
    plan = plan_windows(100, 50, window=224, stride=112)
    assert plan.corners == [(0, 0)]
    assert (plan.window_height, plan.window_width) == (100, 50)


def test_a_thin_image_gets_low_windows() -> None:
    plan = plan_windows(10, 50, window=20, stride=15)
    assert plan.tops == (0,)
    assert plan.lefts == (0, 15, 30)
    assert (plan.window_height, plan.window_width) == (10, 20)


def test_a_window_of_0_is_the_whole_image() -> None:
    plan = plan_windows(30, 50, window=0, stride=7)
    assert plan.corners == [(0, 0)]
    assert (plan.window_height, plan.window_width) == (30, 50)


def test_a_stride_beyond_the_window_is_refused() -> None:
    with pytest.raises(InputError, match='stride 33 is larger than'):
        plan_windows(100, 100, window=32, stride=33)


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 800))
def test_the_working_size_is_the_published_one(
    height: int, width: int, detail: int
) -> None:
    # The rescaling of the published pipeline, for a scale (2048, detail).
    factor = min(2048 / max(height, width), detail / min(height, width))
    expected = [int(side * factor + 0.5) for side in (height, width)]
    assert working_size(height, width, detail=detail, max_side=2048) == tuple(
        max(1, side) for side in expected
    )


@pytest.mark.parametrize(
    ('size', 'expected'),
    [
        ((336, 448), (336, 448)),
        ((375, 500), (336, 448)),
        ((100, 150), (336, 504)),
        ((1024, 2048), (336, 672)),
        ((300, 6000), (102, 2048)),
        ((1, 5000), (1, 2048)),
    ],
)
def test_working_sizes(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert working_size(*size, detail=336, max_side=2048) == expected


@pytest.mark.parametrize(
    ('size', 'expected'), [((2, 5), (5, 13)), ((5, 2), (13, 5))]
)
def test_half_a_pixel_is_rounded_up(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    # 12.5, which rounding to even would make 12.
    assert working_size(*size, detail=5, max_side=2048) == expected


def test_no_detail_keeps_the_size() -> None:
    assert working_size(5000, 3, detail=None, max_side=2048) == (5000, 3)


@pytest.mark.parametrize(
    ('size', 'reduction', 'expected'),
    [
        ((100, 50), 1, (100, 50)),
        ((100, 50), 2.5, (40, 20)),
        ((5, 7), 2, (3, 4)),
        ((100, 50), 0.5, (200, 100)),
        ((10, 10000), 100, (1, 100)),
        ((3000, 9), 0.1, (30000, 90)),
    ],
)
def test_a_reduction_wins_over_detail_and_the_longest_side(
    size: tuple[int, int], reduction: float, expected: tuple[int, int]
) -> None:
    settings = Settings(detail=336, max_side=2048, reduction=reduction)
    plan = plan_image(*size, settings, window=0, stride=1)
    assert (plan.height, plan.width) == expected


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({}, (64, (0, 32, 36))),
        ({'stride': 20}, (64, (0, 20, 36))),
        ({'window': 50}, (50, (0, 25, 50))),
        ({'window': 50, 'stride': 50}, (50, (0, 50))),
        ({'window': 0}, (100, (0,))),
    ],
)
def test_settings_win_over_what_suits_the_model(
    options: dict[str, int], expected: tuple[int, tuple[int, ...]]
) -> None:
    settings = Settings(detail=None, **options)
    plan = plan_image(100, 100, settings, window=64, stride=32)
    assert (plan.window_height, plan.tops) == expected


@given(
    st.integers(1, 60),
    windows_and_strides,
    st.integers(1, 60),
    st.integers(1, 8),
    st.data(),
)
def test_a_part_is_all_that_pixels_depend_on(
    length: int,
    shape: tuple[int, int],
    target: int,
    grid: int,
    data: st.DataObject,
) -> None:
    start = data.draw(st.integers(0, target - 1))
    stop = data.draw(st.integers(start + 1, target))
    plan = plan_windows(length, length, window=shape[0], stride=shape[1])
    part = plan.part((target, target), Region(start, start, stop, stop))
    assert part.rows == part.columns
    # The windows with any weight in the whole matrix.
    windows, matrix = token_block(
        plan.tops, plan.window_height, grid, (length, target), 0, target
    )
    weights = matrix.reshape(target, len(windows), grid).any(axis=2)
    used = [set(np.flatnonzero(row) + windows.start) for row in weights]
    needed = set().union(*used[start:stop])
    assert part.rows == range(min(needed), max(needed) + 1)

    covered = plan.covered((target, target), part)
    assert list(range(covered.top, covered.bottom)) == [
        pixel for pixel, each in enumerate(used) if each <= set(part.rows)
    ]
