"""The class table as a person uses it; no viewer is needed."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest
from qtpy.QtCore import QMimeData, QModelIndex, QPoint, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QApplication,
    QColorDialog,
    QFileDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QWidget,
)

from napari_naclip.engine.class_state import ListState
from napari_naclip.engine.classes import ClassList
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.types import Settings, threshold_from_margin
from napari_naclip.io.class_files import read_classes
from napari_naclip.io.presets import load_preset
from napari_naclip.ui.class_table.entry import join_cells
from napari_naclip.ui.class_table.model import Column
from napari_naclip.ui.class_table.panel import ClassPanel

#: What Qt says about misuse is a failure.
pytestmark = pytest.mark.qt_log_level_fail('WARNING')

CTRL = Qt.KeyboardModifier.ControlModifier
ALT = Qt.KeyboardModifier.AltModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def panel(qtbot) -> ClassPanel:
    panel = ClassPanel()
    qtbot.addWidget(panel)
    panel.resize(300, 700)
    with qtbot.waitExposed(panel):
        panel.show()
    panel.activateWindow()
    return panel


@pytest.fixture
def enter(qtbot, panel) -> Callable[[str], None]:
    """Return a function that types into the entry box and presses Enter."""

    def type_and_enter(text: str) -> None:
        panel.entry.setFocus()
        qtbot.keyClicks(panel.entry, text)
        qtbot.keyClick(panel.entry, Qt.Key.Key_Return)

    return type_and_enter


@pytest.fixture
def key(qtbot, panel) -> Callable[..., None]:
    """Return a function that presses a key in the table."""

    def press_key(key: Qt.Key, modifier=Qt.KeyboardModifier.NoModifier):
        panel.table.setFocus()
        qtbot.waitUntil(panel.table.hasFocus)
        qtbot.keyClick(panel.table, key, modifier)

    return press_key


@pytest.fixture
def cell(qtbot, panel) -> Callable[..., QPoint]:
    """Return a function that clicks on a cell; near its left edge."""

    def click(row: int, column: Column, modifier=None, *, is_double=False):
        index = panel.table.model().index(row, column)
        rect = panel.table.visualRect(index)
        # A check box is left in its cell, the middle is anything's.
        is_box = column in (Column.ON, Column.LOCK)
        place = rect.center()
        if is_box:
            place = QPoint(rect.left() + 9, rect.center().y())
        press = qtbot.mouseDClick if is_double else qtbot.mouseClick
        modifier = modifier or Qt.KeyboardModifier.NoModifier
        press(panel.table.viewport(), LEFT, modifier, place)

    return click


def names(panel: ClassPanel) -> list[str]:
    return [row.name for row in panel.rows()]


def values(panel: ClassPanel) -> list[int]:
    return [row.value for row in panel.rows()]


def editor_of(panel: ClassPanel) -> QLineEdit:
    (editor,) = panel.table.findChildren(QLineEdit)
    return editor


def count(signal) -> list[int]:
    calls: list[int] = []
    signal.connect(lambda *_: calls.append(1))
    return calls


# Typing and pasting


def test_words_and_enter_add_classes(panel, enter) -> None:
    enter('sky; tree, bush; water')
    assert panel.class_list() == ClassList.from_text('sky; tree, bush; water')
    assert panel.entry.toPlainText() == ''
    assert not panel.status.isVisible()
    enter('"salt, coarse"')
    assert names(panel) == ['sky', 'tree', 'water', 'salt, coarse']


def test_the_button_adds_too(qtbot, panel) -> None:
    qtbot.keyClicks(panel.entry, 'sky')
    qtbot.mouseClick(panel.add, LEFT)
    assert names(panel) == ['sky']


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('tree; SKY', "'SKY' is in the list already"),
        ('tree; Tree', "'Tree' is there twice"),
        ('tree;; bush', 'Class 2 is empty'),
        ('"tree', 'never closed'),
        (' ', 'no class to look for'),
    ],
)
def test_a_bad_entry_says_why_and_stays(panel, enter, text, sentence) -> None:
    panel.add_text('sky')
    enter(text)
    assert names(panel) == ['sky']
    assert sentence in panel.status.text()
    assert panel.status.isVisible()
    assert sentence in panel.status.accessibleName()
    assert panel.entry.toPlainText() == text


def test_a_good_entry_takes_the_sentence_away(panel, enter) -> None:
    enter('a; a')
    panel.entry.selectAll()
    enter('b')
    assert names(panel) == ['b']
    assert not panel.status.isVisible()


@pytest.mark.parametrize(
    ('pasted', 'added'),
    [
        ('sky\ntree, bush\nwater', 'sky; tree, bush; water'),
        ('sky\r\ntree\r\n', 'sky; tree'),
        ('sky\t\r\ntree\tbush\r\n', 'sky; tree, bush'),
    ],
)
def test_a_pasted_list_is_added_at_once(qtbot, panel, pasted, added) -> None:
    panel.entry.setFocus()
    QApplication.clipboard().setText(pasted)
    qtbot.keyClick(panel.entry, Qt.Key.Key_V, CTRL)
    assert panel.class_list() == ClassList.from_text(added)
    assert panel.entry.toPlainText() == ''
    assert panel.actions_row.undo.isEnabled()
    qtbot.mouseClick(panel.actions_row.undo, LEFT)
    assert names(panel) == []


def test_a_pasted_word_waits_for_enter(qtbot, panel) -> None:
    QApplication.clipboard().setText('sky')
    qtbot.keyClick(panel.entry, Qt.Key.Key_V, CTRL)
    assert panel.entry.toPlainText() == 'sky'
    assert names(panel) == []


def test_a_bad_pasted_list_is_seen_whole(qtbot, panel) -> None:
    height = panel.entry.height()
    QApplication.clipboard().setText('sky\ntree,\nwater')
    qtbot.keyClick(panel.entry, Qt.Key.Key_V, CTRL)
    assert panel.entry.toPlainText() == 'sky\ntree,\nwater'
    assert 'Class 2' in panel.status.text()
    qtbot.waitUntil(lambda: panel.entry.height() > 2 * height)


def test_cells_of_a_spreadsheet() -> None:
    assert join_cells('a\tb\t\nc\r\n\td') == 'a, b\nc\nd'
    assert join_cells('a,\tb') == 'a,, b'
    assert join_cells('a\rb') == 'a\nb'


def test_words_that_still_stand_in_the_box(qtbot, panel) -> None:
    panel.take_entry()
    qtbot.keyClicks(panel.entry, 'sky')
    panel.take_entry()
    assert names(panel) == ['sky']
    assert panel.entry.toPlainText() == ''
    qtbot.keyClicks(panel.entry, 'sky')
    with pytest.raises(InputError, match='already'):
        panel.take_entry()
    assert panel.entry.toPlainText() == 'sky'


# Editing rows


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


# Undo and label values


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


# Background and certainty


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


# Lists from elsewhere


def choose(menu: QMenu, *texts: str) -> None:
    for text in texts[:-1]:
        menu = next(a.menu() for a in menu.actions() if a.text() == text)
    next(a for a in menu.actions() if a.text() == texts[-1]).trigger()


def test_presets_replace_or_add(qtbot, panel) -> None:
    menu = panel.actions_row.presets.menu()
    panel.add_text('sky')
    with qtbot.waitSignal(panel.preset_loaded) as signal:
        choose(menu, 'Replace the list', 'Pascal VOC, 21 classes')
    assert signal.args[0].key == 'voc21'
    assert panel.class_list() == load_preset('voc21').class_list()
    assert panel.background.isChecked()
    assert 'threshold 0.1' in panel.status.text()
    qtbot.mouseClick(panel.actions_row.undo, LEFT)
    assert names(panel) == ['sky']
    # Without the second "&" the menu would show none.
    choose(menu, 'Add to the list', 'Histology (H&&E)')
    assert names(panel)[:3] == ['background', 'sky', 'tumor']
    before = panel.rows()
    choose(menu, 'Add to the list', 'Cell microscopy')
    assert "'background' is in the list already" in panel.status.text()
    assert panel.rows() == before


@pytest.mark.parametrize('suffix', ['json', 'csv'])
def test_export_and_import(
    qtbot, panel, monkeypatch, tmp_path, suffix
) -> None:
    path = tmp_path / f'list.{suffix}'
    panel.add_text('background; sky; tree, bush')
    panel.recolor_value(2, '#010203')
    rows = panel.rows()
    monkeypatch.setattr(
        QFileDialog, 'getSaveFileName', lambda *_, **__: (str(path), '')
    )
    qtbot.mouseClick(panel.actions_row.exporting, LEFT)
    assert 'Written' in panel.status.text()
    assert len(read_classes(path)) == 3
    monkeypatch.setattr(
        QFileDialog, 'getOpenFileName', lambda *_, **__: (str(path), '')
    )
    menu = panel.actions_row.importing.menu()
    panel.replace_text('x')
    choose(menu, 'Replace the list…')
    assert panel.rows() == rows
    assert panel.status.text() == ''
    panel.replace_text('x')
    choose(menu, 'Add to the list…')
    assert names(panel) == ['background', 'x', 'sky', 'tree']
    path.write_text('"')
    before = panel.rows()
    for entry in ('Replace the list…', 'Add to the list…'):
        choose(menu, entry)
        assert 'cannot be used' in panel.status.text()
        assert panel.rows() == before


def test_an_import_says_which_values_are_others(
    panel, monkeypatch, tmp_path
) -> None:
    path = tmp_path / 'list.csv'
    path.write_text('name,value\nx,1\ny,9\n')
    monkeypatch.setattr(
        QFileDialog, 'getOpenFileName', lambda *_, **__: (str(path), '')
    )
    panel.add_text('a')
    panel.class_list()
    choose(panel.actions_row.importing.menu(), 'Replace the list…')
    assert values(panel) == [10, 9]
    assert panel.status.text().startswith('x got other label values')


def test_export_of_a_text_says_what_is_lost(
    qtbot, panel, monkeypatch, tmp_path
) -> None:
    panel.add_text('sky')
    panel.rename_value(1, 'air')
    monkeypatch.setattr(
        QFileDialog,
        'getSaveFileName',
        lambda *_, **__: (str(tmp_path / 'list'), 'Text (*.txt)'),
    )
    qtbot.mouseClick(panel.actions_row.exporting, LEFT)
    assert (tmp_path / 'list.txt').read_text() == 'sky\n'
    assert 'not the names' in panel.status.text()
    qtbot.mouseClick(panel.actions_row.exporting, LEFT)
    assert 'is there already' in panel.status.text()


def test_a_dialog_that_is_cancelled_does_nothing(
    qtbot, panel, monkeypatch
) -> None:
    for name in ('getSaveFileName', 'getOpenFileName'):
        monkeypatch.setattr(QFileDialog, name, lambda *_, **__: ('', ''))
    panel.add_text('sky')
    qtbot.mouseClick(panel.actions_row.exporting, LEFT)
    choose(panel.actions_row.importing.menu(), 'Replace the list…')
    assert names(panel) == ['sky']


# The facade


def test_a_state_goes_from_one_panel_to_another(qtbot, panel) -> None:
    panel.replace_text('background, wall; sky; tree')
    panel.recolor_value(2, '#010203')
    panel.margin.setValue(0.03)
    panel.class_list()
    other = ClassPanel()
    qtbot.addWidget(other)
    other.add_text('x')
    other.set_state(ListState.from_dict(panel.state().to_dict()))
    assert other.state() == panel.state()
    assert other.margin.value() == 0.03
    assert other.background.isChecked()
    assert not other.actions_row.undo.isEnabled()
    other.set_state(ListState())
    other.add_text('x')
    assert values(other) == [1]


def test_changes_from_the_layer_come_without_an_echo(panel, key) -> None:
    panel.add_text('sky; tree')
    looks, results = count(panel.appearance_changed), count(panel.changed)
    states = count(panel.state_changed)
    panel.rename_value(1, 'air')
    panel.recolor_value(1, '#010203')
    panel.recolor_value(1, '#010203')
    panel.rename_value(77, 'nobody')
    assert (len(looks), len(results), len(states)) == (0, 0, 2)
    assert (panel.rows()[0].name, panel.rows()[0].color) == ('air', '#010203')
    with pytest.raises(InputError, match='there twice'):
        panel.rename_value(1, 'TREE')
    with pytest.raises(InputError, match='not a color'):
        panel.recolor_value(1, 'red')
    # Taken back here, the layer has to follow.
    key(Qt.Key.Key_Z, CTRL)
    assert len(looks) == 1


def test_signals_say_what_is_another(panel, cell) -> None:
    panel.add_text('sky; tree')
    signals = {
        name: count(getattr(panel, name))
        for name in ('changed', 'appearance_changed', 'locks_changed')
    }

    def heard() -> set[str]:
        found = {name for name, calls in signals.items() if calls}
        for calls in signals.values():
            calls.clear()
        return found

    cell(0, Column.LOCK)
    assert heard() == {'locks_changed'}
    cell(0, Column.ON)
    assert heard() == {'changed'}
    panel.add_text('water')
    assert heard() == {'changed', 'appearance_changed'}
    panel.set_areas({1: '3 mm²'})
    assert heard() == set()
    panel.set_state(ListState())
    assert heard() == set(signals)


def test_areas_are_shown_where_there_is_room(qtbot, panel) -> None:
    panel.add_text('sky; tree')
    model, table = panel.table.model(), panel.table
    assert table.isColumnHidden(Column.AREA)
    panel.resize(500, 700)
    panel.set_areas({2: '3.5 mm²'})
    assert not table.isColumnHidden(Column.AREA)
    assert model.index(1, Column.AREA).data() == '3.5 mm²'
    assert model.index(0, Column.AREA).data() == ''
    panel.resize(panel.minimumSizeHint().width(), 700)
    qtbot.waitUntil(lambda: table.isColumnHidden(Column.AREA))
    tip = model.index(1, Column.NAME).data(Qt.ItemDataRole.ToolTipRole)
    assert '3.5 mm²' in tip
    panel.set_areas({})
    panel.resize(500, 700)
    assert table.isColumnHidden(Column.AREA)


# Looks and accessibility


@pytest.mark.parametrize('width', [250, 320, 700])
def test_columns_fill_the_width(qtbot, panel, width) -> None:
    panel.resize(width, 600)
    panel.add_text('background; sky; a rather long name of a class')
    panel.set_areas({1: '12.3 mm²'})
    assert panel.minimumSizeHint().width() <= 250
    table = panel.table
    qtbot.waitUntil(
        lambda: (
            sum(table.columnWidth(c) for c in Column)
            == table.viewport().width()
        )
    )
    metrics = table.fontMetrics()
    for column, text in (
        (Column.ON, 'On'),
        (Column.COLOR, 'Color'),
        (Column.NAME, 'background'),
        (Column.LOCK, 'Lock'),
    ):
        assert table.columnWidth(column) > metrics.horizontalAdvance(text)
    assert table.rowHeight(0) >= metrics.height()


def test_every_cell_and_control_has_a_name(panel) -> None:
    panel.replace_text('background; sky')
    panel.recolor_value(1, '#0072b2')
    model = panel.table.model()
    spoken = [
        [
            model.index(row, column).data(Qt.ItemDataRole.AccessibleTextRole)
            for column in Column
        ]
        for row in range(2)
    ]
    assert spoken[1] == [
        'sky: on',
        'Color of sky: blue, #0072b2',
        'sky, label value 1',
        'Prompts of sky: sky',
        'sky: unlocked',
        'Area of sky: not known',
    ]
    for row in range(2):
        for column in Column:
            tip = model.index(row, column).data(Qt.ItemDataRole.ToolTipRole)
            assert tip.startswith(spoken[row][column])
    horizontal = Qt.Orientation.Horizontal
    for column in Column:
        for role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            assert model.headerData(column, horizontal, role)
    actions = panel.actions_row
    for control in (
        panel.entry,
        panel.add,
        panel.table,
        panel.background,
        panel.margin,
        actions.presets,
        actions.importing,
        actions.exporting,
        actions.undo,
        actions.redo,
        actions.remove,
    ):
        text = getattr(control, 'text', str)()
        assert control.accessibleName() or text
        assert control.toolTip()
    buddies = {label.buddy() for label in panel.findChildren(QLabel)}
    assert {panel.entry, panel.margin} <= buddies


def test_tab_goes_through_the_panel_as_it_is_read(qtbot, panel) -> None:
    panel.add_text('sky')
    panel.replace_text('tree')
    panel.background.click()
    actions = panel.actions_row
    order = [
        panel.entry,
        panel.add,
        panel.table,
        actions.remove,
        actions.undo,
        actions.presets,
        actions.importing,
        actions.exporting,
        panel.background,
        panel.margin,
    ]
    panel.entry.setFocus()
    qtbot.waitUntil(panel.entry.hasFocus)
    for control in order[1:]:
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        assert QApplication.focusWidget() is control


def test_the_entry_box_is_one_line_and_grows(qtbot, panel) -> None:
    line = panel.entry.fontMetrics().lineSpacing()
    assert line < panel.entry.height() < 2 * line
    qtbot.keyClicks(panel.entry, '; '.join(['a rather long class'] * 4))
    qtbot.waitUntil(lambda: panel.entry.height() > 2 * line)
    panel.entry.setPlainText('a\n' * 50)
    qtbot.waitUntil(lambda: 5 * line < panel.entry.height() < 7 * line)
    panel.entry.clear()
    qtbot.waitUntil(lambda: panel.entry.height() < 2 * line)
    # The example is drawn, which a box without wrapping would not do.
    shown = panel.entry.grab().toImage()
    colors = {
        shown.pixel(x, y)
        for x in range(20, shown.width() - 5)
        for y in range(4, shown.height() - 4)
    }
    assert len(colors) > 3


def test_a_closed_panel_is_gone(qtbot) -> None:
    panel = ClassPanel()
    panel.replace_text('a; b')
    panel.replace_text('c')
    panel.class_list()
    alive = [weakref.ref(each) for each in (panel, panel.table)]
    with qtbot.waitSignal(panel.destroyed):
        panel.deleteLater()
    del panel
    gc.collect()
    assert [ref() for ref in alive] == [None, None]
