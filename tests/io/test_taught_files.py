"""Which files hold what a class was taught by, and which say they do not."""

from __future__ import annotations

import pytest

from napari_naclip.engine.class_state import ListState
from napari_naclip.engine.taught import Example, Teaching
from napari_naclip.io.class_files import read_classes, write_classes
from napari_naclip.io.last_list import CONFIG_VARIABLE, load_last, save_last

EXAMPLE = Example.of([0.25, -1], [0.1, 0], 50, 'model')


@pytest.fixture
def state() -> ListState:
    state = ListState.from_text('sky; tree, bush; odd')
    taught = Teaching((EXAMPLE, EXAMPLE), 0.7)
    state = state.with_row(2, teaching=taught)
    return state.with_row(3, teaching=taught, prompts=())


def test_json_holds_examples(state, tmp_path) -> None:
    path = tmp_path / 'list.json'
    assert write_classes(path, state) == ()
    assert ListState.from_drafts(read_classes(path)).rows == state.rows


@pytest.mark.parametrize(('name', 'left'), [('a.csv', 3), ('a.txt', 2)])
def test_other_files_say_that_examples_are_lost(
    state, tmp_path, name, left
) -> None:
    notices = write_classes(tmp_path / name, state)
    assert 'JSON' in notices[0]
    rows = read_classes(tmp_path / name)
    assert len(rows) == left
    assert not any(row.teaching for row in rows)


def test_examples_survive_a_restart(state, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path))
    save_last(state)
    found = load_last()
    assert found is not None
    assert found.rows == state.rows
