"""A window paints after the work, not never."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QLabel, QWidget

from napari_naclip.ui.painting import painted_later


@pytest.fixture
def window(qtbot) -> QWidget:
    widget = QWidget()
    qtbot.addWidget(widget)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def test_window_paints_in_the_next_turn(qtbot, window: QWidget) -> None:
    label = QLabel('text', window)
    with painted_later(label):
        assert not window.updatesEnabled()
    assert not window.updatesEnabled()
    qtbot.waitUntil(window.updatesEnabled)


def test_window_paints_after_an_error(qtbot, window: QWidget) -> None:
    def fail() -> None:
        with painted_later(window):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    qtbot.waitUntil(window.updatesEnabled)


def test_window_that_does_not_paint_stays_so(qtbot, window: QWidget) -> None:
    window.setUpdatesEnabled(False)
    with painted_later(window):
        pass
    qtbot.wait(20)
    assert not window.updatesEnabled()


def test_window_may_be_gone_before(qtbot) -> None:
    window = QWidget()
    window.show()
    with painted_later(window):
        pass
    window.deleteLater()
    # What fails in a slot fails the test.
    qtbot.wait(20)
