"""Typing and pasting classes."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
)

from class_tools import (
    CTRL,
    LEFT,
    names,
)
from napari_naclip.engine.classes import ClassList
from napari_naclip.engine.errors import InputError
from napari_naclip.ui.class_table.entry import join_cells

#: What Qt says about misuse is a failure.
pytestmark = pytest.mark.qt_log_level_fail('WARNING')


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
