"""Prompts that do not look English are told apart from names and Latin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_naclip.engine.language import describe_foreign, find_foreign
from napari_naclip.engine.prompts import parse_classes
from napari_naclip.io.presets import list_presets


@pytest.mark.parametrize(
    'prompt',
    [
        'Himmel',
        'ein roter Ball',
        'Stra\u00dfe',
        'gr\u00fcn',
        'le ciel',
        'for\u00eat',
        'cielo azul',
        '\u00e1rboles',
        'campo con una vaca',
        '\u043d\u0435\u0431\u043e',
        '\u6728',
        '\uac74\ubb3c',
        '\u03bf\u03c5\u03c1\u03b1\u03bd\u03cc\u03c2',
        'tree and \u6c34',
        # Decomposed, as file names of macOS are.
        'fore\u0302t',
    ],
)
def test_what_is_not_english(prompt: str) -> None:
    assert find_foreign(['sky', prompt]) == (prompt,)


@pytest.mark.parametrize(
    'prompt',
    [
        'tree',
        'a die on the table',
        'van',
        'Canis lupus',
        'Homo sapiens in vivo',
        'os sacrum',
        'corpus luteum',
        'A. thaliana',
        'Costa del Sol',
        'Los Angeles',
        'El Ni\u00f1o',
        'Schr\u00f6dinger',
        'M\u00fcller glia',
        'M\u00f6bius strip',
        'caf\u00e9 terrace',
        'na\u00efve T cells',
        '\u03b2-tubulin',
        '\u03b1 and \u03b2 cells',
        '50 \u00b5m scale bar',
        '\u212b',
        'CO\u2082 bubble',
        '1\u00ba floor',
        'sans serif letters',
        'sugar cane',
        '\U0001f333 tree',
        '5 \u00d7 5 grid',
    ],
)
def test_names_and_latin_pass(prompt: str) -> None:
    assert find_foreign([prompt]) == ()


@pytest.mark.parametrize('preset', list_presets(), ids=lambda each: each.key)
def test_the_lists_of_the_package_pass(preset) -> None:
    assert find_foreign(preset.class_list().queries) == ()


@given(st.lists(st.text(max_size=20), max_size=5))
def test_any_text_is_looked_at(prompts: list[str]) -> None:
    found = find_foreign(prompts)
    assert [each for each in prompts if each in found] == list(found)


def test_a_hint_names_some() -> None:
    assert describe_foreign(()) == ''
    assert describe_foreign(('Baum',)).startswith("'Baum' does not look")
    prompts = [row[0] for row in parse_classes('Baum; Himmel; Haus; eau')]
    assert describe_foreign(find_foreign(prompts)).startswith(
        "'Baum', 'Himmel', 'Haus', 1 more do not look English"
    )
