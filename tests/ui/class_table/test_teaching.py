"""A taught class in the table: marked, weighed, forgotten, undone."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt

from class_tools import LEFT
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.taught import Example
from napari_naclip.ui.class_table.model import Column

EXAMPLE = Example.of([1, 0], [0, 0], 50, 'model')


def shown(panel, row: int, role=Qt.ItemDataRole.DisplayRole) -> str:
    return panel.table.model().index(row, Column.PROMPTS).data(role)


@pytest.fixture
def taught(panel, cell):
    panel.add_text('sky; tree, bush')
    panel.teach(2, EXAMPLE)
    panel.teach(2, EXAMPLE)
    cell(1, Column.NAME)
    return panel


def test_taught_row_is_marked(taught) -> None:
    assert shown(taught, 0) == 'sky'
    assert shown(taught, 1) == 'tree, bush + 2 examples'
    # What is typed there is the prompts alone.
    assert shown(taught, 1, Qt.ItemDataRole.EditRole) == 'tree, bush'
    tip = shown(taught, 1, Qt.ItemDataRole.ToolTipRole)
    assert 'aught by 2 regions, weight 0.5' in tip
    name = shown(taught, 1, Qt.ItemDataRole.AccessibleTextRole)
    assert '+ 2 examples' in name


def test_controls_follow_the_selection(taught, cell) -> None:
    assert taught.teaching.isVisible()
    assert taught.teaching.weight.value() == 0.5
    cell(0, Column.NAME)
    assert not taught.teaching.isVisible()


def test_weight_changes_the_result_and_is_undone(taught, qtbot) -> None:
    with qtbot.waitSignal(taught.changed):
        taught.teaching.weight.setFocus()
        taught.teaching.weight.selectAll()
        qtbot.keyClicks(taught.teaching.weight, '0.8')
        qtbot.keyClick(taught.teaching.weight, Qt.Key.Key_Return)
    assert taught.rows()[1].teaching.weight == 0.8
    assert taught.rows()[1].teaching.examples == (EXAMPLE, EXAMPLE)
    taught.table.setFocus()
    qtbot.keyClick(
        taught.table, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier
    )
    assert taught.rows()[1].teaching.weight == 0.5
    assert taught.teaching.weight.value() == 0.5


def test_examples_are_forgotten_and_come_back(taught, qtbot) -> None:
    with qtbot.waitSignal(taught.changed):
        qtbot.mouseClick(taught.teaching.forget_button, LEFT)
    assert not taught.rows()[1].teaching
    assert shown(taught, 1) == 'tree, bush'
    assert not taught.teaching.isVisible()
    taught.table.setFocus()
    keys = Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier
    qtbot.keyClick(taught.table, *keys)
    assert len(taught.rows()[1].teaching.examples) == 2
    # One example more is a step of its own.
    qtbot.keyClick(taught.table, *keys)
    assert len(taught.rows()[1].teaching.examples) == 1


def test_class_of_examples_alone(taught, qtbot) -> None:
    model = taught.table.model()
    assert model.setData(model.index(1, Column.PROMPTS), '')
    assert shown(taught, 1) == '+ 2 examples'
    assert not taught.teaching.weight.isEnabled()
    qtbot.mouseClick(taught.teaching.forget_button, LEFT)
    assert 'no prompt' in taught.status.text()
    assert len(taught.rows()[1].teaching.examples) == 2


def test_unknown_class_is_refused(panel) -> None:
    with pytest.raises(InputError, match='no class'):
        panel.teach(7, EXAMPLE)
    panel.forget(7)
