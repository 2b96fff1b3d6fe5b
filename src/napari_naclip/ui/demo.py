"""napari on a demo scene with the widget and a finished result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import napari
from qtpy.QtCore import QTimer

from napari_naclip.demo.scenes import demo_scene
from napari_naclip.engine.registry import DEMO_NAME
from napari_naclip.ui.widget import SegmentationWidget

if TYPE_CHECKING:
    from pathlib import Path

#: Size of the window, in pixels that do not depend on the screen.
_WINDOW = (1280, 860)
#: Milliseconds that the window gets to draw itself before its picture.
_DRAW_TIME = 1500


def show_demo(screenshot: Path | None = None) -> None:
    """Open a window, run the demo model on a drawn scene, and stay.

    Parameters
    ----------
    screenshot : Path, optional
        Where the picture of the window is saved; the window then closes.
    """
    scene, classes = demo_scene()
    viewer = napari.Viewer()
    viewer.window.resize(*_WINDOW)
    viewer.add_image(scene.image, name='demo scene')
    widget = SegmentationWidget(viewer)
    viewer.window.add_dock_widget(
        widget, name='Text segmentation', area='right'
    )
    widget.classes.replace_text(classes)
    widget.model.choose_model(DEMO_NAME)

    def save_and_close() -> None:
        viewer.screenshot(str(screenshot), canvas_only=False, flash=False)
        viewer.close()

    if screenshot is not None:
        widget.run_finished.connect(
            lambda: QTimer.singleShot(_DRAW_TIME, save_and_close)
        )
    QTimer.singleShot(0, widget.panel.run.click)
    napari.run()
