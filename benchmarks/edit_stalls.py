"""How long edits hold up the window's thread, on a plane of 4096 x 4096.

    xvfb-run -a python benchmarks/edit_stalls.py [SIDE]

Prints milliseconds: the longest turn of counting and of saving, and single
actions. The labels have a thousand classes' worth of detail and 500 strokes.
Of what is drawn, also the longest time in which a real window stood still,
until all was on the canvas.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import napari
import numpy as np
from qtpy.QtCore import QObject

from napari_naclip.engine.types import ClassList, Region, Settings
from napari_naclip.io.folders import edits_folder
from napari_naclip.io.saved_edits import find_saved
from napari_naclip.layers import edits
from napari_naclip.layers.labels import (
    add_result,
    checkpoint,
    revert,
    write_region,
)
from napari_naclip.layers.outline import Outline, reduction_of
from napari_naclip.layers.read import take_snapshots
from napari_naclip.ui.correct.autosave import AutoSaver
from napari_naclip.ui.turns import Turns
from stalls import Beats, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLANE = (slice(None), slice(None))
CLASSES = '; '.join(f'class {number}' for number in range(1, 20))


def longest(function: Callable[[], object], owner: object, name: str) -> float:
    """Return the longest call of a method while a function runs, in ms."""
    real, times = getattr(owner, name), []

    def timed() -> None:
        start = time.perf_counter()
        real()
        times.append(1000 * (time.perf_counter() - start))

    setattr(owner, name, timed)
    function()
    setattr(owner, name, real)
    return max(times)


def once(function: Callable[[], object]) -> float:
    """Return how long a call takes, in ms."""
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start)


def drawn(function: Callable[[], object]) -> str:
    """Return how long a call takes, and the window's longest stall, in ms."""
    beats = Beats()
    beats.start()
    # Its first beat, then what is to be measured.
    settle(50)
    beats.gaps.clear()
    milliseconds = once(function)
    settle(700)
    beats.stop()
    longest_gap = max(gap for _, gap in beats.gaps)
    return f'{milliseconds:.1f} ms, window still {longest_gap:.1f} ms'


def main(side: int) -> None:
    """Measure and print."""
    folder = tempfile.mkdtemp()
    os.environ['NAPARI_NACLIP_STATE'] = folder
    rng = np.random.default_rng(0)
    viewer = napari.Viewer(show=True)
    image = viewer.add_image(np.zeros((side, side), np.uint8))
    (snapshot,) = take_snapshots(image, viewer, Settings(detail=None))
    result = add_result(viewer, image, snapshot, ClassList.from_text(CLASSES))
    blocks = rng.integers(1, 20, (side // 16, side // 16), dtype=np.uint8)
    write_region(result, snapshot, blocks.repeat(16, 0).repeat(16, 1))
    saver = AutoSaver(viewer, interval=3600)
    saver.follow(result)
    (job,) = saver._jobs
    layer = result.labels
    layer.brush_size = 30

    def paint() -> None:
        for row, column in rng.integers(0, side, (500, 2)):
            layer.paint((int(row), int(column)), int(rng.integers(1, 20)))

    def save() -> None:
        turns: list[float] = []
        saver._begin()
        while saver._copying:
            if job.is_busy:
                time.sleep(0.001)
            elif job.outcomes:
                # What its timer does, but in no turn that is measured.
                saver._look()
            else:
                turns.append(once(saver._go_on))
        while job.is_busy:
            time.sleep(0.005)
        saver._look()
        print(f'  turns {len(turns)}, longest {max(turns):.1f} ms')

    paint()
    print('first save, all tiles')
    print(f'  until it is on the disk {once(save):.0f} ms')
    layer.paint((side // 2, side // 2), 7)
    print('save after a stroke')
    print(f'  until it is on the disk {once(save):.0f} ms')
    layer.undo()
    print('save after an undo: all tiles are looked at')
    print(f'  until it is on the disk {once(save):.0f} ms')

    count = edits.EditCount(result, PLANE)
    turns = []
    while not count.is_done:
        turns.append(once(count.count_on))
    print(f'count: turns {len(turns)}, longest {max(turns):.1f} ms')
    whole = Region(0, 0, side, side)
    step = reduction_of(whole.size)
    outline = Outline('edited pixels')

    turned = QObject()
    turns_of_window = Turns(turned)

    def draw() -> Iterator[None]:
        # As the panel does it.
        strips = []
        for _, mask in edits.iter_edits(result, PLANE, whole, step):
            strips.append(mask)
            yield
        yield from outline.show(
            viewer, layer, PLANE, (0, 0), np.concatenate(strips), step
        )

    settle(1000)
    for name in ('first outline', 'outline again'):
        print(f'{name}: {drawn(lambda: turns_of_window.add(draw()))}')
    before = layer.data.copy()
    result.previous = checkpoint(result)
    forgetting = edits.forget_steps(result, PLANE)
    print(
        'forget on the plane: '
        f'{drawn(lambda: turns_of_window.add(forgetting))}'
    )
    result.checkpoint = None
    print(f'revert: {drawn(lambda: revert(result))}')
    if not np.array_equal(layer.data, before) or find_saved(edits_folder()):
        raise SystemExit('Revert or the lock of saved edits is broken.')
    viewer.close()
    settle(500)


if __name__ == '__main__':
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4096)
