"""PAMR row after row and step after step, against shifted copies in numpy."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_naclip.engine import affinities, refine_plan, shifts
from napari_naclip.engine.affinities import Affinities
from napari_naclip.engine.errors import OutOfMemoryError
from napari_naclip.engine.models import Model
from napari_naclip.engine.refine import (
    Refiner,
    refine_in_place,
)
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.shifts import Pixels, Planes
from napari_naclip.engine.store import budgets
from napari_naclip.engine.types import ClassList, Settings


def shifted(image: np.ndarray, dilation: int) -> np.ndarray:
    """Return the (9, C, H, W) copies of (C, H, W), center in the middle."""
    _, height, width = image.shape
    reach = ((0, 0), (dilation, dilation), (dilation, dilation))
    padded = np.pad(image, reach, mode='edge')
    return np.stack(
        [
            padded[:, dy : dy + height, dx : dx + width]
            for dy in (0, dilation, 2 * dilation)
            for dx in (0, dilation, 2 * dilation)
        ]
    )


def neighbors(image: np.ndarray, dilations: tuple[int, ...]) -> np.ndarray:
    """Return the (8 * dilations, C, H, W) copies without the center."""
    return np.concatenate(
        [np.delete(shifted(image, each), 4, axis=0) for each in dilations]
    )


def plain_pamr(
    guide: np.ndarray, maps: np.ndarray, dilations: tuple[int, ...], steps: int
) -> np.ndarray:
    guide, maps = guide.astype(float), maps.astype(float)
    samples = np.concatenate([shifted(guide, each) for each in dilations])
    spread = samples.std(axis=0, ddof=1)
    differences = np.abs(neighbors(guide, dilations) - guide)
    affinity = (-differences / (1e-8 + 0.1 * spread)).mean(axis=1)
    weights = np.exp(affinity - affinity.max(axis=0))
    weights /= weights.sum(axis=0)
    for _ in range(steps):
        maps = (neighbors(maps, dilations) * weights[:, None]).sum(axis=0)
    return maps


def random_pair(
    height: int, width: int, maps: int = 3
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a guide (3, H, W) and maps (maps, H, W)."""
    generator = torch.Generator().manual_seed(0)
    guide = torch.randn(3, height, width, generator=generator)
    return guide, torch.randn(maps, height, width, generator=generator)


def run(
    guide: torch.Tensor,
    maps: torch.Tensor,
    dilations: tuple[int, ...],
    steps: int,
) -> torch.Tensor:
    refined = maps.clone()
    for _ in refine_in_place(refined, Affinities(guide, dilations), steps):
        pass
    return refined


@pytest.fixture(params=['whole', 'stream'])
def way(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Let small pictures be refined in either way, in blocks of few rows."""
    if request.param == 'stream':
        force_stream(monkeypatch)
    return request.param


def force_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        refine_plan.Plan, 'whole_bytes', property(lambda _: sys.maxsize)
    )
    for layout in (Planes, Pixels):
        monkeypatch.setattr(layout, 'pixels_at_once', 1)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([1, 3, 9]),
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from([(1,), (3,), (1, 2, 4), (8, 16)]),
    st.integers(1, 4),
)
def test_steps_are_means_of_shifted_copies(
    count: int,
    height: int,
    width: int,
    dilations: tuple[int, ...],
    steps: int,
) -> None:
    guide, maps = random_pair(height, width, count)
    expected = plain_pamr(guide.numpy(), maps.numpy(), dilations, steps)
    result = run(guide, maps, dilations, steps)
    np.testing.assert_allclose(result, expected, atol=2e-4)


def test_a_picture_with_edges() -> None:
    generator = np.random.default_rng(0)
    guide = np.zeros((3, 40, 30), np.float32)
    guide[:, :, 15:] = 2
    guide += 0.05 * generator.standard_normal(guide.shape)
    maps = generator.random((2, 40, 30)).astype(np.float32)
    expected = plain_pamr(guide, maps, (1, 2, 4), 10)
    result = run(
        torch.from_numpy(guide), torch.from_numpy(maps), (1, 2, 4), 10
    )
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_weights_sum_to_one() -> None:
    guide, _ = random_pair(20, 15)
    weights = Affinities(guide, (8, 16)).rows(0, 20)
    torch.testing.assert_close(weights.sum(dim=0), torch.ones(20, 15))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_weights_do_not_depend_on_how_rows_are_cut(
    data: st.DataObject,
) -> None:
    height = data.draw(st.integers(1, 30))
    width = data.draw(st.integers(1, 70))
    dilations = data.draw(st.sampled_from([(1,), (3, 5), (1, 2, 4, 8)]))
    guide, _ = random_pair(height, width)
    whole = Affinities(guide, dilations).rows(0, height)
    top = data.draw(st.integers(0, height - 1))
    bottom = data.draw(st.integers(top + 1, height))
    with pytest.MonkeyPatch.context() as patch:
        at_once = data.draw(st.integers(1, 5)) * width
        patch.setattr(affinities, '_PIXELS_AT_ONCE', at_once)
        part = Affinities(guide, dilations).rows(top, bottom)
    assert torch.equal(part, whole[:, top:bottom])


def test_rows_of_the_picture_are_asked_for_once() -> None:
    guide, _ = random_pair(60, 7)
    asked: list[int] = []

    def read(top: int, bottom: int) -> torch.Tensor:
        asked.extend(range(top, bottom))
        return guide[:, top:bottom]

    weights = Affinities(read, (1, 4), (60, 7))
    found = [weights.rows(top, top + 10) for top in range(0, 60, 10)]
    assert asked == list(range(60))
    whole = Affinities(guide, (1, 4)).rows(0, 60)
    assert torch.equal(torch.cat(found, dim=1), whole)
    with pytest.raises(TypeError, match='size'):
        Affinities(read, (1, 4))


def test_a_constant_picture_averages_its_neighbors() -> None:
    guide = torch.full((3, 9, 9), 0.3)
    maps = torch.zeros(1, 9, 9)
    maps[0, 4, 4] = 8.0
    expected = torch.zeros(1, 9, 9)
    expected[0, 2:7:2, 2:7:2] = 1.0
    expected[0, 4, 4] = 0.0
    torch.testing.assert_close(run(guide, maps, (2,), 1), expected)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_bit_depends_on_other_maps_or_on_the_way(
    data: st.DataObject,
) -> None:
    height = data.draw(st.integers(1, 60))
    width = data.draw(st.integers(1, 40))
    dilations = data.draw(st.sampled_from([(1,), (2, 3), (1, 8), (8, 16)]))
    steps = data.draw(st.integers(1, 4))
    count = data.draw(st.integers(1, 20))
    guide, maps = random_pair(height, width, maps=count)
    whole = run(guide, maps, dilations, steps)
    chosen = data.draw(st.integers(0, count - 1))
    stop = data.draw(st.integers(chosen + 1, count))
    heights = data.draw(st.lists(st.integers(1, 25), max_size=8))
    block, least = data.draw(st.integers(1, 900)), data.draw(st.integers(1, 9))
    with pytest.MonkeyPatch.context() as patch:
        for layout in (Planes, Pixels):
            patch.setattr(layout, 'pixels_at_once', block)
        patch.setattr(refine_plan, '_LEAST_ROWS', least)
        patch.setattr(refine_plan, '_GROUP', data.draw(st.integers(1, 20)))
        if data.draw(st.booleans(), label='row after row'):
            force = property(lambda _: sys.maxsize)
            patch.setattr(refine_plan.Plan, 'whole_bytes', force)
        pieces = cut(maps[chosen:stop].clone(), heights)
        refiner = Refiner(stop - chosen, Affinities(guide, dilations), steps)
        found = torch.cat(
            [each.rows for piece in pieces for each in refiner.add(piece)],
            dim=1,
        )
    assert torch.equal(found, whole[chosen:stop])


def cut(maps: torch.Tensor, heights: list[int]) -> Iterator[torch.Tensor]:
    """Yield the rows of maps in pieces; the rest is the last."""
    for height in heights:
        if height >= maps.shape[1]:
            break
        yield maps[:, :height]
        maps = maps[:, height:]
    yield maps


@pytest.mark.parametrize('maps', [1, 20])
def test_no_bit_depends_on_the_number_of_threads(maps: int, way: str) -> None:
    guide, values = random_pair(120, 301, maps)
    before = torch.get_num_threads()
    try:
        results = []
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(run(guide, values, (8, 16), 2))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0], results[1]), way


def test_where_layouts_differ_all_maps_are_planes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert shifts.rows_layout(1) is Planes
    fused = Pixels.step

    def step(self: Pixels, *arguments: object) -> None:
        fused(self, *arguments)
        arguments[3]._data.mul_(1 + 1e-6)

    monkeypatch.setattr(Pixels, 'step', step)
    shifts._layouts_agree.cache_clear()
    try:
        assert shifts.rows_layout(100) is Planes
    finally:
        shifts._layouts_agree.cache_clear()


def needed_bytes(
    maps: int, size: tuple[int, int], steps: int, dilations: tuple[int, ...]
) -> int:
    """Return about how much memory a refinement takes."""
    plan = refine_plan.Plan(
        maps, size, steps, max(dilations), 8 * len(dilations)
    )
    return plan.bytes


def test_row_after_row_takes_no_more_memory_for_more_rows() -> None:
    few, many = (
        needed_bytes(20, (height, 2048), 10, (8, 16))
        for height in (2048, 16384)
    )
    assert few == many < 250 * 2**20
    # A small picture takes little more than three copies of the maps.
    small = needed_bytes(20, (336, 448), 50, (1, 2, 4, 8, 12, 24))
    assert small < 4 * 20 * 336 * 448 * 4 + 48 * 336 * 448 * 4


def test_too_little_memory_is_told_before_anything_is_done(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = Settings(detail=None, templates=('{}',), refine='fine')
    live = Segmenter(tiny_model, wish).open(np.eye(64, dtype=np.uint8) * 200)
    classes = ClassList.from_text('sky; tree, bush')
    # Classes may come one after the other, the synonyms of one may not.
    needed = needed_bytes(2, (64, 64), 50, (1, 2, 4, 8, 12, 24))
    monkeypatch.setattr(refine_plan, 'free_memory', lambda: needed - 1)
    with pytest.raises(OutOfMemoryError, match='2 words or synonyms'):
        run_to_end(live.answer(classes))
    assert live.features.tokens.done == 0
    monkeypatch.setattr(refine_plan, 'free_memory', lambda: needed)
    run_to_end(live.answer(classes))


def test_free_memory_is_a_part_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert 0 < budgets.free_memory() <= budgets.physical_memory()
    told = tmp_path / 'meminfo'
    monkeypatch.setattr(budgets, '_MEMORY_FILE', told)
    assert budgets.free_memory() == budgets.physical_memory()
    told.write_text('MemTotal:  9 kB\nMemAvailable:   12 kB\n')
    if sys.platform != 'win32':
        assert budgets.free_memory() == 12 * 1024


def test_row_after_row_holds_no_copy_of_the_maps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    force_stream(monkeypatch)
    guide, maps = random_pair(400, 3)
    refiner = Refiner(3, Affinities(guide, (1, 4)), 5)
    taken = given = 0
    for piece in maps.split(8, dim=1):
        taken += piece.shape[1]
        for refined in refiner.add(piece):
            given += refined.rows.shape[1]
            # Each of 5 steps is a block of 8 behind, and a block is in work.
            assert taken - given <= 6 * 8
    assert given == 400


def test_a_band_with_its_halo_is_the_whole_bit_for_bit(way: str) -> None:
    guide, maps = random_pair(60, 7)
    dilations, steps = (1, 3), 4
    whole = run(guide, maps, dilations, steps)
    margin = steps * max(dilations)
    outer = slice(20 - margin, 30 + margin)
    band = run(guide[:, outer], maps[:, outer], dilations, steps)
    assert torch.equal(band[:, margin:-margin], whole[:, 20:30]), way
    # One row less is not enough.
    outer = slice(20 - margin + 1, 30 + margin)
    band = run(guide[:, outer], maps[:, outer], dilations, steps)
    assert not torch.equal(band[:, margin - 1 : -margin], whole[:, 20:30])


def test_work_done_is_reported(way: str) -> None:
    guide, maps = random_pair(40, 30)
    steps = refine_in_place(maps, Affinities(guide, (1,)), 3)
    done = list(steps)
    assert len(done) >= 3, way
    assert done == sorted(done)
    assert done[-1] == 1.0
