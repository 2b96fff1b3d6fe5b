"""Fixtures for tests with a viewer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from napari_naclip.ui.widget import SegmentationWidget
from qtpy.QtCore import Qt


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests out of the user's cache."""
    monkeypatch.setenv('NAPARI_NACLIP_CACHE', str(tmp_path / 'cache'))


@pytest.fixture
def press(qtbot) -> Callable:
    """Return a function that clicks a button as a person does."""

    def click(button) -> None:
        assert button.isEnabled()
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    return click


@pytest.fixture
def run(qtbot, press) -> Callable:
    """Return a function that presses Run and waits for the end."""

    def run_widget(widget: SegmentationWidget) -> str:
        press(widget.panel.run)
        qtbot.waitUntil(widget.panel.run.isEnabled, timeout=120_000)
        return widget.panel.status.text()

    return run_widget


@pytest.fixture
def picture() -> np.ndarray:
    """Return a small smooth color image."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return coarse.repeat(16, axis=0).repeat(16, axis=1)
