"""Presets, files, states and the layer."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFileDialog,
)

from class_tools import (
    ALT,
    CTRL,
    LEFT,
    choose,
    count,
    editor_of,
    names,
    values,
)
from napari_naclip.engine.class_state import ListState
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.types import Settings
from napari_naclip.io.class_files import read_classes
from napari_naclip.io.presets import load_preset
from napari_naclip.ui.class_table.messages import BACKGROUND_STAYS
from napari_naclip.ui.class_table.model import Column
from napari_naclip.ui.class_table.panel import ClassPanel

#: What Qt says about misuse is a failure.
pytestmark = pytest.mark.qt_log_level_fail('WARNING')


def test_presets_replace_or_add(qtbot, panel) -> None:
    menu = panel.actions_row.presets.menu()
    panel.add_text('sky')
    choose(menu, 'Replace the list', 'Pascal VOC, 21 classes')
    assert panel.class_list() == load_preset('voc21').class_list()
    assert panel.background.isChecked()
    qtbot.mouseClick(panel.actions_row.undo, LEFT)
    assert names(panel) == ['sky']
    # Without the second "&" the menu would show none.
    choose(menu, 'Add to the list', 'Histology (H&&E)')
    assert names(panel)[:3] == ['background', 'sky', 'tumor']
    before = panel.rows()
    choose(menu, 'Add to the list', 'Cell microscopy')
    assert "'background' is in the list already" in panel.status.text()
    assert panel.rows() == before


def test_a_published_threshold_comes_with_its_list(
    qtbot, press, panel
) -> None:
    settings = Settings()
    menu = panel.actions_row.presets.menu()
    panel.add_text('background; sky')
    panel.margin.setFocus()
    panel.margin.selectAll()
    qtbot.keyClicks(panel.margin, '0.02')
    choose(menu, 'Replace the list', 'Pascal VOC, 21 classes')
    assert 'threshold 0.1' in panel.status.text()
    shown = panel.margin.value()
    assert f'Certainty is set to {shown:g}' in panel.status.text()
    assert 0.03 < shown < 0.06
    assert panel.threshold(panel.class_list(), settings) == pytest.approx(
        0.1, abs=1e-9
    )
    press(panel.actions_row.undo)
    assert (names(panel), panel.margin.value()) == (
        ['background', 'sky'],
        0.02,
    )
    # What was told is not so any more.
    assert panel.status.text() == ''
    press(panel.actions_row.redo)
    assert panel.margin.value() == shown
    # A person's own certainty is not taken back with the list.
    panel.margin.setFocus()
    panel.margin.selectAll()
    qtbot.keyClicks(panel.margin, '0.15')
    press(panel.actions_row.undo)
    assert panel.margin.value() == 0.15
    # A list of ours says nothing of it, nor does one that is added.
    choose(menu, 'Replace the list', 'Cell microscopy')
    assert panel.margin.value() == 0.15
    panel.replace_text('tissue')
    choose(menu, 'Add to the list', 'Pascal VOC, 21 classes')
    assert panel.margin.value() == 0.15
    assert 'Certainty' not in panel.status.text()


def test_the_same_list_brings_its_certainty_back(qtbot, press, panel) -> None:
    menu = panel.actions_row.presets.menu()
    choose(menu, 'Replace the list', 'Pascal VOC, 21 classes')
    published = panel.margin.value()
    panel.margin.setFocus()
    panel.margin.selectAll()
    qtbot.keyClicks(panel.margin, '0')
    choose(menu, 'Replace the list', 'Pascal VOC, 21 classes')
    assert panel.margin.value() == published
    press(panel.actions_row.undo)
    assert panel.margin.value() == 0
    assert len(names(panel)) == 21


def test_a_note_goes_when_the_list_changes(
    qtbot, press, panel, enter, key, cell, monkeypatch, tmp_path
) -> None:
    """Each way of a person to change it; what changes nothing leaves it."""
    panel.add_text('background; sky; tree')
    monkeypatch.setattr(
        QFileDialog,
        'getSaveFileName',
        lambda *_, **__: (str(tmp_path / 'list.json'), ''),
    )

    def rename() -> None:
        cell(1, Column.NAME)
        key(Qt.Key.Key_F2)
        qtbot.keyClicks(editor_of(panel), 'air')
        qtbot.keyClick(editor_of(panel), Qt.Key.Key_Return)

    def set_certainty() -> None:
        panel.margin.setFocus()
        qtbot.keyClick(panel.margin, Qt.Key.Key_Up)

    for change in (
        lambda: enter('water'),
        lambda: cell(1, Column.LOCK),
        lambda: cell(1, Column.ON),
        rename,
        lambda: key(Qt.Key.Key_Down, ALT),
        set_certainty,
        lambda: press(panel.actions_row.undo),
        lambda: press(panel.background),
    ):
        press(panel.actions_row.exporting)
        assert panel.status.text() == 'Written: list.json.'
        assert panel.status.isVisible()
        cell(1, Column.NAME)
        panel.set_areas({1: '3 mm²'})
        assert panel.status.text() == 'Written: list.json.'
        change()
        qtbot.waitUntil(lambda: panel.status.text() == '')
        assert not panel.status.isVisible()
    # Another note comes in its place.
    press(panel.actions_row.exporting)
    enter('sky, sky')
    assert 'Written' not in panel.status.text()


def test_removing_all_rows_says_which_one_stays(panel, key) -> None:
    panel.add_text('background; sky; tree')
    key(Qt.Key.Key_A, CTRL)
    key(Qt.Key.Key_Delete)
    assert names(panel) == ['background']
    assert panel.status.text() == BACKGROUND_STAYS


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
