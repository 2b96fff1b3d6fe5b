"""How long the window stands still while a person corrects a result.

After a run of the demo model at full detail: regions are asked for, given a
class, accepted and taken back. A timer on the GUI thread tells the longest
time between two of its beats, until the next region is shown and drawn,
nothing left out; and how long that took.

Run it with ``python benchmarks/correct_stalls.py [--side N] [--json FILE]``.
It needs a display; under Xvfb: ``xvfb-run -a python
benchmarks/correct_stalls.py``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QEventLoop, QTimer

from stalls import LONGEST, Beats, open_segmented, settle

if TYPE_CHECKING:
    from collections.abc import Callable

#: Milliseconds in which the window draws what is shown.
DRAWN: Final = 700
#: Seconds after which nothing is expected any more.
PATIENCE: Final = 120


def watch(
    act: Callable[[], object], is_done: Callable[[], bool]
) -> dict[str, float]:
    """Do something; return seconds and stalls until it is done and drawn."""
    beats, loop, poll = Beats(), QEventLoop(), QTimer()
    poll.setInterval(5)
    start = time.perf_counter()

    def look() -> None:
        if is_done() or time.perf_counter() - start > PATIENCE:
            loop.quit()

    poll.timeout.connect(look)
    beats.start()
    act()
    poll.start()
    loop.exec()
    seconds = time.perf_counter() - start
    poll.stop()
    settle(DRAWN)
    beats.stop()
    return {'seconds': seconds, 'longest': max(gap for _, gap in beats.gaps)}


def measure_side(side: int) -> dict[str, dict[str, float]]:
    """Return the figures of every step on an image of so many pixels."""
    viewer, widget = open_segmented(side)
    panel = widget.correct.guide
    widget.correct.more.click()
    settle(1000)
    made: dict[str, dict[str, float]] = {}
    steps: dict[str, Callable[[], object]] = {
        'first Next': panel.next.click,
        'Next': panel.next.click,
        'as it is': panel.accept.click,
        'a class': panel.choices[1].click,
        'another class': panel.choices[2].click,
        'back': panel.back.click,
    }
    guide = widget._corrections.guide
    for name, act in steps.items():
        made[name] = watch(
            act,
            lambda: panel.accept.isEnabled() and guide.is_idle,
        )
        settle(3000)
    viewer.close()
    settle(500)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--side', type=int, default=4096)
    parser.add_argument('--json', type=Path)
    options = parser.parse_args()
    figures = measure_side(options.side)
    for name, each in figures.items():
        verdict = 'ok' if each['longest'] <= LONGEST else 'MISSED'
        print(
            f'  {name}: {each["seconds"]:.2f} s; longest stall '
            f'{each["longest"]:.0f} ms (at most {LONGEST:.0f}): {verdict}'
        )
    if options.json:
        options.json.write_text(json.dumps(figures))


if __name__ == '__main__':
    main()
