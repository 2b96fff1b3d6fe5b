"""Hints on words, the offer of templates, and contrast words in the panel."""

from __future__ import annotations

import numpy as np
import pytest

from napari_naclip.engine.contrast import CONTRAST_WORDS
from napari_naclip.engine.models import load_model
from napari_naclip.engine.segment import segment
from napari_naclip.engine.types import ClassList, Settings
from napari_naclip.ui.class_table.panel import ClassPanel
from napari_naclip.ui.words.chooser import TemplateChooser
from napari_naclip.ui.words.notes import WordNotes

TIMEOUT = 60_000


@pytest.fixture
def classes(qtbot) -> ClassPanel:
    made = ClassPanel()
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def notes(classes, qtbot) -> WordNotes:
    templates = TemplateChooser()
    qtbot.addWidget(templates)
    made = WordNotes(classes, templates)
    qtbot.addWidget(made)
    made.resize(250, 90)
    return made


def choose_preset(classes: ClassPanel, title: str) -> None:
    """Choose an entry of the menu of presets that replaces the list."""
    section = classes.actions_row.presets.menu().actions()[0].menu()
    for action in section.actions():
        if action.text() == title:
            action.trigger()
            return
    pytest.fail(f'no list {title!r}')


def test_a_hint_comes_and_goes_with_the_words(classes, notes) -> None:
    assert not notes.isVisible()
    classes.add_text('sky; Baum, tree')
    assert notes.isVisible()
    assert notes.english.text().startswith("'Baum' does not look English")
    assert notes.english.accessibleName() == notes.english.text()
    classes.set_state(classes.state().with_row(2, is_on=False))
    assert not notes.isVisible()
    classes.set_state(
        classes.state().with_row(2, is_on=True, prompts=('tree',))
    )
    # The name is for people.
    assert [row.name for row in classes.rows()] == ['sky', 'Baum']
    assert not notes.isVisible()


def test_a_list_offers_its_templates(classes, notes, press) -> None:
    choose_preset(classes, 'Histology (H&&E)')
    assert notes.use.isVisible()
    assert 'Histology' in notes.use.text()
    assert notes._templates.key == 'imagenet'
    press(notes.use)
    assert notes._templates.key == 'histology'
    assert not notes.isVisible()
    choose_preset(classes, 'Histology (H&&E)')
    assert not notes.isVisible()
    choose_preset(classes, 'Everyday scenes')
    assert 'All 80' in notes.use.text()
    notes._templates.choose('plain')
    assert not notes.use.isVisible()


def test_contrast_words_are_named_where_they_count(
    classes, notes, press
) -> None:
    controls = classes.controls
    assert not controls.contrast.isVisible()
    classes.add_text('tree')
    assert controls.contrast.isVisible()
    assert controls._alone.isVisible()
    assert "'tree' is the only class and is compared" in controls._alone.text()
    assert 'grass, water.' in controls._alone.text()
    used = classes.class_list()
    assert used.background is not None
    assert used.background.prompts == tuple(
        word for word in CONTRAST_WORDS if word != 'trees'
    )
    # They are no row of the person's list.
    assert [row.name for row in classes.rows()] == ['tree']
    told: list[None] = []
    classes.changed.connect(lambda: told.append(None))
    press(controls.contrast)
    assert len(told) == 1
    assert classes.class_list().background is None
    assert controls._alone.text().endswith('covers everything.')
    other = ClassPanel()
    other.controls.set_state(controls.state())
    assert not other.controls.contrast.isChecked()
    other.deleteLater()
    classes.add_text('sky')
    assert not controls.contrast.isVisible()


def test_the_certainty_counts_with_them_only_with_the_row(
    classes, press
) -> None:
    classes.add_text('background; tree')
    classes.set_state(classes.state().with_row(0, prompts=()))
    classes.margin.setValue(0.05)
    used = classes.class_list()
    assert len(used.queries) > 5
    assert classes.threshold(used, Settings()) > 0.1
    press(classes.background)
    used = classes.class_list()
    assert used.background is not None
    assert classes.threshold(used, Settings()) == 0


def test_a_class_that_is_alone_is_found_where_it_wins(
    make_napari_viewer, open_widget, run, press, qtbot, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer, 'sand')
    assert run(widget).startswith('Done')
    labels = viewer.layers[-1]
    recipe = labels.metadata['napari-naclip']['settings']
    expected = segment(
        picture,
        ClassList.from_text('sand', background=', '.join(CONTRAST_WORDS)),
        model=load_model('demo'),
        settings=Settings(
            **{**recipe, 'contrast_limits': tuple(recipe['contrast_limits'])}
        ),
    ).labels
    assert set(np.unique(expected)) == {0, 1}
    np.testing.assert_array_equal(labels.data, expected)
    press(widget.classes.controls.contrast)
    qtbot.waitUntil(lambda: bool((labels.data == 1).all()), timeout=TIMEOUT)
    press(widget.classes.controls.contrast)
    qtbot.waitUntil(
        lambda: bool((labels.data == expected).all()), timeout=TIMEOUT
    )
