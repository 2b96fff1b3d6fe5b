"""Strips of wide images and groups of classes: the labels of the whole."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from napari_naclip.engine import (
    decision,
    outputs,
    refine_plan,
    refined,
    shifts,
)
from napari_naclip.engine.encoder import Encoder
from napari_naclip.engine.errors import OutOfMemoryError
from napari_naclip.engine.features import DictStore
from napari_naclip.engine.maps import Maps
from napari_naclip.engine.models import Model, load_model
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import (
    REFINEMENTS,
    ClassList,
    Partial,
    Region,
    Segmentation,
    Settings,
)

CLASSES = ClassList.from_text(
    'background; grass, sand, lawn; water; brick; road, street'
)
SIZE = (70, 250)


@pytest.fixture(scope='module')
def demo() -> Model:
    return load_model('demo', device='cpu', precision='float32')


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a refinement reach no further than 8 pixels."""
    monkeypatch.setitem(REFINEMENTS, 'fast', (2, (2, 4)))


def make_image() -> np.ndarray:
    generator = np.random.default_rng(0)
    coarse = torch.from_numpy(generator.random((1, 3, 6, 12)))
    picture = torch.nn.functional.interpolate(coarse, SIZE, mode='bicubic')[0]
    noise = generator.normal(0, 10, (*SIZE, 3))
    values = 255 * picture.permute(1, 2, 0).numpy() + noise
    return np.clip(values, 0, 255).astype(np.uint8)


IMAGE = make_image()
SETTINGS = Settings(
    window=32,
    stride=16,
    detail=None,
    templates=('{}',),
    refine='fast',
)


@pytest.fixture(scope='module')
def store() -> DictStore:
    """Return what keeps the tokens for all tests."""
    return DictStore()


def run(
    model: Model,
    store: Any,
    region: Region | None = None,
    first: Region | None = None,
) -> tuple[list[Partial], Segmentation]:
    """Return the previews and the result."""
    segmenter = Segmenter(model, SETTINGS, store)
    steps = segmenter.open(IMAGE, region).answer(CLASSES, first=first)
    seen: list[Partial] = []
    while True:
        try:
            item = next(steps)
        except StopIteration as stop:
            return seen, stop.value
        if isinstance(item, Partial):
            seen.append(item)


def assert_same(one: Segmentation, other: Segmentation) -> None:
    np.testing.assert_array_equal(one.labels[...], other.labels[...])
    np.testing.assert_array_equal(one.confidence[...], other.confidence[...])


def assert_each_pixel_once(
    previews: list[Partial], plain: np.ndarray, region: Region
) -> None:
    count = np.zeros(SIZE, int)
    for each in previews:
        count[each.region.slices] += 1
        rows, columns = each.region.within(region)
        np.testing.assert_array_equal(each.labels, plain[rows, columns])
    assert (count[region.slices] == 1).all()
    assert count.sum() == np.prod(region.size)


@given(
    left=st.integers(0, 9999),
    width=st.integers(1, 30_000),
    refinement=st.sampled_from(['fast', 'fine']),
)
def test_strips_cover_a_region_once_at_places_of_the_image(
    left: int, width: int, refinement: Any
) -> None:
    region = Region(3, left, 8, left + width)
    most = refined.COLUMNS[refinement]
    strips = refined.cut(region, refinement)
    edges = [strips[0].left, *(each.right for each in strips)]
    assert edges == sorted({*edges})
    assert edges[0] == left
    assert edges[-1] == left + width
    assert {(each.top, each.bottom) for each in strips} == {(3, 8)}
    if width <= 2 * most:
        assert len(strips) == 1
    else:
        assert all(each % most == 0 for each in edges[1:-1])
        assert max(np.diff(edges)) <= most


@hypothesis_settings(max_examples=12, deadline=None)
@given(
    columns=st.integers(5, 60),
    most=st.integers(1, 9),
    is_tallied=st.booleans(),
    is_kept=st.booleans(),
    edges=st.sampled_from([None, (3, 17, 66, 233)]),
    first=st.sampled_from([None, (20, 100, 41, 170), (0, 0, 70, 30)]),
)
def test_strips_and_groups_change_no_bit(
    demo: Model,
    store: DictStore,
    columns: int,
    most: int,
    is_tallied: bool,
    is_kept: bool,
    edges: tuple[int, int, int, int] | None,
    first: tuple[int, int, int, int] | None,
) -> None:
    region = None if edges is None else Region(*edges)
    _, whole = run(demo, store, region)
    plain = run_to_end(
        Segmenter(
            demo, dataclasses.replace(SETTINGS, refine='off'), store
        ).stream(IMAGE, CLASSES, region=region)
    ).labels
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(refined.COLUMNS, 'fast', columns)
        patch.setattr(refine_plan.Plan, 'most_maps', lambda _: most)
        if not is_tallied:
            patch.setattr(decision, 'TALLY_BYTES', 0)
        previews, result = run(
            demo,
            store if is_kept else Nowhere(),
            region,
            None if first is None else Region(*first),
        )
    assert_same(result, whole)
    assert len(np.unique(whole.labels)) > 2
    assert_each_pixel_once(previews, plain, region or Region(0, 0, *SIZE))


class Nowhere:
    """A store that keeps nothing."""

    def get(self, _key: bytes) -> None:
        return None

    def put(self, _key: bytes, _tokens: Any) -> None:
        pass

    def begin(self) -> Nowhere:
        return self


def test_groups_on_the_disk_change_no_bit(
    demo: Model,
    store: DictStore,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    _, whole = run(demo, store)
    monkeypatch.setenv('NAPARI_NACLIP_CACHE', str(tmp_path))
    monkeypatch.setenv(outputs.OUTPUT_VARIABLE, '0')
    monkeypatch.setattr(outputs, 'CHUNK', (16, 24))
    monkeypatch.setattr(decision, 'TALLY_BYTES', 0)
    monkeypatch.setattr(refine_plan.Plan, 'most_maps', lambda _: 2)
    _, result = run(demo, store)
    assert outputs.is_on_disk(result.labels)
    assert_same(result, whole)


def test_maps_of_strips_are_those_of_the_whole(
    demo: Model, store: DictStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = Segmenter(demo, SETTINGS, store).open(IMAGE)
    queries = run_to_end(live.queries(CLASSES))

    def maps() -> torch.Tensor:
        whole = torch.full((len(queries), *SIZE), torch.nan)
        for piece in live.iter_maps(queries, SETTINGS):
            if isinstance(piece, Maps):
                assert whole[:, piece.rows, piece.columns].isnan().all()
                whole[:, piece.rows, piece.columns] = piece.values
        return whole

    expected = maps()
    monkeypatch.setitem(refined.COLUMNS, 'fast', 33)
    assert torch.equal(maps(), expected)


def test_maps_come_in_strips_that_fit(
    demo: Model, store: DictStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = Segmenter(demo, SETTINGS, store).open(IMAGE)
    features = live.features
    monkeypatch.setattr(refined, '_LEAST_COLUMNS', 16)
    monkeypatch.setitem(refined.COLUMNS, 'fast', 128)
    whole = refined.Strip(features, 'fast', features.region).plan(9)
    for free, expected in (
        (whole.bytes, 1),
        (whole.bytes - 1, 4),
        (whole.bytes // 4, 8),
        # Nothing fits: that is told when it is begun.
        (0, 16),
    ):
        monkeypatch.setattr(refine_plan, 'free_memory', lambda: free)  # noqa: B023
        strips = refined.cut_to_fit(features, 'fast', features.region, 9)
        assert len(strips) == expected
    assert len(refined.cut_to_fit(features, 'fine', features.region, 9)) == 1


def test_a_strip_looks_at_its_own_windows(
    demo: Model, store: DictStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(refined.COLUMNS, 'fast', 60)
    monkeypatch.setattr(Encoder, '_batch_size', lambda self, plan: 1)
    segmenter = Segmenter(demo, SETTINGS, DictStore())
    live = segmenter.open(IMAGE)
    steps = live.answer(CLASSES, previews=False)
    total = len(live.features.tokens)
    for item in steps:
        if getattr(item, 'refined', 0) > 0.15:
            break
    # The first of 5 strips is nearly done.
    assert live.features.tokens.done < total / 2


class Recorder:
    """A picture that notes which columns of it are read."""

    def __init__(self) -> None:
        self.shape, self.dtype = IMAGE.shape, IMAGE.dtype
        self.read: list[tuple[int, int]] = []

    def __getitem__(self, at: tuple[slice, slice]) -> np.ndarray:
        left, right, _ = at[1].indices(SIZE[1])
        self.read.append((left, right))
        return IMAGE[at]


def test_a_strip_reads_its_own_columns(
    demo: Model, store: DictStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(refined.COLUMNS, 'fast', 60)
    settings = dataclasses.replace(SETTINGS, contrast_limits=(0, 255))
    image = Recorder()
    live = Segmenter(demo, settings, store).open(image)
    # Whether there is anything was looked at.
    image.read.clear()
    result = run_to_end(live.answer(CLASSES, previews=False))
    # The strip, 8 pixels and a window less 1 at each side, and the stride.
    widest = 60 + 2 * (8 + 31) + 16
    assert max(right - left for left, right in image.read) <= widest
    assert min(image.read)[0] == 0
    assert max(right for _, right in image.read) == SIZE[1]
    # All columns again, and no other labels.
    plain = run_to_end(
        live.answer(CLASSES, dataclasses.replace(settings, refine='off'))
    )
    assert (plain.labels != result.labels).any()
    _, expected = run(demo, store)
    assert_same(run_to_end(live.answer(CLASSES)), expected)


def test_as_many_maps_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = functools.partial(
        refine_plan.Plan,
        size=(5000, 2000),
        steps=50,
        reach=24,
        neighbors=48,
    )
    needed = plan(20).bytes
    monkeypatch.setattr(refine_plan, 'free_memory', lambda: needed)
    assert plan(20).most_maps() == 20
    monkeypatch.setattr(refine_plan, 'free_memory', lambda: needed - 1)
    most = plan(20).most_maps()
    assert 10 <= most < 20
    assert plan(most + 1).bytes > 0.75 * needed
    assert plan(most).bytes <= 0.75 * needed
    # Few maps are laid out otherwise, and may take more than some more.
    monkeypatch.setattr(
        refine_plan,
        'rows_layout',
        lambda maps: shifts.Pixels if maps >= 8 else shifts.Planes,
    )
    few = plan(8).bytes * 4 // 3 + 1
    assert plan(7).bytes > plan(8).bytes
    monkeypatch.setattr(refine_plan, 'free_memory', lambda: few)
    assert plan(20).most_maps() == 8
    monkeypatch.setattr(refine_plan, 'free_memory', lambda: 1000)
    assert plan(20).most_maps() == 1
    with pytest.raises(OutOfMemoryError, match='1 words or synonyms'):
        plan(1).check_memory()
