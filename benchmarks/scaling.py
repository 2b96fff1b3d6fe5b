"""How time grows with pixels, classes and planes: a table and a plot.

The demo model segments drawn scenes at full detail: squares of several sizes,
lists of several lengths (from kept tokens, without and with refinement), and
stacks of several planes. Each time is the least of some repeats. The power p
of the best fit time ~ amount ** p is printed for the larger half of each
series: 1 is linear, less is better.

Run it with ``python benchmarks/scaling.py [--plot docs/scaling.png]`` on a
machine that does nothing else; the plot needs matplotlib.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from machine import machine_facts
from napari_naclip.demo.scenes import demo_scene
from napari_naclip.engine.models import load_model
from napari_naclip.engine.segment import segment
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import ClassList, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_naclip.engine.models import Model

    Series = list[tuple[float, float]]

SETTINGS: Final = Settings(detail=None)
SIDES: Final = (256, 384, 512, 768, 1024, 1448)
CLASSES: Final = (4, 8, 16, 32, 48, 64, 96)
PLANES: Final = (1, 2, 4, 6, 8, 12)
#: Largest power that still counts as linear.
MOST: Final = 1.1


def least(task: Callable[[], object], repeat: int) -> float:
    """Return the least seconds of a task."""
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        task()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def make_image(side: int) -> npt.NDArray[np.uint8]:
    return demo_scene(height=side, width=side)[0].image


def words(count: int) -> ClassList:
    return ClassList.from_text('; '.join(f'thing {n}' for n in range(count)))


def measure_pixels(model: Model, repeat: int) -> Series:
    """Return (megapixels, seconds) of whole runs."""
    found = []
    for side in SIDES:
        image = make_image(side)
        seconds = least(
            lambda image=image: segment(  # type: ignore[misc]
                image, words(5), model=model, settings=SETTINGS
            ),
            repeat,
        )
        found.append((side**2 / 1e6, seconds))
    return found


def measure_classes(model: Model, repeat: int, refine: str) -> Series:
    """Return (classes, seconds) of answers from kept tokens."""
    settings = replace(SETTINGS, refine=refine)
    segmenter = Segmenter(model, settings)
    features = run_to_end(segmenter.encode(make_image(768)))
    found = []
    for count in CLASSES:
        classes = words(count)
        run_to_end(segmenter.embed(classes))
        seconds = least(
            lambda classes=classes: run_to_end(  # type: ignore[misc]
                segmenter.classify(features, classes)
            ),
            repeat,
        )
        found.append((float(count), seconds))
    return found


def measure_planes(model: Model, repeat: int) -> Series:
    """Return (planes, seconds) of runs over a stack."""
    planes = [make_image(256) + np.uint8(n) for n in range(max(PLANES))]

    def run(count: int) -> None:
        for plane in planes[:count]:
            segment(plane, words(5), model=model, settings=SETTINGS)

    return [
        (float(count), least(lambda count=count: run(count), repeat))  # type: ignore[misc]
        for count in PLANES
    ]


def power(series: Series) -> float:
    """Return p of time ~ amount ** p over the larger half of a series."""
    amounts, seconds = np.log(np.array(series[len(series) // 2 - 1 :])).T
    return float(np.polyfit(amounts, seconds, 1)[0])


def draw(found: dict[str, Series], path: Path) -> None:
    """Draw the series side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 2.8), layout='constrained')
    axes = figure.subplots(1, len(found))
    for axis, (name, series) in zip(axes, found.items(), strict=True):
        amounts, seconds = np.array(series).T
        axis.plot(amounts, seconds, 'o-', markersize=4)
        axis.set_xlim(left=0)
        axis.set_ylim(bottom=0)
        axis.set_xlabel(name)
        axis.set_title(f'power {power(series):.2f}', fontsize='medium')
    axes[0].set_ylabel('seconds')
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--repeat', type=int, default=3)
    parser.add_argument('--plot', type=Path)
    options = parser.parse_args()
    for name, value in machine_facts(torch.get_num_threads()).items():
        print(f'{name}: {value}')
    model = load_model('demo', device='cpu', precision='float32')
    repeat = options.repeat
    found = {
        'megapixels, 5 classes': measure_pixels(model, repeat),
        'classes, 0.6 megapixels': measure_classes(model, repeat, 'off'),
        'the same, refined (fast)': measure_classes(model, repeat, 'fast'),
        'planes of 256 x 256': measure_planes(model, repeat),
    }
    for name, series in found.items():
        verdict = 'ok' if power(series) <= MOST else 'MISSED'
        times = ', '.join(f'{x:g}: {y:.2f} s' for x, y in series)
        print(f'{name}: {times}; power {power(series):.2f}: {verdict}')
    if options.plot:
        draw(found, options.plot)


if __name__ == '__main__':
    main()
