"""What one snapshot leaves of another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel

from napari_naclip.engine.types import Region, Settings
from napari_naclip.layers import regions, snapshot
from napari_naclip.layers.read import take_snapshots
from napari_naclip.layers.snapshot import PlaneSnapshot

SIZE = (7, 9)


def whole(*, is_transposed: bool = False) -> PlaneSnapshot:
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros(SIZE[:: -1 if is_transposed else 1]))
    if is_transposed:
        viewer.dims.order = (1, 0)
    (plane,) = take_snapshots(image, viewer, Settings(detail=None))
    assert plane.size == SIZE
    return plane


PLANES = {each: whole(is_transposed=each) for each in (False, True)}


@st.composite
def parts(draw, plane: PlaneSnapshot = PLANES[False]) -> PlaneSnapshot:
    """Draw a plane, a rectangle of it, or a shape."""
    if draw(st.integers(0, 4)) == 0:
        return plane
    top, left = draw(st.integers(0, 6)), draw(st.integers(0, 8))
    region = Region(
        top,
        left,
        draw(st.integers(top + 1, 7)),
        draw(st.integers(left + 1, 9)),
    )
    mask = None
    if draw(st.booleans()):
        rows, columns = region.size
        cells = draw(
            st.lists(
                st.booleans(), min_size=rows * columns, max_size=rows * columns
            )
        )
        mask = np.array(cells).reshape(region.size)
        if not mask.any():
            mask = None
    return replace(plane, region=region, mask=mask, is_cut=draw(st.booleans()))


def meant(part: PlaneSnapshot | None) -> np.ndarray:
    """Return which pixels of the plane are meant."""
    found = np.zeros(SIZE, bool)
    if part is not None:
        found[part.area.slices] = True if part.mask is None else part.mask
    return found


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_each_pixel_is_of_the_last(data: st.DataObject) -> None:
    plane = PLANES[data.draw(st.booleans())]
    made = [
        data.draw(parts(plane)) for _ in range(data.draw(st.integers(2, 4)))
    ]
    first, *others = made
    left: PlaneSnapshot | None = first
    expected = meant(first)
    for other in others:
        if left is None:
            break
        is_met = (meant(left) & meant(other)).any()
        assert left.meets(other) == other.meets(left) == is_met
        before, left = left, left.without(other)
        expected &= ~meant(other)
        np.testing.assert_array_equal(meant(left), expected)
        assert (left is None) == (not expected.any())
        if np.array_equal(meant(left), meant(before)):
            assert left is before
        if left is not None and first.is_cut:
            # Another region would be another picture.
            assert left.region == first.region


def test_a_strip_is_no_larger_than_it_must_be() -> None:
    own = replace(PLANES[False], region=Region(0, 0, 5, 8))
    left = own.without(replace(own, region=Region(0, 1, 7, 9)))
    assert left is not None
    assert left.region == Region(0, 0, 5, 1)
    assert left.mask is None


@pytest.mark.parametrize(
    ('gone', 'expected'),
    [
        (Region(0, 0, 2, 9), Region(2, 0, 7, 9)),
        (Region(3, 0, 7, 9), Region(0, 0, 3, 9)),
        (Region(0, 0, 7, 4), Region(0, 4, 7, 9)),
        (Region(0, 8, 7, 9), Region(0, 0, 7, 8)),
        (Region(0, 0, 7, 9), None),
    ],
)
def test_a_rectangle_takes_no_mask(
    monkeypatch: pytest.MonkeyPatch, gone: Region, expected: Region | None
) -> None:
    monkeypatch.setattr(snapshot, '_MOST_LEFT', 0)
    own = PLANES[False]
    left = own.without(replace(own, region=gone))
    assert (None if left is None else left.region) == expected
    assert left is None or left.mask is None


@given(
    cells=st.lists(st.booleans(), min_size=63, max_size=63),
    rows=st.integers(1, 8),
)
def test_a_mask_is_trimmed_to_what_it_holds(
    cells: list[bool], rows: int
) -> None:
    mask = np.array(cells).reshape(SIZE)
    mask[3, 4] = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regions, '_ROWS', rows)
        region, left = regions.trim_region(Region(10, 20, 17, 29), mask)
    again = np.zeros(SIZE, bool)
    at = Region(
        region.top - 10,
        region.left - 20,
        region.bottom - 10,
        region.right - 20,
    )
    again[at.slices] = True if left is None else left
    np.testing.assert_array_equal(again, mask)
    inner = mask[at.slices]
    for axis in (0, 1):
        assert inner.any(axis=axis)[[0, -1]].all()
    assert (left is None) == inner.all()


def test_no_mask_becomes_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, '_MOST_LEFT', 62)
    own = PLANES[False]
    other = replace(own, region=Region(2, 2, 4, 4))
    assert own.without(other) is None
    monkeypatch.setattr(snapshot, '_MOST_LEFT', 63)
    assert own.without(other) is not None
