"""Read, mapped and resized in bands: the bits of the whole, in no more room."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazy_arrays import ChunkedArray
from napari_naclip.engine import source as sources
from napari_naclip.engine import stream
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.models import Model, load_model
from napari_naclip.engine.pixels import Mapping, resize, to_rgb, value_range
from napari_naclip.engine.resize import Resizing
from napari_naclip.engine.segment import iter_segment, segment
from napari_naclip.engine.source import Source
from napari_naclip.engine.stream import ResizedImage
from napari_naclip.engine.types import (
    ClassList,
    Partial,
    Progress,
    Region,
    Segmentation,
    Settings,
)

CLASSES = ClassList.from_text('grass; sand; water; brick')
SEEN = Settings(
    detail=None,
    window=32,
    stride=16,
    templates=('{}',),
    contrast_limits=(0, 255),
)


@pytest.fixture(scope='module')
def demo() -> Model:
    return load_model('demo', device='cpu', precision='float32')


@pytest.fixture
def tight() -> Iterator[None]:
    """Make every band and all that is kept small."""
    with (
        patch.object(sources, 'READ_BYTES', 4000),
        patch.object(sources, 'LARGEST_READ_BYTES', 20_000),
        patch.object(stream, 'KEPT_BYTES', 20_000),
        patch.object(stream, '_MAKE_BYTES', 3000),
    ):
        yield


def make_image(
    height: int, width: int, channels: int = 3, dtype: str = 'uint8'
) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    values = np.random.default_rng(0).integers(0, 256, shape)
    if dtype.startswith('float'):
        values = values / 255
    return values.astype(dtype)


def spans(length: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.integers(0, length - 1).flatmap(
        lambda start: st.tuples(st.just(start), st.integers(start + 1, length))
    )


@settings(max_examples=150, deadline=None)
@given(
    data=st.data(),
    size=st.tuples(st.integers(1, 60), st.integers(2, 60)),
    target=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    resampling=st.sampled_from(['auto', 'published']),
    channels=st.sampled_from([1, 3, 4]),
    dtype=st.sampled_from(['uint8', 'uint16', 'float16', 'float32', 'int64']),
    gamma=st.sampled_from([1.0, 0.45]),
    chunks=st.none() | st.tuples(st.integers(1, 70), st.integers(1, 70)),
    read=st.sampled_from([1, 300, 3000, 10**6]),
    kept=st.sampled_from([1, 3000, 10**6]),
)
def test_a_part_is_that_of_the_whole(
    data: st.DataObject,
    size: tuple[int, int],
    target: tuple[int, int],
    resampling: Any,
    channels: int,
    dtype: str,
    gamma: float,
    chunks: tuple[int, int] | None,
    read: int,
    kept: int,
) -> None:
    image = make_image(*size, channels, dtype)
    high = 1.0 if dtype.startswith('float') else 255.0
    limits = data.draw(
        st.sampled_from([(0.0, high), (0.2 * high, 0.7 * high)])
    )
    whole = resize(
        to_rgb(image, contrast_limits=limits, gamma=gamma), target, resampling
    )
    with (
        patch.object(sources, 'READ_BYTES', read),
        patch.object(sources, 'LARGEST_READ_BYTES', 2 * read),
        patch.object(stream, 'KEPT_BYTES', kept),
        patch.object(stream, '_MAKE_BYTES', read),
    ):
        resized = ResizedImage(
            Source(ChunkedArray(image, chunks)),
            Mapping(limits, gamma),
            Resizing.between(size, target, resampling),
        )
        for _ in range(4):
            rows, columns = (data.draw(spans(length)) for length in target)
            part = slice(*rows), slice(*columns)
            np.testing.assert_array_equal(resized[part], whole[part])


@given(
    length=st.integers(1, 200),
    chunks=st.none()
    | st.integers(1, 250)
    | st.lists(st.integers(1, 40), min_size=1).map(tuple),
    row_bytes=st.sampled_from([1, 7, 100]),
    read=st.integers(1, 300),
)
def test_what_is_read_ends_where_chunks_do(
    length: int, chunks: Any, row_bytes: int, read: int
) -> None:
    if isinstance(chunks, tuple):
        length = sum(chunks)
    array = ChunkedArray(np.zeros((length, 3)))
    if chunks is not None:
        array.chunks = (chunks, 3)
    with (
        patch.object(sources, 'READ_BYTES', read),
        patch.object(sources, 'LARGEST_READ_BYTES', 3 * read),
    ):
        found = Source(array).row_spans(row_bytes)
    assert [0, *(stop for _, stop in found)] == [
        *(start for start, _ in found),
        length,
    ]
    edges = set(range(0, length, chunks)) if isinstance(chunks, int) else set()
    if isinstance(chunks, tuple):
        edges = {0, *np.cumsum(chunks).tolist()}
    longest = max(1, (3 * read if chunks else read) // row_bytes)
    for start, stop in found:
        assert stop - start <= longest
        if chunks is not None and stop not in edges and stop < length:
            # Within a chunk that is too large to be read at once.
            assert stop - start == longest


@pytest.mark.parametrize('chunks', [None, (10, 10), (64, 7), (7, 200)])
@pytest.mark.parametrize('target', [(90, 80), (41, 30), (20, 30), (120, 100)])
def test_each_pixel_is_read_once_in_a_pass(
    chunks: tuple[int, int] | None, target: tuple[int, int], tight: None
) -> None:
    image = ChunkedArray(make_image(90, 80), chunks)
    resized = ResizedImage(
        Source(image),
        Mapping((0.0, 255.0)),
        Resizing.between((90, 80), target, 'auto'),
    )
    resized.widen(0, target[1])
    for top in range(target[0] - 10):
        for left in (0, target[1] - 20):
            part = resized[top : top + 10, left : left + 20]
            assert part.shape == (10, 20, 3)
    assert (image.reads == 1).all()


def assert_equal(one: Segmentation, other: Segmentation) -> None:
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.confidence, other.confidence)
    assert one.recipe == other.recipe


@pytest.mark.parametrize('refine', ['off', 'fast'])
@pytest.mark.parametrize('reduction', [None, 1.3, 2.5])
def test_labels_of_an_image_that_is_never_whole(
    demo: Model, tight: None, refine: Any, reduction: float | None
) -> None:
    wish = Settings(
        detail=None,
        window=32,
        stride=20,
        templates=('{}',),
        refine=refine,
        reduction=reduction,
        gamma=0.8,
    )
    image = make_image(170, 60, 1, 'uint16')
    whole = segment(image, CLASSES, model=demo, settings=wish)
    lazy = ChunkedArray(image, (16, 16), most=170 * 60 // 4)
    assert_equal(segment(lazy, CLASSES, model=demo, settings=wish), whole)
    assert lazy.reads.max() > 0


def test_arrays_of_other_libraries(demo: Model, tight: None, tmp_path) -> None:
    image = make_image(70, 64)
    whole = segment(image, CLASSES, model=demo, settings=SEEN)
    mapped = np.memmap(
        tmp_path / 'image', image.dtype, 'w+', shape=image.shape
    )
    mapped[:] = image
    others = [
        da.from_array(image, chunks=(17, 30, 3)),
        mapped,
        image.tolist(),
        Source(image),
    ]
    for other in others:
        settings = SEEN
        assert_equal(
            segment(other, CLASSES, model=demo, settings=settings), whole
        )


def test_zarr(demo: Model, tight: None) -> None:
    zarr = pytest.importorskip('zarr', reason='zarr is not installed')
    image = make_image(70, 64)
    whole = segment(image, CLASSES, model=demo, settings=SEEN)
    for options in (
        {'chunks': (16, 20, 3)},
        {'shards': (32, 40, 3), 'chunks': (16, 20, 3)},
    ):
        array = zarr.create_array(
            {}, shape=image.shape, dtype=image.dtype, **options
        )
        array[:] = image
        assert_equal(segment(array, CLASSES, model=demo, settings=SEEN), whole)


@pytest.mark.parametrize('chunks', [None, (17, 30, 3)])
def test_xarray(demo: Model, tight: None, chunks: Any) -> None:
    xarray = pytest.importorskip('xarray', reason='xarray is not installed')
    image = make_image(70, 64)
    whole = segment(image, CLASSES, model=demo, settings=SEEN)
    array = xarray.DataArray(
        image if chunks is None else da.from_array(image, chunks),
        dims=('y', 'x', 'channel'),
        # Names and coordinates must not turn rows or columns around.
        coords={'y': np.arange(70)[::-1], 'x': np.arange(64) * 0.5},
    )
    with patch.object(
        type(array),
        '__array__',
        autospec=True,
        side_effect=type(array).__array__,
    ) as read:
        assert_equal(segment(array, CLASSES, model=demo, settings=SEEN), whole)
    assert read.call_count
    # Slices only, never all of it.
    sizes = [call.args[0].size for call in read.call_args_list]
    assert max(sizes) < image.size


def test_a_region_reads_what_its_windows_see(demo: Model, tight: None) -> None:
    image = ChunkedArray(make_image(400, 300))
    region = Region(200, 150, 230, 170)
    part = segment(image, CLASSES, model=demo, settings=SEEN, region=region)
    rows, columns = np.nonzero(image.reads)
    # Windows of 32 px every 16 px; whole bands of rows are read.
    assert (columns.min(), columns.max() + 1) == (128, 192)
    assert rows.min() >= 176 - 32
    assert rows.max() <= 256 + 32
    assert part.labels.shape == (30, 20)


def collect(
    image: Any, model: Model, settings: Settings
) -> tuple[list[Progress | Partial], Exception]:
    """Return what came until an error, and the error."""
    found: list[Progress | Partial] = []
    steps = iter_segment(image, CLASSES, model=model, settings=settings)
    try:
        while True:
            found.append(next(steps))
    except InputError as error:
        return found, error


def test_what_cannot_be_read_is_named(demo: Model, tight: None) -> None:
    values = make_image(400, 40)
    image = ChunkedArray(values, (50, 40), broken=(320, 5))
    found, error = collect(image, demo, SEEN)
    assert str(error) == (
        'Rows 300 to 349, columns 0 to 39 of the image cannot be read: bad '
        'sector. Check where the image comes from, then run again.'
    )
    assert isinstance(error.__cause__, OSError)
    parts = [each for each in found if isinstance(each, Partial)]
    assert [part.region.bottom for part in parts] == [128, 256]
    whole = segment(values, CLASSES, model=demo, settings=SEEN)
    for part in parts:
        np.testing.assert_array_equal(
            part.labels, whole.labels[part.region.slices]
        )


def test_a_pass_for_the_limits_tells_how_far_it_is(demo: Model, tight) -> None:
    settings = Settings(detail=None, window=32, stride=32, templates=('{}',))
    image = ChunkedArray(make_image(200, 40, 1, 'uint16'), (50, 40))
    steps = iter_segment(image, CLASSES, model=demo, settings=settings)
    with patch.object(stream, 'KEPT_BYTES', 10**6):
        read = [
            step.done
            for step in steps
            if isinstance(step, Progress) and step.stage == 'read'
        ]
    assert read == [50, 100, 150, 200]
    assert (image.reads == 2).all()


def test_an_image_that_changes_meanwhile_is_noticed(tight: None) -> None:
    image = ChunkedArray(make_image(300, 60))
    resized = ResizedImage(
        Source(image),
        Mapping((0.0, 255.0)),
        Resizing.between((300, 60), (300, 60), 'auto'),
    )
    first = resized[:20, :]
    for top in range(0, 280, 20):
        assert resized[top : top + 20, :].shape == (20, 60, 3)
    np.testing.assert_array_equal(resized[:20, :], first)
    assert resized[280:, :].shape == (20, 60, 3)
    image.values[5, 5] += 1
    for top in range(100, 280, 20):
        assert resized[top : top + 20, :].shape == (20, 60, 3)
    with pytest.raises(InputError, match='has changed'):
        resized[:20, :]


@pytest.mark.parametrize('takes_only', [False, True])
def test_an_image_that_changes_between_strips_is_noticed(
    tight: None, *, takes_only: bool
) -> None:
    """Bands of other columns share some with those that were seen."""
    image = ChunkedArray(make_image(60, 600))
    resized = ResizedImage(
        Source(image),
        Mapping((0.0, 255.0)),
        Resizing.between((60, 600), (60, 600), 'auto'),
    )

    def look(left: int, right: int) -> None:
        if takes_only:
            resized.take_only(left, right)
        for top in range(0, 60, 20):
            part = resized[top : top + 20, left:right]
            np.testing.assert_array_equal(
                part, image.values[top : top + 20, left:right]
            )

    look(10, 330)
    # What nobody has seen may be any.
    image.values[:, 400:] //= 2
    look(200, 500)
    image.values[41, 300, 1] ^= 128
    with pytest.raises(InputError, match='has changed'):
        look(190, 520)


@pytest.mark.parametrize(
    ('last', 'message'),
    [
        (None, 'constant: all its pixels have the value 7.0'),
        (np.nan, 'Every finite value of the image is 7'),
        (8, None),
    ],
)
def test_one_pixel_of_the_last_band_counts(
    last: float | None, message: str | None, tight: None
) -> None:
    values = np.full((500, 40), 7, np.float32)
    if last is not None:
        values[-1, -1] = last
    image = ChunkedArray(values, (9, 30), most=40 * 40)
    if message is None:
        assert value_range(image) == (7, 8)
        return
    with pytest.raises(InputError, match=message):
        value_range(image)


def test_nothing_finite_in_any_band(tight: None) -> None:
    values = np.full((500, 40), np.nan)
    with pytest.raises(InputError, match='no finite value'):
        value_range(ChunkedArray(values, most=40 * 40))
