"""A class into objects, and what is measured of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage.measure import label as find_parts
from skimage.measure import regionprops

from napari_naclip.correct.objects import (
    Splitting,
    measure,
    split,
)
from napari_naclip.engine.errors import InputError


def disks(shape, *circles) -> np.ndarray:
    y, x = np.indices(shape)
    labels = np.zeros(shape, np.uint8)
    for row, column, radius in circles:
        labels[(y - row) ** 2 + (x - column) ** 2 <= radius**2] = 1
    return labels


def test_disks_that_touch_are_parted_where_they_are_narrow() -> None:
    labels = disks((50, 90), (25, 20, 15), (25, 45, 14), (25, 75, 10))
    ids = split(labels, (1,), Splitting(min_distance=6))
    assert ids.dtype == np.int32
    assert ids.max() == 3
    np.testing.assert_array_equal(ids > 0, labels > 0)
    table = measure(ids, labels)
    middles = sorted(table.centroids[:, 1])
    assert middles == pytest.approx([20, 45, 75], abs=1.5)
    # One if the neck does not count.
    whole = split(labels, (1,), Splitting(min_distance=6, neck=0))
    assert whole.max() == find_parts(labels, connectivity=2).max()


@pytest.mark.parametrize('size', [(12, 150), (31, 150), (80, 80)])
def test_a_bar_and_a_plane_are_one_object(size) -> None:
    labels = np.zeros((120, 170), np.uint8)
    labels[5 : 5 + size[0], 7 : 7 + size[1]] = 2
    assert split(labels, (2,), Splitting(min_distance=3)).max() == 1
    assert split(np.full(size, 2), (2,), Splitting()).max() == 1


def test_small_ones_are_left_out_and_small_parts_stay() -> None:
    labels = disks((60, 90), (25, 20, 15), (25, 40, 5), (25, 70, 5))
    parts = split(labels, (1,), Splitting(min_distance=2))
    assert parts.max() == 3
    kept = split(labels, (1,), Splitting(min_distance=2, min_area=150))
    assert kept.max() == 1
    assert kept[25, 40] == kept[25, 20] == 1
    assert kept[25, 70] == 0


@settings(deadline=None)
@given(
    labels=arrays.arrays(
        'u1',
        st.tuples(st.integers(1, 25), st.integers(1, 25)),
        elements=st.sampled_from([0, 1, 1, 1, 2]),
    ),
    distance=st.integers(1, 6),
    least=st.integers(0, 12),
    neck=st.sampled_from([0, 0.5, 0.75, 1]),
    first=st.integers(1, 50),
)
def test_objects_hang_together_and_cover_the_class(
    labels, distance, least, neck, first
) -> None:
    ids = split(labels, (1, 2), Splitting(distance, least, neck), first=first)
    table = measure(ids, labels)
    assert table.ids.tolist() == list(range(first, first + len(table)))
    assert set(np.unique(ids)) - {0} == set(table.ids.tolist())
    for number, value in zip(table.ids, table.values, strict=True):
        own = ids == number
        assert find_parts(own, connectivity=2).max() == 1
        assert (labels[own] == value).all()
    assert (table.pixels >= least).all()
    # Only what hangs together and is too small is left out.
    for value in (1, 2):
        parts = find_parts(labels == value, connectivity=2)
        areas = np.bincount(parts.ravel())
        left = (labels == value) & (areas[parts] >= least)
        np.testing.assert_array_equal((ids > 0) & (labels == value), left)
    for own, region in zip(range(len(table)), regionprops(ids), strict=True):
        assert table.ids[own] == region.label
        assert table.pixels[own] == region.num_pixels
        assert table.centroids[own] == pytest.approx(region.centroid)
        assert tuple(table.boxes[own]) == region.bbox


def test_confidence_is_a_mean_of_what_is_known() -> None:
    ids = np.array([[1, 1, 0, 2], [1, 1, 0, 3]], np.int32)
    labels = np.array([[5, 5, 0, 4], [5, 5, 0, 4]], np.uint8)
    confidence = np.array(
        [[0.5, 1, 0.1, np.nan], [0.75, np.nan, 0.1, 0.25]], np.float16
    )
    table = measure(ids, labels, confidence)
    assert table.confidences == pytest.approx([0.75, np.nan, 0.25], nan_ok=1)
    assert table.values.tolist() == [5, 4, 4]
    assert np.isnan(measure(ids, labels).confidences).all()
    nothing = measure(np.zeros((2, 2), 'i4'), labels)
    assert len(nothing) == 0
    assert nothing.boxes.shape == (0, 4)


def test_can_be_stopped_and_tells_how_far_it_is() -> None:
    labels = disks((40, 80), (20, 20, 8), (20, 60, 8))
    shares: list[float] = []
    split(labels, (1,), Splitting(), tell=shares.append)
    assert shares == [0.5, 1.0]
    ids = split(labels, (1,), Splitting(), is_stopped=lambda: True)
    assert not ids.any()


@pytest.mark.parametrize(
    'wrong', [{'min_distance': 0}, {'min_area': -1}, {'neck': 1.5}]
)
def test_impossible_numbers_are_refused(wrong) -> None:
    with pytest.raises(InputError):
        Splitting(**wrong)
