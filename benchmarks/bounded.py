"""How much memory an image takes beside its labels, as it becomes larger.

Segments pictures of some widths and heights with the demo model, at full
detail, each in a process of its own. The pictures are computed when they
are read, tokens are kept nowhere, and no tally is kept for the next answer:
both have budgets of their own. What is measured is the largest anonymous
memory (``RssAnon``, Linux only) beyond that of the loaded model, without the
labels and the confidence.

Run it with ``python benchmarks/bounded.py [--widths N ...] [--heights N ...]
[--stride N] [--refine off|fast|fine] [--words N] [--free MB]
[--dtype uint8|uint16] [--chunks N]``. With `--free` refinement finds no more
memory than so much.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import threading
import time
from typing import Any, Final

import numpy as np

from machine import read_memory, release_memory
from napari_naclip.demo.materials import MATERIALS
from napari_naclip.demo.scenes import demo_scene
from napari_naclip.engine import decision, refine_plan
from napari_naclip.engine.models import load_model
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import ClassList, Settings

#: Megabytes by which memory may grow from the lowest to the highest picture.
MOST: Final = 32
#: Seconds between two looks at the memory.
_INTERVAL: Final = 0.002


class Mosaic:
    """The demo's picture again and again, computed when it is read.

    Parameters
    ----------
    shape : (int, int)
    dtype : str
    chunks : int
        Side of a chunk; 0: none.
    """

    def __init__(self, shape: tuple[int, int], dtype: str, chunks: int):
        scene, _ = demo_scene()
        image = scene.image.astype(dtype)
        self._tile = image * 257 if dtype == 'uint16' else image
        self.dtype = self._tile.dtype
        self.shape = (*shape, 3)
        self.chunks = (chunks, chunks, 3) if chunks else None

    def __getitem__(self, part: tuple[slice, slice]) -> np.ndarray:
        rows, columns = (
            np.arange(*each.indices(length)) % side
            for each, length, side in zip(
                part, self.shape, self._tile.shape, strict=False
            )
        )
        return self._tile[rows[:, None], columns]


class Nowhere:
    """A store that keeps nothing."""

    def get(self, _key: bytes) -> None:
        """Return nothing."""

    def put(self, _key: bytes, _tokens: Any) -> None:
        """Keep nothing."""

    def begin(self) -> Nowhere:
        """Return itself."""
        return self


def measure(
    options: argparse.Namespace, height: int, width: int
) -> tuple[float, float]:
    """Return megabytes beside the outputs, and seconds."""
    model = load_model('demo', device='cpu', precision='float32')
    settings = Settings(
        detail=None,
        stride=options.stride,
        refine=options.refine,
        templates=('{}',),
        contrast_limits=(0, 255 if options.dtype == 'uint8' else 65535),
    )
    # A first run: what torch and the model set up once does not count.
    image = Mosaic((512, 512), options.dtype, 0)
    classes = ClassList.from_text('; '.join(list(MATERIALS)[: options.words]))
    run_to_end(
        Segmenter(model, settings).stream(image[:, :], classes, previews=False)
    )
    decision.TALLY_BYTES = 0
    if options.free:
        refine_plan.free_memory = lambda: options.free * 10**6
    image = Mosaic((height, width), options.dtype, options.chunks)
    release_memory()
    before = peak = read_memory('RssAnon')
    has_ended = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not has_ended.wait(_INTERVAL):
            peak = max(peak, read_memory('RssAnon'))

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    result = run_to_end(
        Segmenter(model, settings, Nowhere()).stream(
            image, classes, previews=False
        )
    )
    seconds = time.perf_counter() - start
    has_ended.set()
    watcher.join()
    outputs = (result.labels.nbytes + result.confidence.nbytes) / 2**20
    return peak - before - outputs, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--widths', type=int, nargs='+', default=[1024])
    parser.add_argument(
        '--heights', type=int, nargs='+', default=[1024, 2048, 4096]
    )
    parser.add_argument('--stride', type=int)
    parser.add_argument('--refine', default='off')
    parser.add_argument('--words', type=int, default=5)
    parser.add_argument('--free', type=int, default=0)
    parser.add_argument('--dtype', default='uint8')
    parser.add_argument('--chunks', type=int, default=0)
    parser.add_argument('--one', type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(*measure(options, *options.one))
        return
    found = []
    for height, width in itertools.product(options.heights, options.widths):
        process = subprocess.run(
            [sys.executable, *sys.argv, '--one', str(height), str(width)],
            check=True,
            capture_output=True,
            text=True,
        )
        megabytes, seconds = map(float, process.stdout.split())
        found.append(megabytes)
        print(
            f'{height} x {width}: {megabytes:.0f} MB beside the outputs, '
            f'{seconds:.1f} s',
            flush=True,
        )
    growth = max(found) - found[0]
    verdict = 'ok' if growth <= MOST else 'MISSED'
    print(f'growth: {growth:.0f} MB (at most {MOST}): {verdict}')


if __name__ == '__main__':
    main()
