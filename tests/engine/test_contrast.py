"""A class that is alone is compared with contrast words."""

from __future__ import annotations

import numpy as np
import pytest

from napari_naclip.engine.contrast import (
    CONTRAST_WORDS,
    contrast_words,
    describe_contrast,
    needs_contrast,
    with_contrast,
)
from napari_naclip.engine.language import find_foreign
from napari_naclip.engine.models import load_model
from napari_naclip.engine.segment import segment
from napari_naclip.engine.types import ClassList, Settings


@pytest.mark.parametrize(
    ('text', 'background', 'needed'),
    [
        ('cat', None, True),
        ('cat, kitten', None, True),
        ('cat', '', True),
        ('cat', 'floor', False),
        ('cat; dog', None, False),
        ('cat; dog', '', False),
    ],
)
def test_who_needs_them(text: str, background: str | None, needed) -> None:
    classes = ClassList.from_text(text, background=background)
    assert needs_contrast(classes) == needed
    more = with_contrast(classes)
    assert (more is classes) == (not needed)
    assert more.classes == classes.classes
    assert not needs_contrast(more)
    if needed:
        assert more.background is not None
        assert more.background.value == 0
        assert more.background.prompts == CONTRAST_WORDS
        assert with_contrast(more) is more


def test_own_words_are_left_out() -> None:
    assert 'trees' not in contrast_words(['a tall Tree'])
    assert 'plain surface' not in contrast_words(['lake', 'water surfaces'])
    assert 'water' not in contrast_words(['lake', 'water surfaces'])
    assert contrast_words([]) == CONTRAST_WORDS
    # Every one of them is English and there once.
    assert find_foreign(CONTRAST_WORDS) == ()
    assert len({*CONTRAST_WORDS}) == len(CONTRAST_WORDS)


def test_the_sentence_names_them() -> None:
    classes = with_contrast(ClassList.from_text('tree'))
    text = describe_contrast(classes)
    assert text.startswith("'tree' is the only class and is compared")
    assert 'grass, water.' in text


def test_the_labels_are_those_of_a_background_with_the_words() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    model = load_model('demo', device='cpu')
    settings = Settings(detail=None, templates=('{}',))
    alone = ClassList.from_text('sand')
    result = segment(
        image, with_contrast(alone), model=model, settings=settings
    )
    typed = ClassList.from_text('sand', background=', '.join(CONTRAST_WORDS))
    expected = segment(image, typed, model=model, settings=settings)
    np.testing.assert_array_equal(result.labels, expected.labels)
    assert not any('only class' in notice for notice in result.notices)
    assert result.recipe['classes'][0]['prompts'] == list(CONTRAST_WORDS)
