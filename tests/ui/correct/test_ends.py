"""Edits outlive what ends a program before its window was closed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_naclip.io.folders import edits_folder
from napari_naclip.io.saved_edits import find_saved

#: Paints without an end, and says after each stroke how many there are.
PAINTER = """
import sys
import time
import numpy as np
from qtpy.QtWidgets import QApplication
app = QApplication([])
from napari.components import ViewerModel
from napari_naclip.engine.types import ClassList, Settings
from napari_naclip.layers.labels import add_result, write_region
from napari_naclip.layers.read import take_snapshots
from napari_naclip.ui.correct.autosave import AutoSaver
viewer = ViewerModel()
image = viewer.add_image(np.zeros((700, 600)), name='photo')
(snapshot,) = take_snapshots(image, viewer, Settings(detail=None))
classes = ClassList.from_text('one; two; three')
result = add_result(viewer, image, snapshot, classes)
write_region(result, snapshot, np.ones((700, 600), np.uint8))
saver = AutoSaver(viewer, interval=0.2)
saver.follow(result)
result.labels.brush_size = 5
for number in range(100_000):
    row, column = (37 * number) % 700, (91 * number) % 600
    result.labels.paint((row, column), 2 + number % 2)
    print(number + 1, flush=True)
    until = time.monotonic() + 0.01
    while time.monotonic() < until:
        app.processEvents()
"""


def strokes(number: int) -> np.ndarray:
    """Return what the painter has after so many strokes."""
    viewer = ViewerModel()
    layer = viewer.add_labels(np.ones((700, 600), np.uint8))
    layer.brush_size = 5
    for each in range(number):
        row, column = (37 * each) % 700, (91 * each) % 600
        layer.paint((row, column), 2 + each % 2)
    return np.asarray(layer.data)


@pytest.mark.skipif(sys.platform == 'win32', reason='has no SIGKILL')
def test_killed_while_painting() -> None:
    process = subprocess.Popen(
        [sys.executable, '-c', PAINTER],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, 'QT_QPA_PLATFORM': 'offscreen'},
    )
    root = edits_folder()
    at_save, last, seen = [0], 0, None
    try:
        for line in process.stdout:
            last = int(line)
            heads = list(root.glob('*/edits.json'))
            stamp = heads[0].stat().st_mtime_ns if heads else None
            if stamp != seen:
                seen = stamp
                at_save.append(last)
            # Some saves, and some strokes after the last one.
            if len(at_save) > 4 and last > at_save[-1] + 3:
                break
        assert find_saved(root) == []
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    for line in process.stdout:
        last = int(line)
    process.stdout.close()
    (saved,) = find_saved(root)
    labels, written, _ = saved.load()
    saved.discard()
    assert (written == 1).all()
    # It is what was there at a moment, at most one save ago: tiles are
    # copied in turns, with strokes between them.
    before, after = strokes(at_save[-3]), strokes(last)
    is_kept = (labels == after) | (labels == before)
    assert is_kept.all()
    painted = before != 1
    assert (labels[painted] != 1).all()
    assert painted.any()


#: Goes on after a slot that failed.
CLOSE = """
import sys
from qtpy.QtCore import QTimer
sys.last_exc = sys.last_value = ValueError('told')
QTimer.singleShot(0, app.quit)
app.exec()
"""
ENDS = {
    'clean': ('', False),
    'exception': ('raise RuntimeError("wrong")\n', True),
    'closed later': (CLOSE, False),
}


@pytest.mark.parametrize(
    'end',
    [
        'clean',
        'exception',
        pytest.param('closed later', marks=pytest.mark.slow),
    ],
)
def test_only_a_clean_exit_leaves_nothing(end) -> None:
    text, is_kept = ENDS[end]
    code = (
        PAINTER.replace('range(100_000)', 'range(60)')
        + '\nfrom napari_naclip.io.folders import edits_folder\n'
        'assert list(edits_folder().glob("*/edits.json"))\n' + text
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, 'QT_QPA_PLATFORM': 'offscreen'},
    )
    assert (done.returncode != 0) == is_kept, done.stderr
    assert 'AssertionError' not in done.stderr
    found = find_saved(edits_folder())
    assert len(found) == is_kept
    for each in found:
        each.load()
        each.close()
