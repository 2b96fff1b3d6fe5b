"""A mosaic of 8192 x 8192 pixels: memory of a run, and a later question.

The demo model at full detail with 20 classes; features are kept on the disk,
in a temporary folder, with little room in memory; the picture is computed
when it is read. The peak is that of the process's anonymous memory
(``RssAnon``, Linux only), with all that Python and torch take, without a
window.

Run it with ``python benchmarks/mosaic.py [--side N] [--memory MB]``; it takes
some minutes and some gigabytes of the disk.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

import numpy as np

from bounded import Mosaic
from machine import read_memory
from napari_naclip.engine.models import load_model
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.store import FeatureStore
from napari_naclip.engine.types import ClassList, Settings

#: Megabytes of anonymous memory, at most.
MOST: Final = 1800
_INTERVAL: Final = 0.01


class Varied(Mosaic):
    """A mosaic in which no two windows are equal."""

    def __getitem__(self, part: tuple[slice, slice]) -> np.ndarray:
        rows, columns = (
            np.arange(*each.indices(length))
            for each, length in zip(part, self.shape, strict=False)
        )
        noise = (rows[:, None] * 2_654_435_761 + columns * 40_503) >> 13
        return (
            super().__getitem__(part)
            ^ (noise % 8).astype(np.uint8)[:, :, None]
        )


class Peak:
    """The largest anonymous memory while it is entered, in MB."""

    def __init__(self) -> None:
        self.megabytes = 0.0
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._has_ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._has_ended.wait(_INTERVAL):
            self.megabytes = max(self.megabytes, read_memory('RssAnon'))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--side', type=int, default=8192)
    parser.add_argument('--memory', type=int, default=256)
    options = parser.parse_args()
    model = load_model('demo', device='cpu', precision='float32')
    settings = Settings(detail=None, contrast_limits=(0, 255))
    image = Varied((options.side, options.side), 'uint8', 512)
    lists = [
        ClassList.from_text('; '.join(f'thing {n}' for n in range(count)))
        for count in (20, 21)
    ]
    with tempfile.TemporaryDirectory() as folder, Peak() as peak:
        store = FeatureStore(
            Path(folder), memory=options.memory * 10**6, disk=20 * 10**9
        )
        live = Segmenter(model, settings, store).open(image)
        seconds = []
        for classes in lists:
            start = time.perf_counter()
            result = run_to_end(live.answer(classes))
            seconds.append(time.perf_counter() - start)
        usage = store.usage()
        store.close()
    outputs = (result.labels.nbytes + result.confidence.nbytes) / 2**20
    print(
        f'{len(live.features.tokens)} windows; kept: '
        f'{usage.memory_size / 1e6:.0f} MB in memory, '
        f'{usage.disk_size / 1e6:.0f} MB on the disk'
    )
    print(f'run: {seconds[0]:.0f} s; a class added: {seconds[1]:.1f} s')
    verdict = 'ok' if peak.megabytes <= MOST else 'MISSED'
    print(
        f'peak: {peak.megabytes:.0f} MB, of which labels and confidence '
        f'{outputs:.0f} MB (at most {MOST}): {verdict}'
    )


if __name__ == '__main__':
    main()
