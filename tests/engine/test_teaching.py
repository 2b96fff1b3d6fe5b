"""Examples move their class, by their weight, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from napari_naclip.engine.classes import TextClass
from napari_naclip.engine.decide import class_queries
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.explain import explain
from napari_naclip.engine.reasons import heat_map, survey
from napari_naclip.engine.segment import segment
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.taught import UNTAUGHT, Example, Teaching
from napari_naclip.engine.teaching import foreign_notices, taught_queries
from napari_naclip.engine.types import ClassList, Settings

SIZE = 16
weights = st.sampled_from(range(101)).map(lambda percent: percent / 100)


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def vectors(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return unit(rng.normal(size=(count, SIZE))).astype(np.float32)


def example(seed: int = 1, model: str = 'm', center: float = 0.0) -> Example:
    return Example.of(vectors(1, seed)[0], np.full(SIZE, center), 9, model)


def teach(classes: ClassList, name: str, teaching: Teaching) -> ClassList:
    return replace(
        classes,
        classes=tuple(
            replace(each, teaching=teaching) if each.name == name else each
            for each in classes.classes
        ),
    )


CLASSES = ClassList.from_text('sky; tree, bush; water')


@given(weight=weights, count=st.integers(1, 3))
def test_only_the_taught_class_moves(weight: float, count: int) -> None:
    words = torch.from_numpy(vectors(4))
    teaching = Teaching(tuple(example(i) for i in range(1, count + 1)), weight)
    moved = taught_queries(words, teach(CLASSES, 'tree', teaching), 'm')
    for place in (0, 3):
        assert torch.equal(moved[place], words[place])
    assert torch.equal(moved, words) == (weight == 0)


@given(weight=weights)
def test_weight_goes_straight_from_words_to_examples(weight: float) -> None:
    words = torch.from_numpy(vectors(4))

    def at(weight: float) -> torch.Tensor:
        teaching = Teaching((example(),), weight)
        return taught_queries(words, teach(CLASSES, 'tree', teaching), 'm')

    mixed = (1 - weight) * at(0) + weight * at(1)
    torch.testing.assert_close(at(weight), mixed, atol=1e-6, rtol=0)
    # By examples alone, synonyms are one.
    torch.testing.assert_close(at(1)[1], at(1)[2])


def test_taught_class_wins_on_its_example_and_not_everywhere() -> None:
    """Also where all tokens are more alike than any token and word."""
    words, shown = vectors(6, seed=3), np.eye(6, SIZE)
    shared = np.zeros(2 * SIZE)
    shared[-1] = 0.8
    words = np.pad(words, ((0, 0), (0, SIZE)))
    tokens = np.pad(0.6 * shown, ((0, 0), (0, SIZE))) + shared
    classes = ClassList.from_text('a; b; c; d; e; f')
    taught = Example.of(tokens[2], shared, 9, 'm')
    before = tokens @ words.T
    wrong = next(i for i in range(6) if before[2].argmax() != i)
    name = 'abcdef'[wrong]
    classes = teach(classes, name, Teaching((taught,), 1.0))
    queries = taught_queries(
        torch.from_numpy(words.astype(np.float32)), classes, 'm'
    )
    after = tokens @ queries.numpy().T
    assert after[2].argmax() == wrong
    # Elsewhere it has the score of an average word, though the example has
    # a cosine of 0.6 and more with every token.
    others = [i for i in range(6) if i != 2]
    np.testing.assert_allclose(
        after[others, wrong], before[others].mean(axis=1), atol=2e-3
    )


def test_class_without_words_competes() -> None:
    classes = ClassList(
        (
            TextClass('sky', ('sky',), 1),
            TextClass('odd', (), 2, teaching=Teaching((example(),), 0.0)),
        )
    )
    words = torch.from_numpy(vectors(1))
    queries = taught_queries(words, classes, 'm')
    assert [len(each) for each in class_queries(classes)] == [1, 1]
    token = torch.from_numpy(example().token)
    assert queries[1] @ token > queries[0] @ token


def test_classes_without_any_word_compete() -> None:
    classes = ClassList(
        tuple(
            TextClass(str(i), (), i, teaching=Teaching((example(i),)))
            for i in (1, 2)
        )
    )
    queries = taught_queries(torch.empty(0, SIZE), classes, 'm')
    tokens = torch.from_numpy(np.stack([example(1).token, example(2).token]))
    assert (tokens @ queries.T).argmax(dim=1).tolist() == [0, 1]


def test_examples_of_another_model_do_not_count() -> None:
    words = torch.from_numpy(vectors(4))
    teaching = Teaching((example(model='other'),))
    classes = teach(CLASSES, 'tree', teaching)
    assert torch.equal(taught_queries(words, classes, 'm'), words)
    assert 'another model' in foreign_notices(classes, 'm')[0]
    assert foreign_notices(classes, 'other') == []


def test_class_without_words_needs_its_model() -> None:
    alone = TextClass('odd', (), 1, teaching=Teaching((example(),)))
    with pytest.raises(InputError, match='another model'):
        taught_queries(torch.empty(0, SIZE), ClassList((alone,)), 'x')


def test_background_without_words_may_lack_its_model() -> None:
    words = torch.from_numpy(vectors(4))
    rest = TextClass('rest', (), 0, teaching=Teaching((example(),)))
    classes = replace(CLASSES, background=rest)
    assert torch.equal(taught_queries(words, classes, 'x'), words)
    assert "'rest'" in foreign_notices(classes, 'x')[0]
    assert len(taught_queries(words, classes, 'm')) == 5


def test_examples_of_another_length_are_refused() -> None:
    short = Example.of(np.ones(3), np.zeros(3), 9, 'm')
    classes = teach(CLASSES, 'tree', Teaching((example(), short)))
    with pytest.raises(InputError, match=r"'tree' has 3 numbers, .* 16"):
        taught_queries(torch.from_numpy(vectors(4)), classes, 'm')


IMAGE = np.random.default_rng(0).integers(0, 256, (70, 64, 3), np.uint8)
SETTINGS = Settings(detail=None, window=32, stride=16, templates=('{}',))


@hypothesis_settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(st.sampled_from([0.0, 0.3, 1.0]), max_size=4))
def test_later_answers_are_those_of_a_fresh_run(tiny_model, steps) -> None:
    """Whatever was taught before: nothing of it is used again."""
    live = Segmenter(tiny_model, SETTINGS).open(IMAGE)
    seen = example(2, tiny_model.fingerprint)
    lists = [
        CLASSES,
        *(teach(CLASSES, 'water', Teaching((seen,), each)) for each in steps),
    ]
    for classes in lists:
        found = run_to_end(live.answer(classes))
    fresh = segment(IMAGE, lists[-1], model=tiny_model, settings=SETTINGS)
    np.testing.assert_array_equal(found.labels, fresh.labels)
    np.testing.assert_array_equal(found.confidence, fresh.confidence)
    assert found.recipe == fresh.recipe


def test_weight_of_zero_gives_the_words_labels(tiny_model) -> None:
    seen = example(2, tiny_model.fingerprint)

    def labels(weight: float) -> np.ndarray:
        classes = teach(CLASSES, 'water', Teaching((seen,), weight))
        return segment(
            IMAGE, classes, model=tiny_model, settings=SETTINGS
        ).labels

    plain = segment(IMAGE, CLASSES, model=tiny_model, settings=SETTINGS)
    np.testing.assert_array_equal(labels(0), plain.labels)
    assert (labels(1) != plain.labels).any()


def test_foreign_background_does_not_compete_and_is_kept(tiny_model) -> None:
    rest = TextClass('rest', (), 0, teaching=Teaching((example(),)))
    untaught = replace(CLASSES, background=replace(rest, teaching=UNTAUGHT))
    classes = replace(CLASSES, background=rest)
    settings = replace(SETTINGS, threshold=0.3)
    live, found = run_to_end(
        Segmenter(tiny_model, settings).stream_live(IMAGE, classes)
    )
    plain = segment(IMAGE, untaught, model=tiny_model, settings=settings)
    np.testing.assert_array_equal(found.labels, plain.labels)
    np.testing.assert_array_equal(found.confidence, plain.confidence)
    assert found.classes == classes
    assert any("'rest'" in notice for notice in found.notices)
    seen = run_to_end(survey(live, classes, settings))
    assert [each.value for each in seen.classes] == [1, 2, 3]
    why = run_to_end(explain(live, classes, settings, (5, 5)))
    assert {each.value for each in why.shares} == {1, 2, 3}
    with pytest.raises(InputError, match='does not take part'):
        run_to_end(heat_map(live, classes, settings, 0))
