"""The class grammar and the templates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_naclip.engine.errors import InputError
from napari_naclip.engine.prompts import (
    format_classes,
    format_prompts,
    parse_classes,
    parse_prompts,
)

# Carriage returns are line breaks; outer white space belongs to no prompt.
prompt_texts = (
    st.text(min_size=1, max_size=12)
    .map(lambda text: text.replace('\r', '').strip())
    .filter(bool)
)
class_lists = st.lists(
    st.lists(prompt_texts, min_size=1, max_size=4), min_size=1, max_size=5
)


@given(class_lists)
def test_formatted_classes_are_read_as_they_were(
    classes: list[list[str]],
) -> None:
    assert parse_classes(format_classes(classes)) == classes


@given(st.text(alphabet='ab ,;\n"\r', max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        classes = parse_classes(text)
    except InputError:
        return
    assert classes
    assert all(classes)
    assert all(
        prompt and prompt == prompt.strip()
        for prompts in classes
        for prompt in prompts
    )


@pytest.mark.parametrize(
    ('text', 'classes'),
    [
        ('sky', [['sky']]),
        ('sky; tree, bush; water', [['sky'], ['tree', 'bush'], ['water']]),
        ('sky\ntree\r\nbush\rwater', [['sky'], ['tree'], ['bush'], ['water']]),
        ('  sky ;\n tree ,bush  ', [['sky'], ['tree', 'bush']]),
        ('sky;', [['sky']]),
        ('sky; \n\n', [['sky']]),
        ('\n\nsky\n\n\ntree\n', [['sky'], ['tree']]),
        ('"salt, coarse"; b', [['salt, coarse'], ['b']]),
        ('"a; b\nc", d', [['a; b\nc', 'd']]),
        ('"a ""big"" tree"', [['a "big" tree']]),
        ('über; 空, そら', [['über'], ['空', 'そら']]),
    ],
)
def test_a_text_names_classes(text: str, classes: list[list[str]]) -> None:
    assert parse_classes(text) == classes


@pytest.mark.parametrize('text', ['', ' ', '\n \n', '\t'])
def test_a_text_without_a_class_is_refused(text: str) -> None:
    with pytest.raises(InputError, match='no class to look for'):
        parse_classes(text)


@pytest.mark.parametrize(
    ('text', 'number'),
    [
        (';', 1),
        ('; sky', 1),
        ('sky;; tree', 2),
        ('sky; ; tree', 2),
        ('sky;;', 2),
        (', sky', 1),
        ('sky,', 1),
        ('sky, , blue', 1),
        ('sky; tree,\nbush', 2),
        ('""; sky', 1),
        ('sky; "  "', 2),
    ],
)
def test_an_empty_class_or_prompt_is_refused(text: str, number: int) -> None:
    with pytest.raises(InputError, match=f'Class {number} is empty'):
        parse_classes(text)


@pytest.mark.parametrize('text', ['"sky', 'a; "b', '"a" b; c', 'a"b"', '"a"b'])
def test_an_open_quote_is_refused(text: str) -> None:
    with pytest.raises(InputError, match='quotation mark'):
        parse_classes(text)


@given(st.lists(prompt_texts, max_size=4))
def test_formatted_prompts_are_read_as_they_were(prompts: list[str]) -> None:
    assert parse_prompts(format_prompts(prompts)) == prompts


def test_prompts_of_one_class() -> None:
    assert parse_prompts(' ') == []
    assert parse_prompts('a, b; c\n') == ['a', 'b', 'c']
    with pytest.raises(InputError):
        parse_prompts('a,,b')


def test_classes_one_a_line() -> None:
    text = format_classes([['sky'], ['tree', 'bush']], separator='\n')
    assert text == 'sky\ntree, bush'
