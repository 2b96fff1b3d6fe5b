"""Templates are chosen in the panel, and written in a window of their own."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QTextCursor

from napari_naclip.engine.errors import StorageError
from napari_naclip.engine.templates import IMAGENET_TEMPLATES
from napari_naclip.io.template_sets import (
    OWN_KEY,
    list_template_sets,
    load_own_templates,
    save_own_templates,
)
from napari_naclip.ui.options import Options
from napari_naclip.ui.words import chooser as chooser_module
from napari_naclip.ui.words.editor import TemplateEditor


@pytest.fixture
def options(qtbot) -> Options:
    made = Options()
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def write(options, press, qtbot):
    """Return a function that writes templates in the editor."""

    def write_in(text: str) -> TemplateEditor:
        press(options.templates.edit)
        editor = options.templates.findChild(TemplateEditor)
        qtbot.keyClick(editor.text, 'A', Qt.KeyboardModifier.ControlModifier)
        qtbot.keyClicks(editor.text, text)
        return editor

    return write_in


def test_every_set_is_offered_with_its_source(options) -> None:
    combo = options.templates.combo
    sets = list_template_sets()
    assert combo.count() == len(sets)
    for index, each in enumerate(sets):
        tip = combo.itemData(index, Qt.ItemDataRole.ToolTipRole)
        assert each.source in tip
        combo.setCurrentIndex(index)
        assert each.description in combo.toolTip()
        assert options.settings_part()['templates'] == each.setting


def test_a_choice_is_told_once(options, qtbot) -> None:
    told: list[None] = []
    options.changed.connect(lambda: told.append(None))
    options.templates.choose('plain')
    options.templates.choose('plain')
    assert len(told) == 1
    options.templates.choose('nothing of that name')
    assert options.templates.key == 'plain'


def test_own_templates_are_written_and_kept(
    options, write, press, qtbot
) -> None:
    options.templates.choose('aerial')
    press(options.templates.edit)
    editor = options.templates.findChild(TemplateEditor)
    cursor = editor.text.textCursor()
    cursor.movePosition(QTextCursor.MoveOperation.End)
    editor.text.setTextCursor(cursor)
    qtbot.keyClicks(editor.text, 'a map of')
    assert not editor.use.isEnabled()
    assert editor.status.text().startswith('Line ')
    assert "'a map of' needs {} exactly once" in editor.status.text()
    assert editor.text.accessibleDescription() == editor.status.text()
    qtbot.keyClick(editor.text, Qt.Key.Key_Return, delay=1)
    assert not editor.use.isEnabled()
    qtbot.keyClick(editor.text, Qt.Key.Key_Backspace)
    qtbot.keyClicks(editor.text, ' {}')
    assert editor.status.text() == '13 templates'
    with qtbot.waitSignal(options.changed):
        press(editor.use)
    assert options.templates.key == OWN_KEY
    own = options.settings_part()['templates']
    assert own[-1] == 'a map of {}'
    assert load_own_templates() == own
    other = Options()
    qtbot.addWidget(other)
    assert other.templates.key == 'imagenet'
    other.templates.choose(OWN_KEY)
    assert other.templates.templates == own


def test_cancel_changes_nothing(options, write, qtbot) -> None:
    editor = write('{}')
    assert editor.use.isEnabled()
    qtbot.keyClick(editor, Qt.Key.Key_Escape)
    assert options.templates.templates is None
    assert load_own_templates() is None


def test_enter_takes_no_wrong_line(options, write) -> None:
    editor = write('{} {}')
    editor.accept()
    assert editor.isVisible()
    assert options.templates.templates is None


def test_the_own_set_is_used_where_it_cannot_be_kept(
    options, write, press, monkeypatch
) -> None:
    def refuse(_templates: object) -> None:
        raise StorageError('The disk is full. Make room.')

    monkeypatch.setattr(chooser_module, 'save_own_templates', refuse)
    press(write('just {}').use)
    assert options.templates.templates == ('just {}',)
    assert 'The disk is full' in options.templates.status.text()
    assert options.templates.status.isVisible()
    options.templates.choose('plain')
    assert not options.templates.status.isVisible()


def test_the_state_holds_the_templates_themselves(options, qtbot) -> None:
    save_own_templates(('a map of {}.',))
    for templates in (None, ('{}',), ('a map of {}.',), IMAGENET_TEMPLATES):
        options.set_state({'templates': templates})
        state = options.state()
        assert state['templates'] == (
            None if templates is IMAGENET_TEMPLATES else templates
        )
        other = Options()
        qtbot.addWidget(other)
        other.set_state(state)
        assert other.state() == state
