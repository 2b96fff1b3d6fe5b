"""Later answers are those of a fresh run, to the last bit."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from napari_naclip.engine.beyond import Beyond
from napari_naclip.engine.encoder import Encoder
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.features import DictStore
from napari_naclip.engine.models import load_model
from napari_naclip.engine.segment import segment
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import (
    ClassList,
    Partial,
    Progress,
    Region,
    Segmentation,
    Settings,
)

if TYPE_CHECKING:
    from napari_naclip.engine.models import Model

SETTINGS = Settings(detail=None, window=32, stride=16, templates=('{}',))
#: More than one block of queries together.
WORDS = (
    'grass',
    'sand, beach',
    'water',
    'brick',
    'road',
    'sky, clouds, blue',
    *(f'thing {number}' for number in range(14)),
)
IMAGE = np.random.default_rng(0).integers(0, 256, (150, 140, 3), np.uint8)


@pytest.fixture(scope='module')
def demo() -> Model:
    return load_model('demo', device='cpu', precision='float32')


@pytest.fixture(scope='module')
def kept(demo: Model) -> DictStore:
    """Return the tokens of the image's windows."""
    store = DictStore()
    run_to_end(Segmenter(demo, SETTINGS, store).encode(IMAGE))
    return store


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows with each batch that the tower looks at."""
    made: list[int] = []
    encode = Encoder._tokens

    def count(self: Encoder, batch: Any) -> Any:
        made.append(len(batch))
        return encode(self, batch)

    monkeypatch.setattr(Encoder, '_tokens', count)
    return made


def make_list(words: list[str], *, has_background: bool) -> ClassList:
    rows = (['background, wall'] if has_background else []) + words
    return ClassList.from_text('; '.join(rows))


def assert_equal(one: Segmentation, other: Segmentation) -> None:
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.confidence, other.confidence)
    assert one.recipe == other.recipe


@st.composite
def wishes(draw: st.DrawFn) -> tuple[ClassList, Settings]:
    """Return classes and settings as a person changes them."""
    words = draw(
        st.lists(st.sampled_from(WORDS), min_size=2, max_size=20, unique=True)
        | st.integers(2, len(WORDS)).map(lambda count: list(WORDS[:count]))
    )
    classes = make_list(words, has_background=True)
    return classes, replace(
        SETTINGS,
        threshold=draw(st.sampled_from([0.0, 0.1, 0.4])),
        logit_scale=draw(st.sampled_from([40.0, 40.0, 40.0, 100.0])),
        templates=draw(
            st.sampled_from([('{}',), ('{}',), ('{}', 'a photo of {}.')])
        ),
        refine=draw(st.sampled_from(['off', 'off', 'fast'])),
    )


@hypothesis_settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    changes=st.lists(wishes(), min_size=2, max_size=4),
    region=st.sampled_from([None, Region(20, 30, 110, 100)]),
    first=st.sampled_from([None, Region(40, 50, 60, 139)]),
)
def test_later_answers_are_fresh_ones(
    demo: Model,
    kept: DictStore,
    changes: list[tuple[ClassList, Settings]],
    region: Region | None,
    first: Region | None,
) -> None:
    live = Segmenter(demo, SETTINGS, DictStore(kept)).open(IMAGE, region)
    for classes, settings in changes:
        later = run_to_end(live.answer(classes, settings, first=first))
        fresh = Segmenter(demo, settings, DictStore(kept))
        assert_equal(later, run_to_end(fresh.stream(IMAGE, classes, region)))


@pytest.mark.parametrize('region', [None, Region(20, 30, 110, 100)])
def test_a_refinement_comes_and_goes(
    demo: Model, region: Region | None, batches: list[int]
) -> None:
    live = Segmenter(demo, SETTINGS).open(IMAGE, region)
    classes = make_list(list(WORDS[:4]), has_background=False)
    run_to_end(live.answer(classes))
    for refine in ('fast', 'off'):
        settings = replace(SETTINGS, refine=refine)
        later = run_to_end(live.answer(classes, settings))
        fresh = segment(
            IMAGE, classes, model=demo, settings=settings, region=region
        )
        np.testing.assert_array_equal(later.labels, fresh.labels)


def test_no_window_is_looked_at_twice(demo: Model, batches: list[int]) -> None:
    live = Segmenter(demo, SETTINGS).open(IMAGE)
    run_to_end(live.answer(make_list(list(WORDS[:3]), has_background=True)))
    assert batches
    batches.clear()
    for count in (4, 2, 20):
        classes = make_list(list(WORDS[:count]), has_background=True)
        run_to_end(live.answer(classes, replace(SETTINGS, threshold=0.2)))
    assert batches == []


def test_only_windows_that_changed_are_looked_at_again(
    demo: Model, batches: list[int]
) -> None:
    store = DictStore()
    classes = make_list(list(WORDS[:5]), has_background=False)
    run_to_end(Segmenter(demo, SETTINGS, store).stream(IMAGE, classes))
    before, count = sum(batches), len(store)
    changed = IMAGE.copy()
    changed[70, 100] ^= 1
    batches.clear()
    seen: list[Progress] = []
    later = run_to_end(
        Segmenter(demo, SETTINGS, store).stream(changed, classes), seen.append
    )
    assert seen[-1].done - seen[-1].found == 4
    assert seen[-1].found > 0
    # A pixel is in at most nine windows of 32 pixels, 16 apart, here in four.
    assert len(store) == count + 4
    assert 0 < sum(batches) < before
    assert_equal(
        later, segment(changed, classes, model=demo, settings=SETTINGS)
    )


@pytest.mark.parametrize(
    'change',
    [
        {'gaussian_std': 4.0},
        {'strategy': 'kk'},
        {'token_precision': 'float32'},
        {'window': 40},
        {'beyond': Beyond(cross_share=0.3)},
        {'beyond': Beyond(cls_share=-0.3)},
        {'beyond': Beyond(mirror=True)},
        {'beyond': Beyond(second_scale=2)},
    ],
)
def test_other_settings_find_no_tokens(
    demo: Model, kept: DictStore, batches: list[int], change: dict[str, Any]
) -> None:
    settings = replace(SETTINGS, **change)
    store = DictStore(kept)
    count = len(store)
    made = run_to_end(Segmenter(demo, settings, store).encode(IMAGE))
    assert len(store) == count + len(made.tokens)


class ForgetfulStore(DictStore):
    """Forgets at once what it is given, and most of what it had."""

    def get(self, key: bytes, default: Any = None) -> Any:
        return None if key[0] % 3 else super().get(key, default)

    def put(self, key: bytes, tokens: Any) -> None:
        return


def test_what_is_forgotten_is_looked_at_again(
    demo: Model, kept: DictStore, batches: list[int]
) -> None:
    live = Segmenter(demo, SETTINGS, ForgetfulStore(kept)).open(IMAGE)
    for count in (3, 2):
        classes = make_list(list(WORDS[:count]), has_background=True)
        batches.clear()
        later = run_to_end(live.answer(classes))
        assert batches
        assert_equal(
            later, segment(IMAGE, classes, model=demo, settings=SETTINGS)
        )


def test_an_answer_that_is_broken_off_spoils_nothing(
    demo: Model, kept: DictStore
) -> None:
    live = Segmenter(demo, SETTINGS, DictStore(kept)).open(IMAGE)
    few = make_list(list(WORDS[:3]), has_background=True)
    more = make_list(list(WORDS[:4]), has_background=True)
    run_to_end(live.answer(few))
    steps = live.answer(more)
    while not isinstance(next(steps), Partial):
        pass
    steps.close()
    later = run_to_end(live.answer(more))
    fresh = Segmenter(demo, SETTINGS, DictStore(kept))
    assert_equal(later, run_to_end(fresh.stream(IMAGE, more)))


class NoStore(dict[bytes, Any]):
    """Keeps nothing."""

    def put(self, key: bytes, tokens: Any) -> None:
        return

    def begin(self) -> NoStore:
        return self


@pytest.mark.parametrize('first', [None, Region(140, 0, 430, 9)])
@pytest.mark.parametrize('refine', ['off', 'fast', 'fine'])
@pytest.mark.parametrize('way', ['whole', 'rows'])
def test_without_a_store_windows_are_looked_at_once(
    demo: Model,
    batches: list[int],
    monkeypatch: pytest.MonkeyPatch,
    refine: Any,
    first: Region | None,
    way: str,
) -> None:
    if way == 'rows':
        force = property(lambda _: sys.maxsize)
        monkeypatch.setattr(
            'napari_naclip.engine.refine_plan.Plan.whole_bytes', force
        )
    image = np.tile(IMAGE, (3, 2, 1))
    settings = replace(SETTINGS, window=64, stride=32, refine=refine)
    classes = make_list(list(WORDS[:3]), has_background=True)
    results, counts = [], []
    for store in (DictStore(), NoStore()):
        live = Segmenter(demo, settings, store).open(image)
        batches.clear()
        results.append(run_to_end(live.answer(classes, first=first)))
        counts.append(list(batches))
    assert counts[0] == counts[1]
    assert_equal(*results)


def test_what_is_looked_at_first_is_held_only_where_it_is_little(
    demo: Model, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.tile(IMAGE, (3, 1, 1))
    classes = make_list(list(WORDS[:3]), has_background=False)
    counts = []
    for most in (2**20, 0):
        monkeypatch.setattr('napari_naclip.engine.fetch.FIRST_BYTES', most)
        live = Segmenter(demo, SETTINGS, NoStore()).open(image)
        batches.clear()
        run_to_end(live.answer(classes, first=Region(140, 0, 430, 9)))
        counts.append(sum(batches))
    assert counts[0] < counts[1]


def test_nothing_is_looked_at_again_where_all_was_looked_at_first(
    demo: Model, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('napari_naclip.engine.fetch.FIRST_BYTES', 0)
    classes = make_list(list(WORDS[:3]), has_background=False)
    counts = []
    for first in (None, Region(0, 0, *IMAGE.shape[:2])):
        live = Segmenter(demo, SETTINGS, NoStore()).open(IMAGE)
        batches.clear()
        run_to_end(live.answer(classes, first=first))
        counts.append(sum(batches))
    assert counts[0] == counts[1]


@pytest.mark.parametrize('refine', ['off', 'fast'])
def test_what_the_person_looks_at_comes_first(
    demo: Model, refine: Any
) -> None:
    image = np.tile(IMAGE, (3, 3, 1))
    settings = replace(SETTINGS, refine=refine)
    live = Segmenter(demo, settings).open(image)
    classes = make_list(list(WORDS[:3]), has_background=False)
    look = Region(300, 300, 310, 320)
    parts = [
        step
        for step in live.answer(classes, first=look)
        if isinstance(step, Partial)
    ]
    assert parts[0].region.intersection(look) == look
    together = np.zeros(image.shape[:2], int)
    for part in parts:
        assert not together[part.region.slices].any()
        together[part.region.slices] = part.labels
    fresh = segment(image, classes, model=demo, settings=SETTINGS)
    np.testing.assert_array_equal(together, fresh.labels)


@pytest.mark.parametrize('refine', ['off', 'fast'])
def test_no_window_beside_what_is_looked_at_is_run_before_it(
    demo: Model, batches: list[int], refine: Any
) -> None:
    image = np.tile(IMAGE, (1, 4, 1))
    settings = replace(SETTINGS, refine=refine)
    live = Segmenter(demo, settings, DictStore()).open(image)
    classes = make_list(list(WORDS[:3]), has_background=False)
    look = Region(0, 300, 150, 320)
    seen = 0
    for step in live.answer(classes, first=look):
        if isinstance(step, Partial) and step.region.meets(look):
            seen += step.region.intersection(look).size[0]
        if seen == 150:
            break
    # The columns over its pixels, and what a batch is filled up with.
    assert sum(batches) <= len(live.features.tokens) / 6


def test_what_the_model_sees_cannot_change_in_an_answer(
    demo: Model, kept: DictStore
) -> None:
    live = Segmenter(demo, SETTINGS, DictStore(kept)).open(IMAGE)
    classes = make_list(['grass', 'sand'], has_background=False)
    with pytest.raises(InputError, match='gaussian_std, window'):
        run_to_end(
            live.answer(
                classes, replace(SETTINGS, window=40, gaussian_std=1.0)
            )
        )


def test_without_memory_for_a_tally_answers_are_the_same(
    demo: Model, kept: DictStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes = make_list(list(WORDS[:3]), has_background=True)
    expected = segment(IMAGE, classes, model=demo, settings=SETTINGS)
    monkeypatch.setattr('napari_naclip.engine.decision.TALLY_BYTES', 0)
    live = Segmenter(demo, SETTINGS, DictStore(kept)).open(IMAGE)
    for _ in range(2):
        assert_equal(run_to_end(live.answer(classes)), expected)
