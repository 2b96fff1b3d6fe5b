"""The measure itself: answers known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_naclip.engine.confusion import (
    accuracy,
    class_ious,
    count_confusions,
    mean_iou,
)

TRUTH = np.array([[0, 0, 0, 1]], dtype=np.uint8)
ANSWER = np.array([[0, 0, 1, 1]], dtype=np.uint8)


def test_confusions_have_truth_in_rows():
    expected = [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert count_confusions(TRUTH, ANSWER, 3).tolist() == expected


def test_scores_are_as_computed_by_hand():
    confusions = count_confusions(TRUTH, ANSWER, 3)
    # 2 of 3 and 1 of 2; the third class is nowhere and does not count.
    assert mean_iou(confusions) == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert accuracy(confusions) == pytest.approx(3 / 4)


def test_class_that_is_only_answered_counts_as_wrong():
    confusions = count_confusions(TRUTH, np.full_like(TRUTH, 2), 3)
    assert mean_iou(confusions) == 0
    assert accuracy(confusions) == 0


def test_class_that_is_nowhere_has_no_iou():
    ious = class_ious(count_confusions(TRUTH, ANSWER, 3))
    np.testing.assert_allclose(ious, [2 / 3, 1 / 2, np.nan])


def test_nothing_counted_scores_nothing():
    empty = np.zeros((2, 2), np.int64)
    assert np.isnan([mean_iou(empty), accuracy(empty)]).all()
