"""What stays behind after hundreds of runs: memory, widgets, threads, tasks.

Runs the demo model again and again in one window, as a person who tries one
word after the other, and looks at the process's own memory (pages that it
shares with nobody) before the last 200 runs and after them.

Run it with ``python benchmarks/many_runs.py [--runs N] [--json FILE]``. It
needs a display; under Xvfb: ``xvfb-run -a python benchmarks/many_runs.py``.
"""

from __future__ import annotations

import argparse
import gc
import json
import threading
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import napari
import numpy as np
import psutil
from napari.utils import progress
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

from napari_naclip.ui.widget import SegmentationWidget

#: Megabytes of memory that a run may leave behind, over the last runs.
MOST: Final = 0.1
#: How many the last runs are.
LAST: Final = 200
#: Runs between two looks at the memory.
EACH: Final = 10


@dataclass(frozen=True, slots=True)
class Figures:
    """What there is at one moment.

    Attributes
    ----------
    memory : float
        Unique set size in MB.
    widgets, threads, bars : int
    is_busy : bool
        Whether napari thinks that something runs.
    """

    memory: float
    widgets: int
    threads: int
    bars: int
    is_busy: bool


def wait(milliseconds: int) -> None:
    """Let the window work."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def run(widget: SegmentationWidget) -> None:
    """Press Run and wait for the end."""
    loop = QEventLoop()
    widget.run_finished.connect(loop.quit)
    widget.panel.run.click()
    loop.exec()
    widget.run_finished.disconnect(loop.quit)


def look(viewer: napari.Viewer) -> Figures:
    """Count what there is now."""
    wait(500)
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        tasks = viewer.window._task_status_manager
    return Figures(
        memory=psutil.Process().memory_full_info().uss / 1e6,
        widgets=len(QApplication.allWidgets()),
        threads=threading.active_count(),
        bars=len(progress._all_instances),
        is_busy=tasks.is_busy(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--runs', type=int, default=300)
    parser.add_argument('--json', type=Path)
    options = parser.parse_args()
    last = min(LAST, options.runs * 2 // 3)

    viewer = napari.Viewer(show=True)
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (12, 16, 3), np.uint8)
    viewer.add_image(coarse.repeat(16, axis=0).repeat(16, axis=1))
    widget = SegmentationWidget(viewer)
    viewer.window.add_dock_widget(widget, area='right')
    widget.model.choose_model('demo')

    lists = 'sand\nwater', 'grass\nforest', 'sand\nwater\ngrass'
    figures, samples = {}, []
    for number in range(options.runs):
        if number == options.runs - last:
            figures['before'] = look(viewer)
        if number >= options.runs - last and number % EACH == 0:
            samples.append((number, look(viewer).memory))
        widget.classes.replace_text(lists[number % len(lists)])
        run(widget)
    figures['after'] = look(viewer)

    for when, each in figures.items():
        print(f'{when} the last {last} of {options.runs} runs: {each}')
    before, after = figures['before'], figures['after']
    # The allocator gives pages back now and then: a line through many looks
    # says more than two of them.
    print('MB:', ' '.join(f'{memory:.0f}' for _, memory in samples))
    rise = float(np.polyfit(*zip(*samples, strict=True), 1)[0])
    verdict = 'ok' if rise <= MOST else 'MISSED'
    print(f'memory a run: {rise:.3f} MB (at most {MOST}): {verdict}')
    is_clean = not after.is_busy and (
        (before.widgets, before.threads, before.bars)
        == (after.widgets, after.threads, after.bars)
    )
    print(f'nothing left behind: {"ok" if is_clean else "MISSED"}')
    if options.json:
        options.json.write_text(
            json.dumps({when: asdict(each) for when, each in figures.items()})
        )
    viewer.close()


if __name__ == '__main__':
    main()
