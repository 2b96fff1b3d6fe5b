"""Small objects and holes go to what is around them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage.measure import label as find_objects

from napari_naclip.engine import cleanup
from napari_naclip.engine.cleanup import clean, keep_largest
from napari_naclip.engine.errors import InputError, OutOfMemoryError
from napari_naclip.engine.models import load_model
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import ClassList, Settings


def read(text: str) -> np.ndarray:
    return np.array([[int(c) for c in line] for line in text.split()], 'u1')


def areas(labels: np.ndarray) -> np.ndarray:
    """Return the area of every object, by an independent way."""
    # No label is the background there.
    objects = find_objects(labels.astype(int) + 1, connectivity=1)
    return np.bincount(objects.ravel())[1:]


label_arrays = arrays.arrays(
    st.sampled_from(['u1', 'u2']),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    elements=st.integers(0, 3),
)


@given(labels=label_arrays, least=st.integers(0, 20))
def test_no_small_object_is_left(labels: np.ndarray, least: int) -> None:
    before = labels.copy()
    cleaned = clean(labels, min_object=least)
    np.testing.assert_array_equal(labels, before)
    assert cleaned.dtype == labels.dtype
    left = areas(cleaned)
    assert (left >= least).all() or len(left) == 1
    # What was large enough has not lost a pixel.
    objects = find_objects(labels.astype(int) + 1, connectivity=1)
    large = areas(labels)[objects - 1] >= least
    np.testing.assert_array_equal(cleaned[large], labels[large])
    again = clean(cleaned, min_object=least)
    np.testing.assert_array_equal(again, cleaned)


@given(labels=label_arrays, limit=st.integers(0, 20))
def test_holes_are_filled_and_nothing_else(
    labels: np.ndarray, limit: int
) -> None:
    cleaned = clean(labels, max_hole=limit)
    objects = find_objects(cleaned.astype(int) + 1, connectivity=1)
    for index, area in enumerate(areas(cleaned), 1):
        rows, columns = np.nonzero(objects == index)
        if (
            area >= limit
            or {0, labels.shape[0] - 1} & set(rows)
            or {0, labels.shape[1] - 1} & set(columns)
        ):
            continue
        around = {
            int(cleaned[r + y, c + x])
            for r, c in zip(rows, columns, strict=True)
            for y, x in ((0, 1), (1, 0), (0, -1), (-1, 0))
        } - {int(cleaned[rows[0], columns[0]])}
        assert len(around) > 1
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        np.testing.assert_array_equal(cleaned[edge], labels[edge])


def test_the_longest_border_wins() -> None:
    labels = read("""
        11111122
        11113322
        11113322
        22222222""")
    cleaned = clean(labels, min_object=5)
    # Two sides of 3 beside 2 and two below, against four beside 1: more
    # than either, but not more than both.
    np.testing.assert_array_equal(
        cleaned, np.where(labels == 3, cleaned[1, 4], labels)
    )
    assert cleaned[1, 4] == 1
    labels[1, 7] = 2
    labels[0, 4:6] = 2
    assert clean(labels, min_object=5)[1, 4] == 2


def test_from_large_ones_inward() -> None:
    labels = read("""
        1111111
        1111111
        1123411
        1111111""")
    assert (clean(labels, min_object=2) == 1).all()


def test_a_hole_in_a_hole() -> None:
    labels = read("""
        1111111
        1222221
        1233321
        1231321
        1233321
        1222221
        1111111""")
    np.testing.assert_array_equal(
        clean(labels, max_hole=2)[3], read('1233321')[0]
    )
    assert (clean(labels, max_hole=30) == 1).all()


def test_a_ring_and_what_it_encloses_do_not_change_places() -> None:
    labels = read("""
        11111
        12221
        12121
        12221
        11111""")
    assert (clean(labels, max_hole=9) == 1).all()


def test_a_hole_between_two_classes_stays() -> None:
    labels = read("""
        11122
        11322
        11122""")
    np.testing.assert_array_equal(clean(labels, max_hole=9), labels)


def test_nothing_is_done_for_nothing() -> None:
    labels = read('121 212')
    assert clean(labels) is labels
    assert clean(np.zeros((0, 4), 'u1'), min_object=5).size == 0


@pytest.mark.parametrize('name', ['min_object', 'max_hole'])
def test_sizes_below_zero_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=name):
        Settings(**{name: -1})


def test_an_answer_is_cleaned_and_the_next_is_not() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (80, 90, 3), np.uint8)
    settings = Settings(
        detail=None, window=32, stride=16, templates=('{}',), min_object=200
    )
    model = load_model('demo', device='cpu', precision='float32')
    live = Segmenter(model, replace(settings, min_object=0)).open(image)
    classes = ClassList.from_text('sand; water; grass; brick')
    plain = run_to_end(live.answer(classes))
    cleaned = run_to_end(live.answer(classes, settings))
    assert areas(plain.labels).min() < 200 <= areas(cleaned.labels).min()
    np.testing.assert_array_equal(
        cleaned.labels, clean(plain.labels, min_object=200)
    )
    np.testing.assert_array_equal(cleaned.confidence, plain.confidence)
    assert cleaned.recipe['settings']['min_object'] == 200
    again = run_to_end(live.answer(classes))
    np.testing.assert_array_equal(again.labels, plain.labels)


def test_what_does_not_fit_is_refused(monkeypatch) -> None:
    labels = np.zeros((100, 200), np.uint8)
    labels[40:60, 50:90] = 3
    needed = 8 * labels.size + 300 * (100 + 2 * 20)
    monkeypatch.setattr(cleanup, 'free_memory', lambda: needed)
    assert not clean(labels, min_object=2000).any()
    monkeypatch.setattr(cleanup, 'free_memory', lambda: needed - 1)
    for work in (
        lambda: clean(labels, min_object=2000),
        lambda: clean(labels, max_hole=2000),
        lambda: keep_largest(labels),
    ):
        with pytest.raises(OutOfMemoryError, match='100 x 200'):
            work()
    assert clean(labels) is labels


def test_an_answer_that_cannot_be_cleaned_stays(monkeypatch) -> None:
    image = np.random.default_rng(0).integers(0, 256, (80, 90, 3), np.uint8)
    settings = Settings(
        detail=None, window=32, stride=16, templates=('{}',), min_object=200
    )
    model = load_model('demo', device='cpu', precision='float32')
    live = Segmenter(model, replace(settings, min_object=0)).open(image)
    classes = ClassList.from_text('sand; water; grass; brick')
    plain = run_to_end(live.answer(classes))
    monkeypatch.setattr(cleanup, 'free_memory', lambda: 1000)
    result = run_to_end(live.answer(classes, settings))
    np.testing.assert_array_equal(result.labels, plain.labels)
    assert result.notices[-1].startswith('Small objects and holes are still')
    assert result.recipe == plain.recipe


def test_strips_are_the_whole(monkeypatch) -> None:
    labels = np.random.default_rng(0).integers(0, 3, (20, 17)).astype('u1')
    whole = clean(labels, min_object=6, max_hole=4)
    monkeypatch.setattr(cleanup, '_ROWS', 3)
    strips = clean(labels, min_object=6, max_hole=4)
    np.testing.assert_array_equal(strips, whole)
