"""A clean-up into a result: edits, locks and what changed meanwhile stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from napari.layers import Labels

from napari_naclip.layers.labels import Result
from napari_naclip.layers.tidied import write_clean


def plane_of(values: int = 3):
    return arrays.arrays('u1', (4, 5), elements=st.integers(0, values))


def finish(steps):
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


@pytest.mark.parametrize('kind', ['numpy', 'zarr'])
@settings(deadline=None, max_examples=50)
@given(
    written=plane_of(),
    before=plane_of(),
    after=plane_of(),
    meanwhile=plane_of(1),
    locked=st.frozensets(st.integers(0, 3)),
)
def test_only_what_may_change_does(
    kind, written, before, after, meanwhile, locked
) -> None:
    # A pixel that got another value since the clean-up began.
    now = np.where(meanwhile == 1, (before + 1) % 4, before)
    data = np.zeros((2, 4, 5), np.uint8)
    data[1] = now
    if kind == 'zarr':
        zarr = pytest.importorskip('zarr')
        data = zarr.array(data)
    model = np.zeros((2, 4, 5), np.uint8)
    model[1] = written
    layer = Labels(data)
    result = Result(None, layer, {}, model)
    plane = (1, slice(None), slice(None))
    changed, kept = finish(
        write_clean(result, plane, before, after, lambda: locked)
    )
    values = list(locked)
    wanted = (now == before) & (before != after)
    is_edited = now != written
    is_locked = np.isin(now, values) | np.isin(after, values)
    moves = wanted & ~is_edited & ~is_locked
    expected = np.where(moves, after, now)
    np.testing.assert_array_equal(np.asarray(layer.data[1]), expected)
    assert not np.asarray(layer.data[0]).any()
    assert (changed, kept) == (moves.sum(), (wanted & is_edited).sum())
