"""A slider's handle, moved as a hand moves it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QSlider, QStyle, QStyleOptionSlider


def find_handle(slider: QSlider) -> QPoint:
    """Return where a slider's handle is."""
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    style = slider.style()
    return style.subControlRect(
        QStyle.ComplexControl.CC_Slider,
        option,
        QStyle.SubControl.SC_SliderHandle,
        slider,
    ).center()


def drag(
    qtbot,
    slider: QSlider,
    *shares: float,
    rest: Callable[[], None] = lambda: None,
) -> None:
    """Drag a slider's handle to parts of its way, in many steps.

    Parameters
    ----------
    qtbot : QtBot
    slider : QSlider
    *shares : float
        Where to, one after the other.
    rest : callable
        What is done between two of them, while the handle is held.
    """
    at = find_handle(slider)
    button = Qt.MouseButton.LeftButton
    qtbot.mousePress(slider, button, pos=at)
    for number, share in enumerate(shares):
        if number:
            rest()
        end = QPoint(round(share * slider.width()), at.y())
        for x in np.linspace(at.x(), end.x(), 12).round().astype(int):
            qtbot.wait(20)
            qtbot.mouseMove(slider, QPoint(int(x), at.y()))
        at = end
    assert slider.isSliderDown()
    qtbot.mouseRelease(slider, button, pos=at)
