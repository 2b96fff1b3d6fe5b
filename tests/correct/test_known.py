"""What the model labeled, where 0 may be background or nothing."""

from __future__ import annotations

import numpy as np

from napari_naclip.correct.known import find_known

MODEL = np.array([[0, 1, 2], [0, 0, 3]], np.uint8)


def test_without_background_zero_was_never_written() -> None:
    known, is_sure = find_known(MODEL, [], has_background=False)
    np.testing.assert_array_equal(known, MODEL > 0)
    assert is_sure
    assert find_known(MODEL + 1, [], has_background=False) == (None, True)


def test_with_background_only_its_parts_are_sure() -> None:
    assert find_known(MODEL, [], has_background=True) == (None, False)
    mask = np.array([[True], [False]])
    parts = [
        ((slice(1, 2), slice(0, 1)), None),
        ((slice(0, 2), slice(0, 1)), mask),
    ]
    known, is_sure = find_known(MODEL, parts, has_background=True)
    assert is_sure
    np.testing.assert_array_equal(known, [[1, 1, 1], [1, 0, 1]])
    whole = [((slice(None), slice(None)), None)]
    assert find_known(MODEL, whole, has_background=True) == (None, True)
