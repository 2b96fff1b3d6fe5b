"""What stays behind after hundreds of runs: memory, widgets, threads, tasks.

Runs the demo model again and again in one window, as a person who tries one
word after the other, and looks at the process's anonymous memory after each
of the last 200 runs, as it is: nothing is collected before.

The unique set size would tell something else: the pages of torch's and Qt's
own files count in it while no other process has them mapped, so that hundreds
of megabytes come and go with other programs.

Run it with ``python benchmarks/many_runs.py [--runs N] [--json FILE]``. It
needs a display; under Xvfb: ``xvfb-run -a python benchmarks/many_runs.py``.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import threading
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import napari
import numpy as np
import psutil
from napari.utils import progress
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

from napari_naclip.ui.widget import SegmentationWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Megabytes of memory that a run may leave behind, over the last runs.
MOST: Final = 0.1
#: How many the last runs are.
LAST: Final = 200
#: Runs between two numbers that are printed.
EACH: Final = 10
#: Milliseconds for the window to draw the result of a run.
SETTLE: Final = 50


@dataclass(frozen=True, slots=True)
class Figures:
    """What there is at one moment.

    Attributes
    ----------
    memory : float
        Anonymous memory in MB.
    widgets, threads, tasks, bars : int
        ``threads`` are Python's, ``tasks`` are all of the process: those of
        torch's pools as well.
    is_busy : bool
        Whether napari thinks that something runs.
    """

    memory: float
    widgets: int
    threads: int
    tasks: int
    bars: int
    is_busy: bool


@dataclass(frozen=True, slots=True)
class Trend:
    """How memory went over the last runs, in MB.

    Attributes
    ----------
    rise : float
        A run: from the mean of the first third to that of the last.
    median, least, most : float
        A plateau shows as a most far above the median.
    """

    rise: float
    median: float
    least: float
    most: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Trend:
        """Take one sample for each run; at least three."""
        third = len(samples) // 3
        first, last = np.mean(samples[:third]), np.mean(samples[-third:])
        return cls(
            rise=float(last - first) / (len(samples) - third),
            median=float(np.median(samples)),
            least=min(samples),
            most=max(samples),
        )

    def is_flat(self, runs: int) -> bool:
        """Whether neither the trend nor a plateau is above what is allowed."""
        return self.rise <= MOST and self.most - self.median <= MOST * runs


def anonymous_memory() -> float:
    """Return the megabytes of memory that no file stands behind."""
    if sys.platform != 'linux':
        # The nearest there is.
        return psutil.Process().memory_full_info().uss / 1e6
    lines = Path('/proc/self/smaps_rollup').read_text().splitlines()
    found = next(line for line in lines if line.startswith('Anonymous:'))
    return int(found.split()[1]) * 1024 / 1e6


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
        memory=anonymous_memory(),
        widgets=len(QApplication.allWidgets()),
        threads=threading.active_count(),
        tasks=psutil.Process().num_threads(),
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
    figures: dict[str, Figures] = {}
    samples: list[float] = []
    for number in range(options.runs):
        if number == options.runs - last:
            figures['before'] = look(viewer)
        widget.classes.replace_text(lists[number % len(lists)])
        run(widget)
        if number >= options.runs - last:
            wait(SETTLE)
            samples.append(anonymous_memory())
    figures['after'] = look(viewer)

    for when, each in figures.items():
        print(f'{when} the last {last} of {options.runs} runs: {each}')
    print('MB:', ' '.join(f'{memory:.0f}' for memory in samples[::EACH]))
    trend = Trend.of(samples)
    print(
        f'memory a run: {trend.rise:.3f} MB (at most {MOST}), '
        f'{trend.least:.0f} to {trend.most:.0f} MB, '
        f'median {trend.median:.0f} (at most {MOST * last:.0f} above it): '
        f'{"ok" if trend.is_flat(last) else "MISSED"}'
    )
    before, after = figures['before'], figures['after']
    is_clean = not after.is_busy and (
        (before.widgets, before.threads, before.bars)
        == (after.widgets, after.threads, after.bars)
        # A pool may end late; more of them than before would be left behind.
        and before.tasks >= after.tasks
    )
    print(f'nothing left behind: {"ok" if is_clean else "MISSED"}')
    if options.json:
        options.json.write_text(
            json.dumps(
                {
                    **{when: asdict(each) for when, each in figures.items()},
                    'trend': asdict(trend),
                    'samples': samples,
                }
            )
        )
    viewer.close()


if __name__ == '__main__':
    main()
