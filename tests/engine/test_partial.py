"""Labels that come while windows are still looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_naclip.engine.encoder import Encoder
from napari_naclip.engine.models import Model
from napari_naclip.engine.segment import iter_segment, segment
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import (
    ClassList,
    Partial,
    Progress,
    Region,
    Segmentation,
    Settings,
)

CLASSES = ClassList.from_text('sky; tree, bush; water')
#: 16 x 2 windows of 32 px: three rows of tiles, ready one after the other.
IMAGE = np.random.default_rng(0).integers(0, 256, (272, 40, 3), np.uint8)


def make_settings(**options: Any) -> Settings:
    return Settings(detail=None, templates=('{}',), **options)


def run(
    model: Model, settings: Settings, region: Region | None = None
) -> tuple[list[Progress | Partial], Segmentation]:
    """Return all that a run yields, and its result."""
    steps = iter_segment(
        IMAGE, CLASSES, model=model, settings=settings, region=region
    )
    seen: list[Progress | Partial] = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as stop:
            return seen, stop.value


def partials(seen: list[Progress | Partial]) -> list[Partial]:
    return [item for item in seen if isinstance(item, Partial)]


@pytest.mark.parametrize('region', [None, Region(100, 7, 260, 33)])
def test_every_pixel_comes_once_and_is_final(
    tiny_model: Model, region: Region | None
) -> None:
    seen, result = run(tiny_model, make_settings(), region)
    together = np.zeros(IMAGE.shape[:2], int)
    for partial in partials(seen):
        assert partial.labels.shape == partial.region.size
        assert (together[partial.region.slices] == 0).all()
        together[partial.region.slices] = partial.labels
    area = region or Region(0, 0, 272, 40)
    np.testing.assert_array_equal(together[area.slices], result.labels)
    together[area.slices] = 0
    assert not together.any()


def test_labels_come_before_the_last_window(tiny_model: Model) -> None:
    seen, _ = run(tiny_model, make_settings())
    assert [partial.region for partial in partials(seen)] == [
        Region(0, 0, 128, 40),
        Region(128, 0, 256, 40),
        Region(256, 0, 272, 40),
    ]
    first = seen.index(partials(seen)[0])
    before = seen[first - 1]
    assert isinstance(before, Progress)
    assert (before.stage, before.done, before.total) == ('windows', 16, 32)


def test_rows_wait_for_all_their_windows(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Encoder, '_batch_size', lambda self, plan: 1)
    seen, _ = run(tiny_model, make_settings())
    done = [
        seen[index - 1].done
        for index, item in enumerate(seen)
        if isinstance(item, Partial) and isinstance(seen[index - 1], Progress)
    ]
    # Row 127 is in the windows from row 112, row 255 in those from row 240.
    assert done == [16, 32]


def test_what_comes_early_is_a_copy(tiny_model: Model) -> None:
    steps = iter_segment(
        IMAGE, CLASSES, model=tiny_model, settings=make_settings()
    )
    expected = segment(
        IMAGE, CLASSES, model=tiny_model, settings=make_settings()
    )
    while True:
        try:
            item = next(steps)
        except StopIteration as stop:
            np.testing.assert_array_equal(stop.value.labels, expected.labels)
            return
        if isinstance(item, Partial):
            item.labels[:] = 77


@pytest.mark.parametrize('refine', ['off', 'fast'])
@pytest.mark.parametrize('region', [None, Region(30, 5, 100, 40)])
def test_streaming_changes_nothing(
    tiny_model: Model, refine: Any, region: Region | None
) -> None:
    settings = make_settings(refine=refine)
    _, streamed = run(tiny_model, settings, region)
    segmenter = Segmenter(tiny_model, settings)
    features = run_to_end(segmenter.encode(IMAGE, region))
    apart = run_to_end(segmenter.classify(features, CLASSES))
    at_once = segment(
        IMAGE, CLASSES, model=tiny_model, settings=settings, region=region
    )
    for other in (apart, at_once):
        np.testing.assert_array_equal(other.labels, streamed.labels)
        np.testing.assert_array_equal(other.confidence, streamed.confidence)
        assert other.recipe == streamed.recipe
        assert other.region == streamed.region == region


def test_with_a_refinement_a_preview_comes_early(tiny_model: Model) -> None:
    seen, refined = run(tiny_model, make_settings(refine='fast'))
    plain = segment(IMAGE, CLASSES, model=tiny_model, settings=make_settings())
    assert len(partials(seen)) == 3
    for partial in partials(seen):
        np.testing.assert_array_equal(
            partial.labels, plain.labels[partial.region.slices]
        )
    assert (refined.labels != plain.labels).any()
    stages = [item.stage for item in seen if isinstance(item, Progress)]
    assert stages[-3:] == ['refine'] * 3


def test_a_report_gets_progress_only(tiny_model: Model) -> None:
    seen: list[Progress] = []
    steps = iter_segment(
        IMAGE, CLASSES, model=tiny_model, settings=make_settings()
    )
    run_to_end(steps, seen.append)
    assert all(type(item) is Progress for item in seen)
    assert seen[-1] == Progress('windows', 32, 32)


def test_stored_features_yield_labels_as_well(tiny_model: Model) -> None:
    segmenter = Segmenter(tiny_model, make_settings())
    features = run_to_end(segmenter.encode(IMAGE))
    items = list(segmenter.classify(features, CLASSES))
    assert len(partials(items)) == 3
