"""How long a later question about an encoded image takes.

Encodes a picture once with a random ViT-B/16 and 20 classes, then asks what a
person asks: a class more, one fewer, another prompt, another threshold; texts
cached, without refinement unless said. Every answer is compared with that of
a fresh start from the same tokens.

Run it with ``python benchmarks/instant.py [--size N] [--repeat N]``, on a
machine that does nothing else; the one full run takes about a minute.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from typing import TYPE_CHECKING, Final

import numpy as np
import open_clip
import torch

from machine import machine_facts, read_memory
from napari_naclip.engine.features import DictStore
from napari_naclip.engine.models import load_model
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import ClassList, Partial, Region, Settings

if TYPE_CHECKING:
    from napari_naclip.engine.live import LiveSegmentation
    from napari_naclip.engine.models import Model
    from napari_naclip.engine.types import Segmentation

SETTINGS: Final = Settings(detail=None, window=224, stride=112)
WORDS: Final = tuple(f'thing {number}' for number in range(21))
#: Seconds, at most.
TARGETS: Final = {
    'class added': 0.5,
    'class removed': 2.0,
    'prompt changed': 2.0,
    'prompt changed, visible region': 0.3,
    'threshold moved': 0.05,
    'class added, fast refinement': 2.0,
}
#: How many times as long a full run takes as a class added.
LEAST_RATIO: Final = 50


def make_model() -> Model:
    """Return a random ViT-B/16 in float32 on the CPU."""
    torch.manual_seed(0)
    name = 'ViT-B-16-quickgelu'
    clip = open_clip.create_model(name, pretrained=None)
    tokenizer = open_clip.get_tokenizer(name)
    return load_model((clip, tokenizer), device='cpu', precision='float32')


def class_list(words: tuple[str, ...]) -> ClassList:
    return ClassList.from_text('; '.join(('background', *words)))


class Timer:
    """Asks one picture, and compares what it answers."""

    def __init__(self, live: LiveSegmentation) -> None:
        self._live = live
        self.times: dict[str, list[float]] = {}

    def ask(
        self,
        name: str,
        classes: ClassList,
        settings: Settings = SETTINGS,
        look: Region | None = None,
    ) -> Segmentation:
        """Time an answer; with a look, only until its labels are there."""
        start = time.perf_counter()
        steps = self._live.answer(
            classes, settings, first=look, previews=False
        )
        seen = 0
        try:
            while True:
                step = next(steps)
                if look is not None and isinstance(step, Partial):
                    if step.region.meets(look):
                        part = step.region.intersection(look).size
                        seen += part[0] * part[1]
                    if seen == look.size[0] * look.size[1]:
                        self._note(name, start)
                        look = None
        except StopIteration as stop:
            answer: Segmentation = stop.value
            if 'visible' not in name:
                self._note(name, start)
            return answer

    def _note(self, name: str, start: float) -> None:
        self.times.setdefault(name, []).append(time.perf_counter() - start)


def ask_all(
    timer: Timer, size: int
) -> list[tuple[Segmentation, ClassList, Settings]]:
    """Ask all questions once; return answers that are to be checked."""
    # Background and 19 words are 20 classes.
    base, more = class_list(WORDS[:18]), class_list(WORDS[:19])
    fewer = class_list((*WORDS[:9], *WORDS[10:18]))
    changed = class_list((*WORDS[:9], WORDS[20], *WORDS[10:18]))
    top, left = max(0, size // 2 - 300), max(0, size // 2 - 400)
    look = Region(top, left, min(top + 600, size), min(left + 800, size))
    high = dataclasses.replace(SETTINGS, threshold=0.06)
    fast = dataclasses.replace(SETTINGS, refine='fast')

    timer.ask('', base)
    answers = [(timer.ask('class added', more), more, SETTINGS)]
    moved = timer.ask('threshold moved', more, high)
    answers.append((moved, more, high))
    timer.ask('', base)
    answers.append((timer.ask('class removed', fewer), fewer, SETTINGS))
    timer.ask('', base)
    answers.append((timer.ask('prompt changed', changed), changed, SETTINGS))
    timer.ask('', base)
    timer.ask('prompt changed, visible region', changed, look=look)
    timer.ask('', base, fast)
    timer.ask('class added, fast refinement', more, fast)
    return answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--size', type=int, default=2048)
    parser.add_argument('--repeat', type=int, default=3)
    options = parser.parse_args()

    model = make_model()
    size = options.size
    # Texts are cached in all that is timed.
    run_to_end(model.embed(class_list(WORDS).queries, None))
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (size // 16, size // 16, 3), np.uint8)
    image = coarse.repeat(16, axis=0).repeat(16, axis=1)
    loaded = read_memory('RssAnon')

    store = DictStore()
    first = class_list(WORDS[:19])
    start = time.perf_counter()
    live = Segmenter(model, SETTINGS, store).open(image)
    run_to_end(live.answer(first))
    full = time.perf_counter() - start
    timer = Timer(live)
    answers = []
    for _ in range(options.repeat):
        answers = ask_all(timer, size)

    for name, value in machine_facts(torch.get_num_threads()).items():
        print(f'{name}: {value}')
    print(f'{size} x {size}, {len(store)} windows, 20 classes')
    print(f'full run: {full:.1f} s')
    for name, most in TARGETS.items():
        times = timer.times[name]
        worst, typical = max(times), statistics.median(times)
        verdict = 'ok' if typical <= most else 'MISSED'
        print(
            f'{name}: {typical:.3f} s (at worst {worst:.3f}); '
            f'at most {most}: {verdict}'
        )
    ratio = full / statistics.median(timer.times['class added'])
    verdict = 'ok' if ratio >= LEAST_RATIO else 'MISSED'
    print(
        f'full run / class added: {ratio:.0f}; at least {LEAST_RATIO}: '
        f'{verdict}'
    )
    are_equal = True
    for answer, classes, settings in answers:
        fresh = run_to_end(
            Segmenter(model, settings, store).stream(image, classes)
        )
        are_equal &= np.array_equal(answer.labels, fresh.labels)
        are_equal &= np.array_equal(answer.confidence, fresh.confidence)
    print(f'answers equal fresh ones: {"ok" if are_equal else "MISSED"}')
    memory = read_memory('RssAnon') - loaded
    print(f'anonymous memory beside the loaded model: {memory:.0f} MB')


if __name__ == '__main__':
    main()
