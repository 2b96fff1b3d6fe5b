"""How long the window stands still while labels follow the settings.

After a run of the demo model at full detail: the certainty is moved, a class
is added, renamed, asked otherwise, turned off, locked. A timer on the GUI thread tells the
longest time between two of its beats, from the change until a moment after the
labels have followed, nothing left out; and how long the labels took.

Run it with ``python benchmarks/live_stalls.py [--sides N ...] [--json FILE]``.
It needs a display; under Xvfb: ``xvfb-run -a python
benchmarks/live_stalls.py``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from qtpy.QtCore import QEventLoop, QTimer

from napari_naclip.ui.class_table.model import Column
from stalls import LONGEST, Beats, open_segmented, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_naclip.ui.widget import SegmentationWidget

#: Milliseconds in which the window draws what has followed.
DRAWN: Final = 700
#: Seconds without work after which labels have followed.
REST: Final = 0.15
#: Seconds after which labels count as not following.
PATIENCE: Final = 120


def follow(
    widget: SegmentationWidget, change: Callable[[], object]
) -> dict[str, float]:
    """Change something; return seconds and stalls until labels followed."""
    live = widget._live
    beats = Beats()
    loop = QEventLoop()
    poll = QTimer()
    poll.setInterval(10)
    start = time.perf_counter()
    busy = [start]

    def look() -> None:
        now = time.perf_counter()
        if live._wish is not None or live._timer.isActive():
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
    gaps = [gap for _, gap in beats.gaps]
    return {
        'seconds': busy[0] - start,
        'longest': max(gaps),
        'percentile_99': float(np.percentile(gaps, 99)),
    }


def changes(
    widget: SegmentationWidget,
) -> dict[str, Callable[[], object]]:
    """Return what a person does, by name, in this order."""
    classes = widget.classes
    slider = classes.controls.slider

    def edit(row: int, column: Column, value: object) -> None:
        model = classes.table.model()
        model.setData(model.index(row, column), value)

    def move(share: float) -> None:
        span = slider.maximum() - slider.minimum()
        slider.setValue(slider.minimum() + round(share * span))

    return {
        'a background row': classes.background.click,
        'certainty moved': lambda: move(0.5),
        'certainty moved again': lambda: move(0.1),
        'a class added': lambda: classes.add_text('brick'),
        'a class renamed': lambda: edit(1, Column.NAME, 'beach'),
        'its prompts changed': lambda: edit(1, Column.PROMPTS, 'road'),
        'a class turned off': lambda: classes._model.set_on([1], is_on=False),
        'a class turned on': lambda: classes._model.set_on([1], is_on=True),
        'a class locked': lambda: classes._model.set_locked(
            [2], is_locked=True
        ),
        'certainty moved, one locked': lambda: move(0.7),
        'taken back': widget.options.revert.click,
    }


def measure_side(side: int) -> dict[str, dict[str, float]]:
    """Return the figures of every change on an image of so many pixels."""
    viewer, widget = open_segmented(side, 'sand; water; grass')
    settle(1000)
    made = {
        name: follow(widget, change)
        for name, change in changes(widget).items()
    }
    viewer.close()
    settle(500)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--sides', type=int, nargs='+', default=[2048, 4096])
    parser.add_argument('--json', type=Path)
    options = parser.parse_args()
    sides = {}
    for side in options.sides:
        sides[side] = measure_side(side)
        for name, each in sides[side].items():
            verdict = 'ok' if each['longest'] <= LONGEST else 'MISSED'
            print(
                f'  {name}: {each["seconds"]:.2f} s; longest stall '
                f'{each["longest"]:.0f} ms (at most {LONGEST:.0f}): {verdict}'
            )
    if options.json:
        options.json.write_text(json.dumps(sides))


if __name__ == '__main__':
    main()
