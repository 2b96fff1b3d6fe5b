"""How long the window stands still during a run of several hundred windows.

A timer on the GUI thread fires every few milliseconds; the longest times
between two of its beats are the stalls. One run in a fresh process imports
torch on the way, a second one does not.

Run it with ``python benchmarks/stalls.py [--side N] [--json FILE]``. It needs
a display; under Xvfb: ``xvfb-run -a python benchmarks/stalls.py``.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QTimer

from napari_naclip.ui.widget import SegmentationWidget

#: Milliseconds between two beats of the timer.
BEAT: Final = 5
#: What is allowed, in milliseconds: the longest stall after the import and
#: during it, and the 99th percentile after it.
LONGEST: Final = 100.0
LONGEST_IMPORT: Final = 400.0
PERCENTILE: Final = 50.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Stalls in milliseconds.

    Attributes
    ----------
    windows : int
    seconds : float
        Of the whole run.
    import_longest : float
        Until the stage after the import.
    longest, percentile_99 : float
        After the import.
    layer : float
        While napari adds the layer of the result, which it does in the GUI
        thread; 0 where the run updates one.
    """

    windows: int
    seconds: float
    import_longest: float
    longest: float
    percentile_99: float
    layer: float


class Beats:
    """When the GUI thread was free, and in which stage of the run."""

    def __init__(
        self, viewer: napari.Viewer, widget: SegmentationWidget
    ) -> None:
        self.gaps: list[tuple[str, float]] = []
        self.stage = 'import'
        self.windows = 0
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setInterval(BEAT)
        self._timer.timeout.connect(self._on_beat)
        # The stage is the worker's news; it is read before the beat.
        widget._runs.progressed.connect(self._on_progressed)
        self._is_adding = False
        viewer.layers.events.inserted.connect(self._on_layer_inserted)

    def start(self) -> None:
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> None:
        self._on_beat()
        self._timer.stop()

    def _on_beat(self) -> None:
        now = time.perf_counter()
        stage = 'layer' if self._is_adding else self.stage
        self._is_adding = False
        self.gaps.append((stage, 1000 * (now - self._last)))
        self._last = now

    def _on_layer_inserted(self, _event: object) -> None:
        self._is_adding = True

    def _on_progressed(self, progress) -> None:
        if progress.stage not in ('wait', 'import'):
            # What came before this news belongs to the import.
            self._on_beat()
            self.stage = progress.stage
        if progress.stage == 'windows':
            self.windows = progress.total


def measure(viewer: napari.Viewer, widget: SegmentationWidget) -> Figures:
    """Run once and return the stalls."""
    beats = Beats(viewer, widget)
    loop = QEventLoop()
    widget.run_finished.connect(loop.quit)
    start = time.perf_counter()
    beats.start()
    widget.panel.run.click()
    loop.exec()
    seconds = time.perf_counter() - start
    # The new layer is drawn after the run's end.
    QTimer.singleShot(500, loop.quit)
    loop.exec()
    beats.stop()
    before = [gap for stage, gap in beats.gaps if stage == 'import']
    layer = [gap for stage, gap in beats.gaps if stage == 'layer']
    after = [
        gap for stage, gap in beats.gaps if stage not in ('import', 'layer')
    ]
    return Figures(
        windows=beats.windows,
        seconds=seconds,
        import_longest=max(before),
        longest=max(after),
        percentile_99=float(np.percentile(after, 99)),
        layer=max(layer, default=0.0),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--side', type=int, default=1500)
    parser.add_argument('--json', type=Path)
    options = parser.parse_args()

    viewer = napari.Viewer(show=True)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (options.side, options.side, 3), np.uint8)
    viewer.add_image(image)
    widget = SegmentationWidget(viewer)
    viewer.window.add_dock_widget(widget, area='right')
    widget.model.choose_model('demo')
    detail = widget.image.detail_box
    detail.setCurrentIndex(detail.findData('full'))
    widget.classes.replace_text('sand; water; grass')
    settle = QEventLoop()
    QTimer.singleShot(1000, settle.quit)
    settle.exec()

    runs = {
        'with the import': measure(viewer, widget),
        'without': measure(viewer, widget),
    }
    for name, figures in runs.items():
        print(f'{name}: {figures.windows} windows in {figures.seconds:.1f} s')
        if name != 'without':
            say(
                'longest during the import',
                figures.import_longest,
                LONGEST_IMPORT,
            )
        say('longest after it', figures.longest, LONGEST)
        say('99th percentile after it', figures.percentile_99, PERCENTILE)
        if figures.layer:
            print(f'  napari adds the labels layer: {figures.layer:.0f} ms')
    if options.json:
        options.json.write_text(
            json.dumps({name: asdict(each) for name, each in runs.items()})
        )
    viewer.close()


def say(what: str, milliseconds: float, most: float) -> None:
    verdict = 'ok' if milliseconds <= most else 'MISSED'
    print(f'  {what}: {milliseconds:.0f} ms (at most {most:.0f}): {verdict}')


if __name__ == '__main__':
    main()
