"""Regions: every pixel in one, one label in each, and few wrong pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from napari_naclip.correct import grid as grids
from napari_naclip.correct.grid import Grid
from napari_naclip.correct.leads import find_leads
from napari_naclip.correct.regions import MOST_REGIONS, find_regions
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.segmenter import run_to_end
from napari_naclip.engine.types import ClassList, Settings


def check_partition(regions, labels) -> None:
    count = len(regions)
    sizes = np.bincount(regions.ids.ravel(), minlength=count)
    assert regions.ids.dtype == np.int32
    assert len(sizes) == count
    assert (sizes > 0).all()
    np.testing.assert_array_equal(sizes, regions.areas)
    np.testing.assert_array_equal(regions.labels[regions.ids], labels)
    np.testing.assert_array_equal(
        regions.grid_ids, regions.grid.sample(regions.ids)
    )


def test_every_pixel_is_in_one_region_of_its_label(draft, regions) -> None:
    check_partition(regions, draft.result.labels)
    assert len(regions) <= MOST_REGIONS


def test_table_says_what_the_pixels_are(draft, regions) -> None:
    for index in range(len(regions)):
        rows, columns = np.nonzero(regions.ids == index)
        np.testing.assert_allclose(
            regions.centers[index], (rows.mean(), columns.mean())
        )
        assert tuple(regions.boxes[index]) == (
            rows.min(),
            columns.min(),
            rows.max() + 1,
            columns.max() + 1,
        )
        assert regions.mask(index).sum() == regions.areas[index]
        own = draft.result.confidence[rows, columns].astype(float)
        assert regions.confidence[index] == pytest.approx(own.mean())


def test_true_classes_of_regions_are_nearly_the_truth(draft, regions) -> None:
    counts = np.zeros((len(regions), 65), int)
    np.add.at(counts, (regions.ids, draft.truth), 1)
    best = counts.argmax(axis=1)[regions.ids]
    draft_share = (draft.result.labels == draft.truth).mean()
    assert draft_share < 0.9
    assert (best == draft.truth).mean() > 0.97


@hypothesis_settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 99), values=st.integers(1, 9), most=st.integers(1, 30)
)
def test_any_labels_make_regions(
    draft, monkeypatch, seed, values, most
) -> None:
    monkeypatch.setattr(grids, 'GRID_PIXELS', 4000)
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, values, draft.truth.shape).astype(np.uint16)
    labels[:80] = 40_000
    regions = draft.regions(labels, most=most)
    check_partition(regions, labels)
    assert len(regions) <= max(most, len(np.unique(labels)))


def test_coarse_grid_follows_the_labels_of_every_pixel(
    draft, regions, monkeypatch
) -> None:
    monkeypatch.setattr(
        Grid, 'of', classmethod(lambda cls, size: cls(size, 4))
    )
    coarse = draft.regions()
    assert coarse.grid_ids.size < regions.grid_ids.size / 15
    check_partition(coarse, draft.result.labels)


def test_mean_tokens_are_those_under_the_pixels(draft, regions) -> None:
    # The whole picture as one region: no cut, no label.
    one = draft.regions(np.ones(draft.truth.shape, np.uint8), most=1)
    assert len(one) == 1
    mixed = regions.areas @ regions.tokens / regions.areas.sum()
    np.testing.assert_allclose(one.tokens[0], mixed, atol=2e-3)


def test_margin_compares_the_label_with_the_best_other(draft, regions) -> None:
    queries = run_to_end(draft.live.queries(draft.result.classes)).numpy()
    cosines = regions.tokens @ queries.T
    for index, label in enumerate(regions.labels):
        others = np.delete(cosines[index], label - 1)
        margin = cosines[index, label - 1] - others.max()
        assert regions.margins[index] == pytest.approx(margin, abs=1e-5)
        rival = np.delete(np.arange(1, 65), label - 1)[others.argmax()]
        assert regions.rivals[index] == rival
    assert (regions.margins > 0).any()


def test_threshold_is_a_rival() -> None:
    import torch

    classes = ClassList.from_text('background; sky; tree')
    queries = torch.eye(4)[: len(classes.queries)]
    tokens = np.array([[0, 0.5, 0.1, 0], [0, 0.11, 0.1, 0]], np.float32)
    labels = np.array([1, 1])
    free = find_leads(tokens, labels, classes, queries, Settings())
    held = find_leads(
        tokens, labels, classes, queries, Settings(threshold=0.9)
    )
    assert free.margins == pytest.approx([0.4, 0.01], abs=1e-6)
    assert held.margins[1] < 0
    assert held.rivals[1] == 0


def test_labels_of_another_size_are_refused(draft) -> None:
    with pytest.raises(InputError, match='Run again'):
        draft.regions(np.ones((3, 3), np.uint8))


def test_forgotten_tokens_are_looked_at_again(draft, monkeypatch) -> None:
    tokens = draft.live.features.tokens
    tokens.release()
    kept = dict(tokens._store)
    try:
        tokens._store.clear()
        again = draft.regions()
    finally:
        tokens._store.update(kept)
    check_partition(again, draft.result.labels)


def test_plain_picture_has_a_region_for_each_label(draft) -> None:
    from napari_naclip.engine.segmenter import Segmenter

    image = np.full((64, 64, 3), 90, np.uint8)
    image[:2] = 91
    settings = Settings(detail=None, templates=('{}',))
    model = draft.live._encoder.model
    live, result = run_to_end(
        Segmenter(model, settings).stream_live(image, draft.result.classes)
    )
    regions = find_regions(
        live, result.labels, result.confidence, result.classes, settings
    )
    check_partition(regions, result.labels)
