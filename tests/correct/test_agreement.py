"""Agreement, strip by strip, against a plain confusion matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_naclip.correct.agreement import Agreement, compare


@st.composite
def planes(draw):
    shape = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    values = st.integers(0, 4) | st.just(300)
    kinds = st.sampled_from(['u2', 'i4'])
    model, corrected = (
        draw(arrays.arrays(draw(kinds), shape, elements=values))
        for _ in range(2)
    )
    mask = draw(st.none() | arrays.arrays(bool, shape))
    return model, corrected, mask


@settings(deadline=None)
@given(planes=planes(), strip=st.integers(1, 5))
def test_equals_a_confusion_matrix(planes, strip) -> None:
    model, corrected, mask = planes
    *_, agreement = compare(model, corrected, mask, strip=strip)
    chosen = np.ones(model.shape, bool) if mask is None else mask
    matrix = np.zeros((301, 301), int)
    np.add.at(matrix, (model[chosen], corrected[chosen]), 1)
    assert agreement.pixels == matrix.sum()
    assert agreement.left_out == model.size - matrix.sum()
    assert agreement.equal == np.trace(matrix)
    assert agreement.changed == matrix.sum() - np.trace(matrix)
    present = np.flatnonzero(matrix.sum(0) + matrix.sum(1))
    rows = agreement.classes()
    assert [row.value for row in rows] == present.tolist()
    ious = []
    for row in rows:
        both = matrix[row.value, row.value]
        own, other = matrix[row.value].sum(), matrix[:, row.value].sum()
        assert (row.both, row.model, row.corrected) == (both, own, other)
        assert (row.taken, row.given) == (own - both, other - both)
        ious.append(both / (own + other - both))
        assert row.iou == pytest.approx(ious[-1])
    if matrix.any():
        assert agreement.accuracy == np.trace(matrix) / matrix.sum()
        assert agreement.mean_iou == pytest.approx(np.mean(ious))


def test_nothing_agrees_with_nothing() -> None:
    agreement = Agreement()
    assert np.isnan([agreement.accuracy, agreement.mean_iou]).all()
    assert agreement.classes() == ()
