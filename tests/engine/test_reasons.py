"""Probabilities behind labels equal a plain computation over all classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from napari_naclip.engine import reasons
from napari_naclip.engine.decide import class_queries
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.explain import explain
from napari_naclip.engine.features import DictStore
from napari_naclip.engine.live import LiveSegmentation
from napari_naclip.engine.maps import Maps
from napari_naclip.engine.models import Model, load_model
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import ClassList, Region, Settings

SETTINGS = Settings(detail=None, window=32, stride=16, templates=('{}',))
IMAGE = np.random.default_rng(0).integers(0, 256, (150, 140, 3), np.uint8)
CLASSES = ClassList.from_text(
    'grass; sand, beach; water; sky, clouds, blue; red square'
)
#: Half a step of float16 below 1, and what products in another order differ.
CLOSE = 6e-4


@pytest.fixture(scope='module')
def demo() -> Model:
    return load_model('demo', device='cpu', precision='float32')


@pytest.fixture(scope='module')
def store(demo: Model) -> DictStore:
    """Return the tokens of the image's windows."""
    kept = DictStore()
    run_to_end(Segmenter(demo, SETTINGS, kept).encode(IMAGE))
    return kept


@pytest.fixture
def open_live(demo: Model, store: DictStore) -> Any:
    """Return a function that opens the image, or a region of it."""

    def open_at(region: Region | None = None) -> LiveSegmentation:
        kept = DictStore(store)
        return Segmenter(demo, SETTINGS, kept).open(IMAGE, region)

    return open_at


def plain(
    live: LiveSegmentation, classes: ClassList, settings: Settings
) -> np.ndarray:
    """Return (C, H, W) probabilities, from the maps of all at once."""
    queries = run_to_end(live.queries(classes, settings))
    size = live.region_size
    maps = np.full((len(queries), *size), np.nan, np.float64)
    for piece in live.iter_maps(queries, settings):
        if isinstance(piece, Maps):
            assert np.isnan(maps[:, piece.rows, piece.columns]).all()
            maps[:, piece.rows, piece.columns] = piece.values.numpy()
    assert np.isfinite(maps).all()
    best = np.stack(
        [maps[e.start : e.stop].max(axis=0) for e in class_queries(classes)]
    )
    odds = np.exp(settings.logit_scale * (best - best.max(axis=0)))
    return odds / odds.sum(axis=0)


@hypothesis_settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    refine=st.sampled_from(['off', 'fast']),
    region=st.sampled_from([None, Region(20, 30, 110, 100)]),
    scale=st.sampled_from([20.0, 40.0]),
    has_answer=st.booleans(),
)
def test_maps_are_those_of_all_classes(
    open_live: Any, refine: Any, region: Any, scale: float, has_answer: bool
) -> None:
    live = open_live(region)
    settings = replace(SETTINGS, refine=refine, logit_scale=scale)
    answer = run_to_end(live.answer(CLASSES, settings))
    if not has_answer:
        live.free()
    expected = plain(live, CLASSES, settings)
    for place, row in enumerate(CLASSES.classes):
        heat = run_to_end(reasons.heat_map(live, CLASSES, settings, row.value))
        assert heat.dtype == np.float16
        np.testing.assert_allclose(heat, expected[place], atol=CLOSE)
    found = run_to_end(reasons.survey(live, CLASSES, settings))
    ordered = np.sort(expected, axis=0)
    np.testing.assert_allclose(found.confidence, ordered[-1], atol=CLOSE)
    np.testing.assert_allclose(found.confidence, answer.confidence, atol=CLOSE)
    np.testing.assert_allclose(
        found.margin, ordered[-1] - ordered[-2], atol=2 * CLOSE
    )


def test_a_survey_counts_pixels_and_names_rivals(open_live: Any) -> None:
    live = open_live()
    # Less sharp, so that more than one class is likely.
    settings = replace(SETTINGS, threshold=0.3, logit_scale=8.0)
    classes = ClassList.from_text(CLASSES.to_text(), background='')
    answer = run_to_end(live.answer(classes, settings))
    free = run_to_end(
        open_live().answer(classes, replace(settings, threshold=0.0))
    )
    shares = plain(live, classes, settings)
    order = np.argsort(shares, axis=0)
    found = run_to_end(reasons.survey(live, classes, settings))
    for place, each in enumerate(found.classes):
        assert each.value == classes.classes[place].value
        assert each.won == (free.labels == each.value).sum()
        assert each.labeled == (answer.labels == each.value).sum()
        assert each.second == (order[-2] == place).sum()
        assert each.peak == pytest.approx(shares[place].max(), abs=1e-4)
        at = np.unravel_index(shares[place].argmax(), shares[place].shape)
        rival = order[-1][at]
        assert each.rival == classes.classes[rival].value
        assert each.rival_probability == pytest.approx(
            shares[rival][at], abs=1e-4
        )
        if each.won:
            sure = replace(settings, threshold=each.highest_threshold - 1e-4)
            assert each.value in run_to_end(live.answer(classes, sure)).labels
            sure = replace(settings, threshold=each.highest_threshold + 1e-4)
            assert (
                each.value not in run_to_end(live.answer(classes, sure)).labels
            )


def test_of_equal_classes_the_first_wins_as_in_labels(open_live: Any) -> None:
    live = open_live()
    names = ClassList.from_prompts([f'name {n}'] for n in range(32))
    prompts = [('grass',), ('grass', 'sand'), *[('grass',)] * 30]
    classes = replace(
        names,
        classes=tuple(
            replace(row, prompts=each)
            for row, each in zip(names.classes, prompts, strict=True)
        ),
    )
    answer = run_to_end(live.answer(classes))
    found = run_to_end(reasons.survey(live, classes, SETTINGS)).classes
    for each in found:
        assert each.won == (answer.labels == each.value).sum()
    assert sum(each.won for each in found) == answer.labels.size
    assert sum(each.second for each in found) == answer.labels.size
    # Where sand wins, grass is next; else one more class of its prompt.
    assert found[0].second == found[1].won
    assert found[1].second == found[0].won


class Forgetful(DictStore):
    """A store that keeps nothing."""

    def put(self, key: bytes, tokens: Any) -> None:
        """Forget the tokens of a window."""


def test_nothing_is_held_after_a_look(demo: Model) -> None:
    live = Segmenter(demo, SETTINGS, Forgetful()).open(IMAGE)
    tokens = live.features.tokens
    run_to_end(explain(live, CLASSES, SETTINGS, (75, 60)))
    assert not tokens._held
    held = []
    with live.reading_tokens() as read:
        for index in range(len(tokens) - 1):
            read(index)
            held.append(len(tokens._held))
    # What came along in a batch was there when it was needed.
    assert 0 < max(held) < 16
    assert not tokens._held


@pytest.mark.parametrize('region', [None, Region(20, 30, 110, 100)])
def test_a_pixel_is_explained_by_its_windows(
    open_live: Any, region: Region | None
) -> None:
    live = open_live(region)
    shares = plain(live, CLASSES, SETTINGS)
    queries = run_to_end(live.queries(CLASSES))
    maps = np.empty((len(queries), *live.region_size))
    for piece in live.iter_maps(queries, SETTINGS):
        if isinstance(piece, Maps):
            maps[:, piece.rows, piece.columns] = piece.values
    place = live.features.region
    rng = np.random.default_rng(1)
    spans = class_queries(CLASSES)
    for y, x in rng.integers(0, live.region_size, (12, 2)).tolist():
        found = run_to_end(
            explain(live, CLASSES, SETTINGS, (y + place.top, x + place.left))
        )
        assert found.is_exact
        assert len(found.shares) == 3
        order = np.argsort(-shares[:, y, x])[:3]
        for each, own in zip(found.shares, order, strict=True):
            row = CLASSES.classes[own]
            assert each.value == row.value
            assert each.probability == pytest.approx(
                shares[own, y, x], abs=1e-4
            )
            span = spans[own]
            best = maps[span.start : span.stop, y, x].argmax()
            assert each.prompt == row.prompts[best]


def test_a_refined_pixel_begins_with_its_label(open_live: Any) -> None:
    live, settings = open_live(), replace(SETTINGS, refine='fast')
    answer = run_to_end(live.answer(CLASSES, settings))
    for y, x in [(0, 0), (75, 60), (149, 139), (30, 100)]:
        found = run_to_end(explain(live, CLASSES, settings, (y, x), count=5))
        assert not found.is_exact
        first = found.shares[0]
        assert first.value == answer.labels[y, x]
        assert first.probability == pytest.approx(
            float(answer.confidence[y, x]), abs=CLOSE
        )
        rest = [each.probability for each in found.shares]
        assert rest == sorted(rest, reverse=True)
        assert sum(rest) <= 1 + 1e-6


@pytest.mark.parametrize('has_answered', [True, False])
def test_a_refined_pixel_is_explained_exactly_if_asked(
    open_live: Any, has_answered: bool
) -> None:
    live, settings = open_live(), replace(SETTINGS, refine='fast')
    if has_answered:
        run_to_end(live.answer(CLASSES, settings))
    shares = plain(live, CLASSES, settings)
    values = [row.value for row in CLASSES.competitors]
    for y, x in [(0, 0), (75, 60), (149, 139), (30, 100)]:
        found = run_to_end(
            explain(live, CLASSES, settings, (y, x), count=5, exactly=True)
        )
        assert found.is_exact
        order = np.argsort(-shares[:, y, x], kind='stable')[:5]
        assert [each.value for each in found.shares] == [
            values[place] for place in order
        ]
        np.testing.assert_allclose(
            [each.probability for each in found.shares],
            shares[order, y, x],
            atol=CLOSE,
        )


def test_a_pixel_below_the_threshold_says_so(open_live: Any) -> None:
    live = open_live()
    classes = ClassList.from_text(CLASSES.to_text(), background='')
    sure = replace(SETTINGS, threshold=0.999, logit_scale=8.0)
    assert run_to_end(explain(live, classes, sure, (5, 5))).is_below
    assert not run_to_end(
        explain(live, classes, replace(sure, threshold=0.0), (5, 5))
    ).is_below


def test_one_class_is_certain(open_live: Any) -> None:
    live, classes = open_live(), ClassList.from_text('grass')
    heat = run_to_end(reasons.heat_map(live, classes, SETTINGS, 1))
    found = run_to_end(reasons.survey(live, classes, SETTINGS))
    assert (heat == 1).all()
    assert (found.margin == 1).all()
    pixel = run_to_end(explain(live, classes, SETTINGS, (0, 0)))
    assert [each.value for each in pixel.shares] == [1]


def test_a_class_without_prompts_has_no_map(open_live: Any) -> None:
    with pytest.raises(InputError, match='take part'):
        run_to_end(reasons.heat_map(open_live(), CLASSES, SETTINGS, 99))


def test_a_heat_map_after_an_answer_asks_for_one_class_only(
    open_live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = open_live()
    run_to_end(live.answer(CLASSES, SETTINGS))
    asked: list[int] = []
    real = LiveSegmentation.iter_maps

    def count(self: Any, queries: torch.Tensor, settings: Any) -> Any:
        asked.append(len(queries))
        return real(self, queries, settings)

    monkeypatch.setattr(LiveSegmentation, 'iter_maps', count)
    run_to_end(reasons.heat_map(live, CLASSES, SETTINGS, 2))
    assert asked == [2]
