"""How the table looks and is read out."""

from __future__ import annotations

import gc
import weakref

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QLabel,
)

from napari_naclip.ui.class_table.model import Column
from napari_naclip.ui.class_table.panel import ClassPanel

#: What Qt says about misuse is a failure.
pytestmark = pytest.mark.qt_log_level_fail('WARNING')


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
        # One class is alone.
        panel.controls.contrast,
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
