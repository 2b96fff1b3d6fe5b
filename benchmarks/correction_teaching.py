"""How many answers a person needs whose answers teach the model.

As in ``correction.py``, but each region that gets another class becomes an
example of it, what nobody has answered for is labeled again, and the queue is
made anew.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from correction import (
    CASES,
    DEVELOPMENT_SEED,
    GOAL,
    LEAST_WAY,
    REPORTED_SEED,
    draw,
    guided,
    needed,
    walk,
)
from correction_report import interval
from napari_naclip.correct.examples import collect_example, find_center
from napari_naclip.correct.guidance import Guidance
from napari_naclip.correct.regions import find_regions
from napari_naclip.demo.evaluation import count_confusions, mean_iou
from napari_naclip.engine.models import load_model
from napari_naclip.engine.segmenter import run_to_end

if TYPE_CHECKING:
    from correction import Drawn
    from napari_naclip.engine.taught import Example
    from napari_naclip.engine.types import ClassList


def taught(classes: ClassList, value: int, example: Example) -> ClassList:
    """Return the classes with one more example of one of them."""
    rows = tuple(
        replace(row, teaching=row.teaching.with_example(example))
        if row.value == value
        else row
        for row in classes.classes
    )
    return replace(classes, classes=rows)


def answers(drawn: Drawn, goal: float) -> int:
    """Return the answers until the labels are so good."""
    live, result, settings = drawn.live, drawn.result, drawn.settings
    classes, count = result.classes, len(result.classes.classes)
    labels, confidence = result.labels.copy(), result.confidence
    center = find_center(live)
    fixed = np.zeros(labels.shape, bool)
    regions = find_regions(live, labels, confidence, classes, settings)
    guidance = Guidance(regions, fixed)
    done = 0
    while (
        mean_iou(count_confusions(drawn.truth, labels.astype(int) - 1, count))
        < goal - 1e-12
    ):
        index = guidance.next()
        if index is None:
            break
        done += 1
        place = regions.box(index).slices
        mask = regions.mask(index) & ~fixed[place]
        value = int(np.bincount(drawn.truth[place][mask]).argmax()) + 1
        guidance.assign(index, value)
        fixed[place] |= mask
        if value == regions.labels[index]:
            continue
        labels[place][mask] = value
        example = collect_example(
            live, mask, regions.box(index), center=center
        )
        classes = taught(classes, value, example)
        result = run_to_end(live.answer(classes, settings, previews=False))
        labels = np.where(fixed, labels, result.labels)
        regions = find_regions(
            live, labels, result.confidence, classes, settings
        )
        guidance.remake(regions, fixed)
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seeds', type=int, default=20)
    parser.add_argument('--development', action='store_true')
    options = parser.parse_args()
    model = load_model('demo', device='cpu', precision='float32')
    case = CASES[0]
    first = DEVELOPMENT_SEED if options.development else REPORTED_SEED
    plain, teaching = [], []
    for seed in range(first, first + options.seeds):
        drawn = draw(model, case, seed)
        way = walk(drawn.scene, guided(drawn.scene), of_truth=False)
        if way[-1] - way[0] < LEAST_WAY:
            continue
        plain.append(needed(way))
        teaching.append(answers(drawn, way[0] + GOAL * (way[-1] - way[0])))
        print(
            seed, len(drawn.scene.regions), plain[-1], teaching[-1], flush=True
        )
    print(
        f'guided {np.mean(plain):.1f}, with teaching {np.mean(teaching):.1f}'
    )
    print('ratio', interval(np.array(teaching, float), np.array(plain, float)))


if __name__ == '__main__':
    main()
