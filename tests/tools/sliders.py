"""A slider's handle, moved as a hand moves it."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QSlider, QStyle, QStyleOptionSlider


def drag(qtbot, slider: QSlider, to: float) -> None:
    """Drag a slider's handle to a part of its way, in many steps."""
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    handle = (
        slider.style()
        .subControlRect(
            QStyle.ComplexControl.CC_Slider,
            option,
            QStyle.SubControl.SC_SliderHandle,
            slider,
        )
        .center()
    )
    button = Qt.MouseButton.LeftButton
    qtbot.mousePress(slider, button, pos=handle)
    end = round(to * slider.width())
    for x in np.linspace(handle.x(), end, 12).round().astype(int):
        qtbot.mouseMove(slider, QPoint(int(x), handle.y()))
        qtbot.wait(20)
    assert slider.isSliderDown()
    qtbot.mouseRelease(slider, button, pos=QPoint(end, handle.y()))
