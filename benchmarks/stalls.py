"""How long the window stands still during a run of several hundred windows.

A timer on the GUI thread fires every few milliseconds; the longest times
between two of its beats are the stalls; nothing is left out. The first run in
a fresh process imports torch on the way and adds a Labels layer, napari's
first one; the second one updates that layer; before the third it was removed,
so that a layer is added again. How long napari needs by itself to add and draw
a Labels layer, here and now, is measured at the end.

Run it with ``python benchmarks/stalls.py [--side N] [--json FILE]``. It needs
a display; under Xvfb: ``xvfb-run -a python benchmarks/stalls.py``.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QTimer

from napari_naclip.demo.scenes import demo_scene
from napari_naclip.io.kept_features import shared_store
from napari_naclip.ui.widget import SegmentationWidget

if TYPE_CHECKING:
    from napari_naclip.ui.estimate import RunProgress

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
        Of those that began before the stage after the import.
    longest, percentile_99 : float
        After the import.
    """

    windows: int
    seconds: float
    import_longest: float
    longest: float
    percentile_99: float


class Beats:
    """When the GUI thread was free, and in which stage of the run."""

    def __init__(self) -> None:
        self.gaps: list[tuple[str, float]] = []
        self.windows = 0
        # A gap belongs to the stage in which it began, all of it.
        self._stage = self._next_stage = 'import'
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setInterval(BEAT)
        self._timer.timeout.connect(self._on_beat)

    def start(self) -> None:
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> None:
        self._on_beat()
        self._timer.stop()

    def of_stage(self, *, is_import: bool) -> list[float]:
        """Return the gaps of the import, or those of all other stages."""
        return [
            gap for stage, gap in self.gaps if (stage == 'import') is is_import
        ]

    def on_progressed(self, progress: RunProgress) -> None:
        if progress.stage not in ('wait', 'import'):
            self._next_stage = progress.stage
        if progress.stage == 'windows':
            self.windows = progress.total

    def _on_beat(self) -> None:
        now = time.perf_counter()
        self.gaps.append((self._stage, 1000 * (now - self._last)))
        self._stage = self._next_stage
        self._last = now


def settle(milliseconds: int) -> None:
    """Let the window work."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def measure(widget: SegmentationWidget) -> Figures:
    """Run once and return the stalls."""
    # Each run looks at its windows: what is kept would make it too easy.
    shared_store().clear()
    beats = Beats()
    widget._runs.progressed.connect(beats.on_progressed)
    loop = QEventLoop()
    widget.run_finished.connect(loop.quit)
    start = time.perf_counter()
    beats.start()
    widget.panel.run.click()
    loop.exec()
    seconds = time.perf_counter() - start
    # The labels are drawn after the run's end.
    settle(500)
    beats.stop()
    widget._runs.progressed.disconnect(beats.on_progressed)
    widget.run_finished.disconnect(loop.quit)
    after = beats.of_stage(is_import=False)
    return Figures(
        windows=beats.windows,
        seconds=seconds,
        import_longest=max(beats.of_stage(is_import=True)),
        longest=max(after),
        percentile_99=float(np.percentile(after, 99)),
    )


def open_segmented(
    side: int, text: str = ''
) -> tuple[napari.Viewer, SegmentationWidget]:
    """Open a window with a drawn picture and segment it at full detail.

    Parameters
    ----------
    side : int
        Rows and columns of the picture.
    text : str
        The classes; those of the picture by default.
    """
    viewer = napari.Viewer(show=True)
    scene, own = demo_scene()
    reps = -(-side // min(scene.image.shape[:2]))
    viewer.add_image(np.tile(scene.image, (reps, reps, 1))[:side, :side])
    widget = SegmentationWidget(viewer)
    viewer.window.add_dock_widget(widget, area='right')
    widget.model.choose_model('demo')
    detail = widget.image.detail_box
    detail.setCurrentIndex(detail.findData('full'))
    widget.classes.replace_text(text or own)
    settle(1000)
    run = measure(widget)
    print(f'{side} x {side}: {run.windows} windows in {run.seconds:.1f} s')
    return viewer, widget


def measure_layer(viewer: napari.Viewer, side: int) -> float:
    """Return the stall, in ms, while napari adds an empty Labels layer."""
    beats = Beats()
    beats.start()
    settle(100)
    viewer.add_labels(np.zeros((side, side), np.uint8))
    settle(300)
    beats.stop()
    return max(gap for _, gap in beats.gaps)


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
    settle(1000)

    runs = {
        'with the import and a layer': measure(widget),
        'into the same layer': measure(widget),
    }
    viewer.layers.remove(viewer.layers[-1])
    settle(500)
    runs['into another layer'] = measure(widget)
    layer = measure_layer(viewer, options.side)
    for name, figures in runs.items():
        print(f'{name}: {figures.windows} windows in {figures.seconds:.1f} s')
        # After the first run nothing is imported any more.
        is_first = name.startswith('with the import')
        say(
            'longest until the model loads',
            figures.import_longest,
            LONGEST_IMPORT if is_first else LONGEST,
        )
        say('longest after it', figures.longest, LONGEST)
        say('99th percentile after it', figures.percentile_99, PERCENTILE)
    print(f'napari alone, for an empty Labels layer: {layer:.0f} ms')
    if options.json:
        options.json.write_text(
            json.dumps(
                {
                    **{name: asdict(each) for name, each in runs.items()},
                    'napari alone': layer,
                }
            )
        )
    viewer.close()


def say(what: str, milliseconds: float, most: float) -> None:
    verdict = 'ok' if milliseconds <= most else 'MISSED'
    print(f'  {what}: {milliseconds:.0f} ms (at most {most:.0f}): {verdict}')


if __name__ == '__main__':
    main()
