"""Prompt templates as text."""

from __future__ import annotations

import open_clip
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.templates import (
    IMAGENET_TEMPLATES,
    MAX_TEMPLATES,
    format_templates,
    parse_templates,
)
from napari_naclip.engine.types import Settings

words = st.text(st.characters(exclude_characters='{}#'), max_size=12).map(
    lambda text: ' '.join(text.split())
)
templates = st.tuples(words, words).map(
    lambda parts: ' '.join(f'{parts[0]} {{}} {parts[1]}'.split())
)


def test_the_80_are_those_of_open_clip_in_order() -> None:
    expected = tuple(
        template('{}') for template in open_clip.OPENAI_IMAGENET_TEMPLATES
    )
    assert expected == IMAGENET_TEMPLATES
    assert len(IMAGENET_TEMPLATES) == 80


@given(st.lists(templates, min_size=1, max_size=6, unique=True))
def test_formatted_templates_are_read_as_they_were(lines: list[str]) -> None:
    assert parse_templates(format_templates(lines)) == tuple(lines)


@given(st.text(max_size=60))
def test_any_text_gives_usable_templates_or_an_input_error(text: str) -> None:
    try:
        found = parse_templates(text)
    except InputError as error:
        assert str(error)  # noqa: PT017
    else:
        assert Settings(templates=found).templates == found
        assert len(set(found)) == len(found)


@given(
    st.lists(templates, min_size=1, max_size=5, unique=True),
    st.integers(0, 4),
    st.sampled_from(['a photo', '{} and {}', '{', '{0}']),
)
def test_a_wrong_line_is_named(
    lines: list[str], place: int, wrong: str
) -> None:
    lines.insert(min(place, len(lines)), wrong)
    number = lines.index(wrong) + 1
    with pytest.raises(InputError, match=rf'^Line {number}: .*exactly once'):
        parse_templates(format_templates(lines))


def test_blank_lines_and_comments_are_left_out() -> None:
    text = '# mine\r\n\r\n  a  photo of {}. \r\n#{}\r\n{}'
    assert parse_templates(text) == ('a photo of {}.', '{}')


def test_a_second_one_names_the_first() -> None:
    with pytest.raises(InputError, match=r'Line 3: .*line 1 already'):
        parse_templates('a {}\n\na  {}')


def test_many_wrong_lines_are_counted() -> None:
    with pytest.raises(InputError, match=r'Line 3: .* 2 more lines are wrong'):
        parse_templates('a\nb\nc\nd\ne')


def test_nothing_and_too_many() -> None:
    with pytest.raises(InputError, match='no prompt template'):
        parse_templates('# only a remark')
    lines = (f'{{}} {number}' for number in range(MAX_TEMPLATES + 1))
    with pytest.raises(InputError, match='1000 at most'):
        parse_templates(format_templates(lines))
