"""Planes that are read in slices show what the whole array would."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel

from napari_naclip.engine import source as sources
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.source import Source
from napari_naclip.engine.types import Region, Settings
from napari_naclip.layers.picture import Picture
from napari_naclip.layers.plane import LazyPlane
from napari_naclip.layers.read import take_snapshots

FULL = Settings(detail=None)
RNG = np.random.default_rng(0)


def take(data: Any, order: tuple[int, ...], picture: Picture) -> Any:
    """Return what reads the second plane of an image, and of another."""
    viewer = ViewerModel()
    for colormap in ('green', 'magenta'):
        image = viewer.add_image(
            data,
            colormap=colormap,
            blending='additive',
            contrast_limits=(20, 180),
            gamma=0.7,
        )
    viewer.dims.order = order
    viewer.dims.set_point(order[0], 1)
    (snapshot,) = take_snapshots(image, viewer, FULL, picture=picture)
    return snapshot.read()


@settings(max_examples=20, deadline=None)
@given(
    order=st.permutations(range(3)).map(tuple),
    picture=st.builds(
        Picture,
        st.sampled_from(['displayed', 'range', 'percentiles']),
        st.sampled_from(['grey', 'colormap', 'composite']),
    ),
    chunks=st.tuples(*[st.integers(1, 30)] * 3),
    corner=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_slices_are_those_of_the_plane_in_memory(
    order: tuple[int, ...],
    picture: Picture,
    chunks: tuple[int, ...],
    corner: tuple[int, int],
) -> None:
    data = RNG.integers(0, 200, (8, 9, 10)).astype(np.uint16)
    whole = np.asarray(take(data, order, picture))
    with patch.object(sources, 'READ_BYTES', 60):
        lazy = take(da.from_array(data, chunks), order, picture)
    assert (lazy.shape, lazy.dtype) == (whole.shape, whole.dtype)
    part = tuple(slice(start, start + 4) for start in corner)
    np.testing.assert_array_equal(lazy[part], whole[part])
    np.testing.assert_array_equal(np.asarray(lazy), whole)
    for axis, lengths in enumerate(lazy.chunks):
        assert sum(lengths) == whole.shape[axis]


@pytest.mark.parametrize('kind', ['xarray', 'xarray of dask', 'zarr'])
@pytest.mark.parametrize('order', [(0, 1, 2), (1, 2, 0)])
def test_planes_of_other_libraries(
    kind: str, order: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    library = pytest.importorskip(kind.split()[0])
    monkeypatch.setattr(sources, 'READ_BYTES', 60)
    data = RNG.integers(0, 200, (8, 9, 10)).astype(np.uint16)
    chunks = (3, 4, 5)
    if kind == 'zarr':
        array = library.array(data, chunks=chunks)
    else:
        array = library.DataArray(
            data if kind == 'xarray' else da.from_array(data, chunks),
            dims=('z', 'y', 'x'),
        )
    picture = Picture('percentiles', 'composite')
    whole = np.asarray(take(data, order, picture))
    lazy = take(array, order, picture)
    # With numpy beneath it there are no chunks to keep to.
    for axis, lengths in enumerate(() if kind == 'xarray' else lazy.chunks):
        assert sum(lengths) == whole.shape[axis]
        assert len(lengths) > 1
    np.testing.assert_array_equal(lazy[2:5, 1:6], whole[2:5, 1:6])
    np.testing.assert_array_equal(np.asarray(lazy), whole)


@pytest.mark.parametrize('is_transposed', [False, True])
def test_chunks_of_a_part(is_transposed: bool) -> None:
    data = da.zeros((3, 40, 50), chunks=(1, 16, (20, 30)))
    index = (2, slice(10, 35), slice(None))
    plane = LazyPlane(data, index, is_transposed=is_transposed)
    chunks = ((6, 16, 3), (20, 30))
    assert plane.chunks == (chunks[::-1] if is_transposed else chunks)
    assert plane.shape == ((50, 25) if is_transposed else (25, 50))


def test_color_planes() -> None:
    data = RNG.integers(0, 255, (2, 12, 15, 4)).astype(np.uint8)
    viewer = ViewerModel()
    image = viewer.add_image(da.from_array(data, (1, 5, 15, 4)), rgb=True)
    viewer.dims.set_point(0, 1)
    (snapshot,) = take_snapshots(image, viewer, FULL)
    plane = snapshot.read()
    assert (plane.shape, plane.chunks) == (
        (12, 15, 4),
        ((5, 5, 2), (15,)),
    )
    np.testing.assert_array_equal(plane[3:9, 4:10], data[1, 3:9, 4:10])


def test_a_broken_chunk_is_named_while_limits_are_found() -> None:
    def make(block_info: Any = None) -> np.ndarray:
        if block_info and block_info[None]['chunk-location'] == (1, 0, 0):
            raise OSError('the disk is on fire')
        return np.ones((1, 8, 9))

    data = da.map_blocks(make, chunks=((1, 1), (8,), (9,)), dtype=float)
    viewer = ViewerModel()
    image = viewer.add_image(data, contrast_limits=(0, 1))
    snapshots = take_snapshots(
        image, viewer, FULL, scope='all', picture=Picture('range')
    )
    with pytest.raises(InputError, match=r'Rows 0 to 7, .*: the disk is on'):
        snapshots[0].read()


@pytest.mark.parametrize('kind', ['range', 'percentiles'])
def test_limits_of_bands_are_those_of_the_whole(kind: Any) -> None:
    data = RNG.normal(size=(200, 300)).astype(np.float32)
    data[3, 5:8] = np.nan, np.inf, -np.inf
    viewer = ViewerModel()
    image = viewer.add_image(da.from_array(data, (50, 70)))
    (snapshot,) = take_snapshots(image, viewer, FULL, picture=Picture(kind))
    with patch.object(sources, 'READ_BYTES', 20_000):
        assert len(list(snapshot.find_limits())) > 10
    finite = data[np.isfinite(data)].astype(float)
    expected = finite.min(), finite.max()
    if kind == 'percentiles':
        expected = np.percentile(finite, (0.5, 99.5))
    (limits,) = snapshot.describe()['limits']
    np.testing.assert_allclose(limits, expected, rtol=1e-12)


def test_regions_of_a_plane_are_parts_of_its_source() -> None:
    data = RNG.integers(0, 9, (30, 40)).astype(np.uint8)
    plane = LazyPlane(da.from_array(data, (7, 11)), (slice(None),) * 2)
    source = Source(plane)
    area = Region(5, 6, 20, 31)
    with patch.object(sources, 'READ_BYTES', 1):
        parts = list(source.parts(area))
    covered = np.zeros(data.shape, int)
    for part in parts:
        covered[part.slices] += 1
        np.testing.assert_array_equal(source.read(part), data[part.slices])
    assert covered[area.slices].min() == covered.max() == 1
    assert covered.sum() == 15 * 25
