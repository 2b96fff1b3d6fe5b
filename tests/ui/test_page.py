"""The part of the widget that scrolls: what comes into sight, and the wheel."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QScrollArea,
    QWidget,
)

from napari_naclip.engine.encoder import Encoder
from napari_naclip.ui.page import ScrollingPage


@pytest.fixture
def small(make_napari_viewer, open_widget, qtbot, picture):
    """Return the widget in a window that cannot show all of it."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(960, 600)
    viewer.add_image(picture)
    widget = open_widget(viewer)
    area = widget.findChild(QScrollArea)
    qtbot.waitUntil(lambda: area.verticalScrollBar().maximum() > 100)
    area.verticalScrollBar().setValue(0)
    return widget


def is_in_sight(widget: QWidget, part: QWidget) -> bool:
    """Return whether the top of a part is where a person sees it."""
    viewport = widget.findChild(QScrollArea).viewport()
    top = part.mapTo(viewport, QPoint(0, 0)).y()
    return part.isVisible() and 0 <= top < viewport.height()


def test_notices_come_into_sight_once(small, run, type_classes, qtbot) -> None:
    type_classes(small, 'sand; walrus')
    bar = small.findChild(QScrollArea).verticalScrollBar()
    bar.setValue(0)
    notices = small.panel.notices
    run(small)
    qtbot.waitUntil(lambda: is_in_sight(small, notices))
    # Its end as well: what is said below takes more lines than before.
    end = QPoint(0, notices.height())
    viewport = small.findChild(QScrollArea).viewport()
    qtbot.waitUntil(
        lambda: notices.mapTo(viewport, end).y() <= viewport.height()
    )
    qtbot.wait(600)
    # The same words again are no reason to scroll away.
    bar.setValue(0)
    run(small)
    qtbot.wait(100)
    assert notices.isVisible()
    assert not is_in_sight(small, notices)


def test_details_come_into_sight(
    small, run, press, qtbot, monkeypatch
) -> None:
    def fail(self, batch):
        raise RuntimeError('the disk is on fire')

    monkeypatch.setattr(
        'napari_naclip.ui.director.notification_manager.dispatch', print
    )
    monkeypatch.setattr(Encoder, '_tokens', fail)
    run(small)
    details = small.panel.details
    press(details.toggle)
    qtbot.waitUntil(lambda: is_in_sight(small, details.text))


def test_offer_comes_into_sight_without_details(
    small, run, qtbot, monkeypatch, tmp_path
) -> None:
    monkeypatch.setattr(
        'huggingface_hub.constants.HF_HUB_CACHE', str(tmp_path)
    )
    small.model.choose_model('ViT-B-16')
    run(small)
    qtbot.waitUntil(lambda: is_in_sight(small, small.offer.download))
    assert small.panel.details.isHidden()


def turn_wheel(control: QWidget) -> None:
    """Turn the wheel down over a control."""
    place = QPointF(control.rect().center())
    event = QWheelEvent(
        place,
        QPointF(control.mapToGlobal(place.toPoint())),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(control, event)


def value_of(control: QWidget) -> object:
    if isinstance(control, QComboBox):
        return control.currentIndex()
    return control.value()


def test_wheel_changes_nothing_in_passing(small, press, qtbot) -> None:
    small.activateWindow()
    press(small.classes.background)
    small.classes.margin.setValue(0.1)
    controls = [
        control
        for kind in (QComboBox, QAbstractSpinBox)
        for control in small.findChildren(kind)
    ]
    assert len(controls) > 8
    before = [value_of(control) for control in controls]
    for control in controls:
        turn_wheel(control)
        assert not control.hasFocus()
    assert [value_of(control) for control in controls] == before
    # Who has gone to a control means it.
    for control in (small.options.refinement, small.classes.margin):
        control.setFocus()
        qtbot.waitUntil(control.hasFocus)
        before_it = value_of(control)
        turn_wheel(control)
        assert value_of(control) != before_it


def test_what_appeared_stays_in_sight_while_texts_grow(qtbot) -> None:
    above, wanted = QLabel('short'), QLabel('notice')
    above.setMinimumHeight(400)
    page = ScrollingPage((above, wanted))
    qtbot.addWidget(page)
    page.resize(200, 200)
    with qtbot.waitExposed(page):
        page.show()
    page.bring_into_sight(wanted)
    # As the line about the next run does, a moment after the notices.
    QTimer.singleShot(200, lambda: above.setMinimumHeight(600))
    qtbot.wait(900)
    place = wanted.mapTo(page.viewport(), QPoint(0, 0))
    assert 0 <= place.y() <= 200 - wanted.height()
    # Later on nothing moves by itself.
    above.setMinimumHeight(800)
    qtbot.wait(100)
    place = wanted.mapTo(page.viewport(), QPoint(0, 0))
    assert place.y() > 200
