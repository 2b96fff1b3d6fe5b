"""How long the window stands still while a large mask is finished.

Labels of a large plane that a run could have made are cleaned up, split into
objects and compared, each by its button. A timer on the GUI thread tells the
longest time between two of its beats, from the click until a moment after the
end, nothing left out. How long napari needs by itself to add and draw a layer
of as many objects is measured too: splitting adds one.

Run it with ``python benchmarks/finish_stalls.py [--side N]``. It needs a
display; under Xvfb: ``xvfb-run -a python benchmarks/finish_stalls.py``.
"""

from __future__ import annotations

import argparse
import time

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QTimer
from scipy import ndimage

from napari_naclip.layers.sync import store_list
from napari_naclip.ui.widget import SegmentationWidget
from stalls import LONGEST, Beats, settle

#: Milliseconds in which the window draws what was made.
DRAWN = 700


def press(widget: SegmentationWidget, button: object) -> tuple[float, float]:
    """Press a button; return seconds until the end, and the longest stall."""
    beats = Beats()
    loop = QEventLoop()
    poll = QTimer()
    poll.setInterval(10)

    def look() -> None:
        if not widget._corrections.finisher.is_busy:
            loop.quit()

    poll.timeout.connect(look)
    beats.start()
    start = time.perf_counter()
    button.click()
    poll.start()
    loop.exec()
    seconds = time.perf_counter() - start
    poll.stop()
    settle(DRAWN)
    beats.stop()
    return seconds, max(gap for _, gap in beats.gaps)


def make_labels(side: int) -> np.ndarray:
    """Return labels of three classes with ragged borders."""
    rng = np.random.default_rng(0)
    coarse = rng.normal(size=(side // 64, side // 64))
    field = ndimage.zoom(coarse, 64, order=1)
    field += 0.05 * rng.normal(size=field.shape)
    return (np.digitize(field, [-0.4, 0.4]) + 1).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--side', type=int, default=4096)
    side = parser.parse_args().side // 64 * 64
    viewer = napari.Viewer(show=True)
    image = viewer.add_image(np.zeros((side, side), np.uint8))
    widget = SegmentationWidget(viewer)
    viewer.window.add_dock_widget(widget, area='right')
    widget.classes.replace_text('sand; water; grass')
    settle(1000)
    book = widget._session.results
    labels = viewer.add_labels(make_labels(side))
    store_list(labels, widget.classes.state().to_dict())
    labels.features = {'index': [1, 2, 3], 'class': ['sand', 'water', 'grass']}
    result = book.find_by_labels(viewer, labels, image)
    result.written[...] = labels.data
    widget._sync.follow(result)
    finish = widget.finish
    finish.more.setChecked(True)
    settle(2000)
    finish.tidy.radius.setValue(3)
    finish.tidy.smallest.setValue(100)
    finish.class_box.setCurrentIndex(2)
    for name, button in (
        ('clean up', finish.tidy.clean),
        ('compare', finish.compare),
        ('split', finish.objects.split),
        ('split again', finish.objects.split),
    ):
        seconds, longest = press(widget, button)
        verdict = 'ok' if longest <= LONGEST else 'MISSED'
        print(
            f'{name}: {seconds:.2f} s; longest stall {longest:.0f} ms (at '
            f'most {LONGEST:.0f}): {verdict} - {finish.status.text()}'
        )
    ids = viewer.layers[-1].data.copy()
    beats = Beats()
    beats.start()
    settle(100)
    viewer.add_labels(ids)
    settle(DRAWN)
    beats.stop()
    alone = max(gap for _, gap in beats.gaps)
    print(f'napari alone, for a layer of these objects: {alone:.0f} ms')
    viewer.close()


if __name__ == '__main__':
    main()
