"""Editing rows by keys and mouse."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QMimeData, QModelIndex, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QColorDialog,
    QLineEdit,
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
from napari_naclip.engine.class_state import ListState
from napari_naclip.engine.errors import InputError
from napari_naclip.ui.class_table.model import Column
from napari_naclip.ui.class_table.panel import ClassPanel

#: What Qt says about misuse is a failure.
pytestmark = pytest.mark.qt_log_level_fail('WARNING')


@pytest.mark.parametrize('way', ['F2', 'Enter', 'double'])
def test_rename_in_place(qtbot, panel, key, cell, way) -> None:
    panel.add_text('sky; tree')
    cell(1, Column.NAME)
    if way == 'F2':
        key(Qt.Key.Key_F2)
    elif way == 'Enter':
        key(Qt.Key.Key_Return)
    else:
        cell(1, Column.NAME, is_double=True)
    editor = editor_of(panel)
    assert editor.text() == 'tree'
    qtbot.keyClicks(editor, 'oak')
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: names(panel) == ['sky', 'oak'])
    assert panel.rows()[1].prompts == ('tree',)
    assert values(panel) == [1, 2]


def test_edit_prompts_in_place(qtbot, panel, key, cell) -> None:
    panel.add_text('sky')
    cell(0, Column.PROMPTS)
    key(Qt.Key.Key_F2)
    qtbot.keyClicks(editor_of(panel), 'blue sky, "clouds, white"')
    qtbot.keyClick(editor_of(panel), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(panel.rows()[0].prompts) == 2)
    assert panel.rows()[0].prompts == ('blue sky', 'clouds, white')
    assert names(panel) == ['sky']
    shown = panel.table.model().index(0, Column.PROMPTS).data()
    assert shown == 'blue sky, "clouds, white"'


@pytest.mark.parametrize(
    ('column', 'text', 'sentence'),
    [
        (Column.NAME, 'SKY', 'there twice'),
        (Column.NAME, ' ', 'has no name'),
        (Column.PROMPTS, ' ', 'has no prompt'),
        (Column.PROMPTS, 'a,,b', 'empty prompt'),
        (Column.PROMPTS, 'a, A', 'twice'),
    ],
)
def test_a_bad_edit_stays_open(
    qtbot, panel, key, cell, column, text, sentence
) -> None:
    panel.add_text('sky; tree')
    cell(1, column)
    key(Qt.Key.Key_F2)
    qtbot.keyClicks(editor_of(panel), text)
    qtbot.keyClick(editor_of(panel), Qt.Key.Key_Return)
    qtbot.wait(20)
    assert editor_of(panel).text() == text
    assert sentence in panel.status.text()
    assert names(panel) == ['sky', 'tree']
    qtbot.keyClick(editor_of(panel), Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not panel.table.findChildren(QLineEdit))
    assert panel.rows() == ListState.from_text('sky; tree').rows


def test_boxes_by_mouse(panel, cell) -> None:
    panel.add_text('sky; tree')
    cell(0, Column.ON)
    assert [row.is_on for row in panel.rows()] == [False, True]
    assert [row.name for row in panel.class_list().classes] == ['tree']
    cell(1, Column.LOCK)
    assert panel.locked_values() == {2}
    cell(1, Column.ON)
    with pytest.raises(InputError, match='none besides the background'):
        panel.class_list()


def test_boxes_by_keys_for_all_selected_rows(panel, key, cell) -> None:
    panel.add_text('sky; tree; water')
    cell(0, Column.NAME)
    cell(2, Column.NAME, SHIFT)
    key(Qt.Key.Key_Space)
    assert [row.is_on for row in panel.rows()] == [False] * 3
    key(Qt.Key.Key_Z, CTRL)
    assert [row.is_on for row in panel.rows()] == [True] * 3
    key(Qt.Key.Key_Right)
    key(Qt.Key.Key_Right)
    assert panel.table.currentIndex().column() == Column.LOCK
    key(Qt.Key.Key_Return)
    assert panel.locked_values()


@pytest.mark.parametrize('way', ['click', 'space', 'enter'])
def test_color_by_its_dialog(qtbot, panel, key, cell, way) -> None:
    panel.add_text('sky; tree')
    panel.table.setCurrentIndex(panel.table.model().index(1, Column.COLOR))
    if way == 'click':
        cell(1, Column.COLOR)
    else:
        key(Qt.Key.Key_Space if way == 'space' else Qt.Key.Key_Return)
    dialog = panel.table.findChild(QColorDialog)
    assert dialog.windowTitle() == 'Color of tree'
    assert dialog.currentColor() == QColor(panel.rows()[1].color)
    dialog.setCurrentColor(QColor('#12ab34'))
    looks, results = count(panel.appearance_changed), count(panel.changed)
    dialog.accept()
    assert panel.rows()[1].color == '#12ab34'
    assert (len(looks), len(results)) == (1, 0)
    qtbot.waitUntil(lambda: panel.table.findChild(QColorDialog) is None)


def test_delete_removes_the_selected_rows(panel, key, cell) -> None:
    panel.add_text('background; sky; tree; water')
    cell(0, Column.NAME)
    cell(2, Column.NAME, SHIFT)
    key(Qt.Key.Key_Delete)
    assert names(panel) == ['background', 'water']
    assert 'turned off' in panel.status.text()
    cell(1, Column.NAME)
    key(Qt.Key.Key_Delete)
    assert names(panel) == ['background']
    # The keyboard goes on at a row that is there.
    assert panel.table.currentIndex().row() == 0


def test_the_remove_button(qtbot, panel, cell) -> None:
    panel.add_text('sky; tree')
    panel.table.clearSelection()
    qtbot.mouseClick(panel.actions_row.remove, LEFT)
    assert 'No row is selected' in panel.status.text()
    cell(0, Column.NAME)
    qtbot.mouseClick(panel.actions_row.remove, LEFT)
    assert names(panel) == ['tree']


def test_rows_move_by_keys(panel, key, cell) -> None:
    panel.add_text('background; a; b; c')
    cell(3, Column.NAME)
    key(Qt.Key.Key_Up, ALT)
    assert names(panel) == ['background', 'a', 'c', 'b']
    assert panel.table.selected_values() == [3]
    assert panel.table.currentIndex().row() == 2
    key(Qt.Key.Key_Up, ALT)
    key(Qt.Key.Key_Up, ALT)
    assert names(panel) == ['background', 'c', 'a', 'b']
    key(Qt.Key.Key_Down, ALT)
    assert names(panel) == ['background', 'a', 'c', 'b']
    assert values(panel) == [0, 1, 3, 2]
    cell(0, Column.NAME)
    key(Qt.Key.Key_Down, ALT)
    assert names(panel)[0] == 'background'


def test_rows_move_by_dragging(panel) -> None:
    panel.add_text('background; a; b; c')
    model = panel.table.model()
    data = model.mimeData([model.index(1, 0), model.index(1, Column.NAME)])
    move, root = Qt.DropAction.MoveAction, QModelIndex()
    assert model.dropMimeData(data, move, -1, -1, root)
    assert names(panel) == ['background', 'b', 'c', 'a']
    assert model.dropMimeData(data, move, 0, 0, root)
    assert names(panel) == ['background', 'a', 'b', 'c']
    assert not model.dropMimeData(QMimeData(), move, 0, 0, root)
    other = ClassPanel()
    other.add_text('x; y')
    assert not other.table.model().dropMimeData(data, move, 0, 0, root)
    can_drag = Qt.ItemFlag.ItemIsDragEnabled
    assert not model.flags(model.index(0, 0)) & can_drag
    assert model.flags(model.index(1, 0)) & can_drag


def test_the_context_menu_shows_the_keys(panel, cell) -> None:
    panel.add_text('sky; tree')
    cell(1, Column.NAME)
    menu = panel.table.make_menu()
    entries = {
        action.text().split('\t')[0]: action
        for action in menu.actions()
        if not action.isSeparator()
    }
    assert all('\t' in action.text() for action in entries.values())
    assert 'Delete' in entries['Remove'].text()
    entries['Move up'].trigger()
    entries['On or off'].trigger()
    entries['Lock or unlock'].trigger()
    assert names(panel) == ['tree', 'sky']
    assert not panel.rows()[0].is_on
    assert panel.rows()[0].is_locked
    entries['Remove'].trigger()
    assert names(panel) == ['sky']
