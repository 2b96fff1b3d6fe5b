"""The newcomer's, the expert's and the annotator's journey, by name."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import napari
from napari.settings import get_settings

from annotator import go_annotator
from expert import go_expert
from newcomer import go_newcomer
from window_driver import WindowDriver

if TYPE_CHECKING:
    from pathlib import Path

_WINDOW = (1280, 800)
_JOURNEYS = {
    'newcomer': go_newcomer,
    'expert': go_expert,
    'annotator': go_annotator,
}


def go(journey: str, theme: str, folder: Path) -> None:
    """Open a window in a theme, make a journey, close the window."""
    get_settings().appearance.theme = theme
    viewer = napari.Viewer()
    viewer.window.resize(*_WINDOW)
    driver = WindowDriver(viewer, folder)
    _JOURNEYS[journey](driver)
    viewer.close()
    print(f'{journey}: all steps held ({threading.active_count()} threads)')
