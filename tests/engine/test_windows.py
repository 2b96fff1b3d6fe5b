"""Where the windows lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.windows import plan_windows

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
