"""Templates, contrast words and hints on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_naclip.engine.contrast import CONTRAST_WORDS
from napari_naclip.io.template_sets import load_template_set

DEMO = ('--classes', 'sand; water', '--model', 'demo', '-o', 'out.tif')


@pytest.mark.parametrize('name', ['plain', 'mine.txt', 'imagenet'])
def test_templates_reach_the_recipe_by_content(run, photo, name) -> None:
    Path('mine.txt').write_text('# mine\na map of {}.\n', encoding='utf-8')
    done = run('segment', photo, *DEMO, '--templates', name)
    assert done.status == 0
    recipe = json.loads(Path('out.json').read_bytes())['recipe']
    expected = ('a map of {}.',)
    if name != 'mine.txt':
        expected = load_template_set(name).setting
    kept = recipe['settings']['templates']
    assert kept == (None if expected is None else list(expected))


def test_wrong_templates_cost_no_model(run, photo, no_model, names) -> None:
    Path('mine.txt').write_text('{}\na map\n', encoding='utf-8')
    before = names()
    error = run('segment', photo, *DEMO, '--templates', 'mine.txt').error
    assert error.startswith("mine.txt: Line 2: The template 'a map' needs {}")
    error = run('segment', photo, *DEMO, '--templates', 'no').error
    assert error.startswith("'no' is neither a template set nor a file.")
    assert names() == before


def test_a_class_that_is_alone_is_compared(run, photo) -> None:
    alone = ('--classes', 'sand', '--model', 'demo', '--overwrite')
    done = run('segment', photo, *alone, '-o', 'out.tif')
    assert done.status == 0
    assert done.err.startswith("note: 'sand' is the only class and is ")
    rows = json.loads(Path('out.json').read_bytes())['recipe']['classes']
    assert rows[0]['prompts'] == list(CONTRAST_WORDS)
    done = run('segment', photo, *alone, '--no-contrast', '-o', 'out.tif')
    assert 'so that it covers everything' in done.err
    rows = json.loads(Path('out.json').read_bytes())['recipe']['classes']
    assert [row['name'] for row in rows] == ['sand']


def test_a_word_that_is_not_english_is_told(run, photo) -> None:
    words = ('--classes', 'sand; Wasser', '--model', 'demo', '-o', 'out.tif')
    done = run('segment', photo, *words)
    assert done.status == 0
    assert "note: 'Wasser' does not look English" in done.err
