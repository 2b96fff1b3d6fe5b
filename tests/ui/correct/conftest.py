"""What tests of the part Finish begin with."""

from __future__ import annotations

import pytest

TIMEOUT = 60_000


@pytest.fixture
def opened(make_napari_viewer, open_widget, run, press, picture):
    """Return viewer, widget and labels after a run, Finish unfolded."""
    viewer = make_napari_viewer(show=True)
    viewer.add_image(picture, scale=(0.5, 0.5), units=('um', 'um'))
    widget = open_widget(viewer, 'sand; water; grass')
    run(widget)
    press(widget.finish.more)
    return viewer, widget, viewer.layers[-1]


@pytest.fixture
def do(qtbot, press):
    """Return a function that presses a button and waits for what it says."""

    def press_and_wait(widget, button) -> str:
        press(button)
        qtbot.waitUntil(
            lambda: not widget._corrections.finisher.is_busy, timeout=TIMEOUT
        )
        assert not widget.finish.cancel.isVisible()
        return widget.finish.status.text()

    return press_and_wait
