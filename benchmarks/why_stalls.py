"""How long the window stands still while the part "Why" shows something.

After a run of the demo model at full detail: each map is shown, the selected
class and the certainty change, the mouse moves. A timer on the GUI thread
tells the longest time between two of its beats, from the change until a moment
after the map has followed, nothing left out; and how long that took.

Run it with ``python benchmarks/why_stalls.py [--sides N ...]``. It needs a
display; under Xvfb: ``xvfb-run -a python benchmarks/why_stalls.py``.
"""

from __future__ import annotations

import argparse
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

from qtpy.QtCore import QEventLoop, QTimer

from live_stalls import DRAWN, PATIENCE, REST
from stalls import LONGEST, Beats, open_segmented, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_naclip.ui.widget import SegmentationWidget


def is_busy(widget: SegmentationWidget) -> bool:
    """Return whether labels, maps or lines are still to follow."""
    live, why = widget._live, widget._corrections.why
    return (
        live._wish is not None
        or live._timer.isActive()
        or why._timer.isActive()
        or why._cursor_timer.isActive()
        or any(why._asides.is_asked(k) for k in ('heat', 'all', 'pixel'))
    )


def follow(
    widget: SegmentationWidget, change: Callable[[], object]
) -> tuple[float, float]:
    """Change something; return seconds and the longest stall in ms."""
    beats, loop, poll = Beats(), QEventLoop(), QTimer()
    poll.setInterval(10)
    start = time.perf_counter()
    busy = [start]

    def look() -> None:
        now = time.perf_counter()
        if is_busy(widget):
            busy[0] = now
        # A change may be told a moment later.
        if now - busy[0] > REST or now - start > PATIENCE:
            loop.quit()

    poll.timeout.connect(look)
    beats.start()
    change()
    poll.start()
    loop.exec()
    poll.stop()
    settle(DRAWN)
    beats.stop()
    return busy[0] - start, max(gap for _, gap in beats.gaps)


def measure_side(side: int) -> None:
    """Print the figures of every change on an image of so many pixels."""
    viewer, widget = open_segmented(side, 'sand; water; grass')
    settle(1000)
    boxes, slider = widget.why.boxes, widget.classes.controls.slider

    def move_mouse() -> None:
        event = SimpleNamespace(position=(side // 3, side // 2))
        for callback in viewer.mouse_move_callbacks:
            callback(viewer, event)

    def move_slider() -> None:
        span = slider.maximum() - slider.minimum()
        slider.setValue(slider.value() + span // 10)

    for name, change in {
        'unfolded': widget.why.more.click,
        'the first map': boxes['heat'].click,
        'the second map': boxes['confidence'].click,
        'the third map': boxes['margin'].click,
        'another class': lambda: widget.classes.table.selectRow(1),
        'the mouse moved': move_mouse,
        'the mouse moved again': move_mouse,
        'a background row': widget.classes.background.click,
        'certainty moved': move_slider,
    }.items():
        seconds, longest = follow(widget, change)
        verdict = 'ok' if longest <= LONGEST else 'MISSED'
        print(
            f'  {name}: {seconds:.2f} s; longest stall {longest:.0f} ms (at '
            f'most {LONGEST:.0f}): {verdict}',
            flush=True,
        )
    viewer.close()
    settle(500)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--sides', type=int, nargs='+', default=[4096])
    for side in parser.parse_args().sides:
        measure_side(side)


if __name__ == '__main__':
    main()
