"""Smoothing and clean-up of one class or of all, against plain ways."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage.measure import label as find_objects

from napari_naclip.correct import smooth as smooth_module
from napari_naclip.correct.smooth import smooth
from napari_naclip.correct.tidy import CleanUp
from napari_naclip.engine.cleanup import clean, keep_largest
from napari_naclip.engine.errors import InputError

label_arrays = arrays.arrays(
    st.sampled_from(['u1', 'u2']),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    elements=st.integers(0, 3),
)
some_values = st.none() | st.frozensets(st.integers(0, 3))


def vote_plainly(labels, radius, values) -> np.ndarray:
    """Return what each pixel gets, one pixel after the other."""
    height, width = labels.shape
    smoothed = labels.copy()
    for y in range(height):
        for x in range(width):
            around = [
                labels[i, j]
                for i in range(height)
                for j in range(width)
                if (i - y) ** 2 + (j - x) ** 2 <= radius**2
            ]
            votes = np.bincount(around)
            own = labels[y, x]
            best = own if votes[own] == votes.max() else np.argmax(votes)
            if values is None or own in values or best in values:
                smoothed[y, x] = best
    return smoothed


@settings(deadline=None)
@given(labels=label_arrays, radius=st.integers(0, 4), values=some_values)
def test_each_pixel_has_what_most_around_have(labels, radius, values) -> None:
    before = labels.copy()
    smoothed = smooth(labels, radius, values=values)
    assert smoothed.dtype == labels.dtype
    np.testing.assert_array_equal(labels, before)
    np.testing.assert_array_equal(
        smoothed, vote_plainly(labels, radius, values)
    )


def test_pieces_are_the_whole(monkeypatch) -> None:
    labels = np.random.default_rng(0).integers(0, 4, (30, 41)).astype('u1')
    whole = smooth(labels, 3)
    monkeypatch.setattr(smooth_module, '_SIDE', 7)
    np.testing.assert_array_equal(smooth(labels, 3), whole)
    # What is stopped has not gone on.
    np.testing.assert_array_equal(
        smooth(labels, 3, is_stopped=lambda: True), labels
    )


@pytest.mark.parametrize('radius', [-1, smooth_module.MOST_RADIUS + 1])
def test_a_radius_out_of_range_is_refused(radius) -> None:
    with pytest.raises(InputError, match='radius'):
        smooth(np.zeros((2, 2), 'u1'), radius)


def objects_of(labels, value) -> np.ndarray:
    return find_objects(labels == value, connectivity=1)


@settings(deadline=None)
@given(labels=label_arrays, values=some_values)
def test_only_the_largest_object_is_left(labels, values) -> None:
    kept = keep_largest(labels, values)
    assert kept.dtype == labels.dtype
    chosen = set(np.unique(labels).tolist())
    chosen &= chosen if values is None else set(values)
    for value in range(4):
        before = objects_of(labels, value)
        sizes = np.bincount(before.ravel())[1:]
        if value in chosen:
            # The largest is where it was; it may have grown.
            largest = before == 1 + np.argmax(sizes)
            assert (kept[largest] == value).all()
            assert objects_of(kept, value).max() == 1
        else:
            assert (kept[labels == value] == value).all()


@settings(deadline=None)
@given(
    labels=label_arrays,
    least=st.integers(0, 20),
    values=st.frozensets(st.integers(0, 3)),
)
def test_small_objects_of_other_classes_stay(labels, least, values) -> None:
    cleaned = clean(labels, min_object=least, values=values)
    lost = cleaned != labels
    assert np.isin(labels[lost], list(values)).all()
    filled = clean(labels, max_hole=least, values=values)
    assert np.isin(filled[filled != labels], list(values)).all()


def test_a_clean_up_does_all_of_it_in_order() -> None:
    labels = np.random.default_rng(0).integers(0, 3, (40, 40)).astype('u1')
    wanted = CleanUp(radius=2, largest_only=True, min_object=9, max_hole=5)
    expected = keep_largest(smooth(labels, 2))
    expected = clean(clean(expected, min_object=9), max_hole=5)
    np.testing.assert_array_equal(wanted.apply(labels), expected)
    assert not wanted.is_nothing
    assert CleanUp(min_object=1).is_nothing
    assert CleanUp().apply(labels) is labels
