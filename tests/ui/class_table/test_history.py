"""Undo, label values and the background row."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import (
    QLineEdit,
    QWidget,
)

from class_tools import (
    ALT,
    CTRL,
    LEFT,
    SHIFT,
    count,
    editor_of,
    names,
    values,
)
from napari_naclip.engine.types import Settings, threshold_from_margin
from napari_naclip.ui.class_table.model import Column
from napari_naclip.ui.class_table.panel import ClassPanel

#: What Qt says about misuse is a failure.
pytestmark = pytest.mark.qt_log_level_fail('WARNING')


def test_everything_is_undone_and_done_again(
    qtbot, panel, key, cell, enter
) -> None:
    enter('sky; tree')
    enter('water')
    cell(0, Column.ON)
    cell(1, Column.LOCK)
    panel.recolor_value(2, '#010203')
    panel.rename_value(2, 'oak')
    cell(2, Column.NAME)
    key(Qt.Key.Key_Up, ALT)
    key(Qt.Key.Key_Delete)
    panel.replace_text('x; y')
    final = panel.rows()
    seen = [final]
    while panel.actions_row.undo.isEnabled():
        assert 'Undo: ' in panel.actions_row.undo.toolTip()
        key(Qt.Key.Key_Z, CTRL)
        seen.append(panel.rows())
    assert len(seen) == 10
    assert panel.rows() == ()
    for rows in reversed(seen[:-1]):
        key(Qt.Key.Key_Z, CTRL | SHIFT)
        assert panel.rows() == rows
    assert not panel.actions_row.redo.isEnabled()


def test_undo_in_the_entry_box(qtbot, panel, enter) -> None:
    enter('sky')
    qtbot.keyClicks(panel.entry, 'tree')
    qtbot.keyClick(panel.entry, Qt.Key.Key_Z, CTRL)
    assert panel.entry.toPlainText() == ''
    assert names(panel) == ['sky']
    # Nothing to undo in the box any more.
    qtbot.keyClick(panel.entry, Qt.Key.Key_Z, CTRL)
    assert names(panel) == []


def test_undo_keys_act_in_the_panel_alone(qtbot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    panel = ClassPanel(window)
    other = QLineEdit(window)
    with qtbot.waitExposed(window):
        window.show()
    window.activateWindow()
    panel.add_text('sky')
    other.setFocus()
    qtbot.keyClick(other, Qt.Key.Key_Z, CTRL)
    assert names(panel) == ['sky']


def test_a_value_is_not_given_again_after_undo(qtbot, panel, key) -> None:
    panel.add_text('sky')
    panel.add_text('tree')
    panel.class_list()
    key(Qt.Key.Key_Z, CTRL)
    panel.add_text('water')
    assert [(r.name, r.value) for r in panel.rows()] == [
        ('sky', 1),
        ('water', 3),
    ]


def test_lists_that_no_run_had_begin_with_one(panel) -> None:
    panel.replace_text('a; b; c')
    panel.replace_text('d; e')
    assert values(panel) == [1, 2]
    panel.add_text('f')
    assert values(panel) == [1, 2, 3]


def test_an_undo_brings_no_painted_value_back_for_another(panel, key) -> None:
    panel.replace_text('a; b; c')
    panel.replace_text('x; y')
    panel.class_list()
    key(Qt.Key.Key_Z, CTRL)
    assert names(panel) == ['a', 'b', 'c']
    assert not set(values(panel)) & {1, 2}
    held = {(row.value, row.name) for row in panel.rows()}
    panel.add_text('d')
    assert not {row.value for row in panel.rows()[3:]} & {1, 2}
    key(Qt.Key.Key_Z, CTRL)
    assert {(row.value, row.name) for row in panel.rows()} == held
    key(Qt.Key.Key_Z, CTRL)
    assert panel.rows() == ()
    for _ in range(2):
        key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert names(panel) == ['a', 'b', 'c', 'd']
    assert not set(values(panel)) & {1, 2}


def test_an_undone_list_is_not_painted_over_either(panel, key) -> None:
    panel.replace_text('a; b')
    panel.replace_text('x; y; z')
    key(Qt.Key.Key_Z, CTRL)
    panel.class_list()
    key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert names(panel) == ['x', 'y', 'z']
    assert not set(values(panel)) & {1, 2}


def test_after_a_run_values_stay_with_their_names(panel) -> None:
    panel.replace_text('a; b; c')
    panel.recolor_value(3, '#010203')
    panel.class_list()
    panel.replace_text('c; d; a')
    assert [(r.name, r.value) for r in panel.rows()] == [
        ('c', 3),
        ('d', 4),
        ('a', 1),
    ]
    assert panel.rows()[0].color == '#010203'


def test_the_background_row_and_the_certainty(
    qtbot, press, panel, key, cell
) -> None:
    panel.add_text('sky; tree')
    settings = Settings()
    assert not panel.margin.isEnabled()
    press(panel.background)
    assert names(panel) == ['background', 'sky', 'tree']
    assert panel.rows()[0].prompts == ()
    assert panel.margin.isEnabled()
    assert panel.threshold(panel.class_list(), settings) == 0
    changes = count(panel.changed)
    panel.margin.setFocus()
    panel.margin.selectAll()
    qtbot.keyClicks(panel.margin, '0.05')
    assert changes
    assert panel.state().margin == 0.05
    assert panel.threshold(panel.class_list(), settings) == pytest.approx(
        threshold_from_margin(0.05, 2, 40)
    )
    cell(0, Column.PROMPTS)
    key(Qt.Key.Key_F2)
    qtbot.keyClicks(editor_of(panel), 'wall, floor')
    qtbot.keyClick(editor_of(panel), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: panel.rows()[0].prompts == ('wall', 'floor'))
    classes = panel.class_list()
    assert classes.background.prompts == ('wall', 'floor')
    assert panel.threshold(classes, settings) == pytest.approx(
        threshold_from_margin(0.05, 4, 40)
    )
    press(panel.background)
    assert panel.class_list().background is None
    assert panel.threshold(panel.class_list(), settings) == 0
    assert not panel.margin.isEnabled()
    cell(0, Column.ON)
    assert panel.background.isChecked()
    assert panel.rows()[0].prompts == ('wall', 'floor')


def test_a_background_that_is_a_class_already(press, panel) -> None:
    panel.add_text('sky; background')
    press(panel.background)
    assert 'there twice' in panel.status.text()
    assert not panel.background.isChecked()
    assert values(panel) == [1, 2]


def test_click_beside_the_box_counts(qtbot, panel) -> None:
    panel.add_text('sky; sea')
    table = panel.table
    for column, states in (
        (Column.LOCK, (True, False)),
        (Column.ON, (False, True)),
    ):
        rect = table.visualRect(table.model().index(1, column))
        place = QPoint(rect.right() - 2, rect.center().y())
        for state in states:
            qtbot.mouseClick(table.viewport(), LEFT, pos=place)
            row = panel.rows()[1]
            assert state == (
                row.is_locked if column == Column.LOCK else row.is_on
            )
        # With a modifier a click is about the selection.
        qtbot.mouseClick(table.viewport(), LEFT, CTRL, place)
        assert panel.rows()[1] == row
    assert panel.rows()[0].is_on
    assert not panel.rows()[0].is_locked


def test_empty_boxes_have_a_frame(qtbot, panel) -> None:
    panel.add_text('sky')
    panel.table.clearSelection()
    index = panel.table.model().index(0, Column.LOCK)
    rect = panel.table.visualRect(index)
    picture = panel.table.viewport().grab(rect).toImage()
    colors = {
        picture.pixelColor(x, picture.height() // 2).name()
        for x in range(2, picture.width() - 2)
    }
    text = panel.table.palette().text().color().name()
    assert text in colors
