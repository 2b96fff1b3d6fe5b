"""What teaching on one scene does for the rest of it, and for the next ones.

A simulated person teaches each class of a scene by two square pieces, knowing
nothing but their true class; then the rest of that scene, and three other
scenes with other textures of the same materials, are labeled again. Scenes
are the demo's held-out ones: as drawn, and as another camera would give them
(color cast, gamma, contrast and noise, the same for all scenes of a seed). The
rule was tuned on seeds 200 to 205; figures are of seeds from 300 on.

Run it with ``python benchmarks/teaching.py [--seeds N] [--first N]
[--sets NAME ...] [--weight W]``.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_naclip.correct.examples import collect_example, find_center
from napari_naclip.demo.evaluation import (
    REPORTED_SEED,
    count_confusions,
    demo_settings,
    draw_scene_set,
    load_checkpoint,
    mean_iou,
)
from napari_naclip.demo.scenes import CLASS_SETS
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.taught import DEFAULT_WEIGHT, Teaching
from napari_naclip.engine.types import ClassList, Region

if TYPE_CHECKING:
    from napari_naclip.engine.models import Model

#: Scenes of a seed; the first one teaches.
SCENES: Final = 4
#: Side of an example in pixels, and how many each class gets at most.
_SIDE: Final = 32
_EXAMPLES: Final = 2
#: Least share of an example that is of its class.
_PURITY: Final = 0.9


def other_camera(image: np.ndarray, seed: int) -> np.ndarray:
    """Return a picture with the color cast, gamma and noise of a seed."""
    rng = np.random.default_rng([seed, 99])
    cast = rng.uniform(0.55, 1, 3)
    cast *= rng.uniform(0.6, 0.9) / cast.max()
    gamma, offset = rng.uniform(0.7, 1.4), rng.uniform(0, 0.15)
    values = (image / 255) ** gamma * cast + offset
    values += rng.normal(0, 0.04, image.shape)
    return (np.clip(values, 0, 1) * 255).astype(np.uint8)


def choose_examples(truth: np.ndarray, seed: int) -> dict[int, list[Region]]:
    """Return pieces of each class of a scene, by class."""
    rng = np.random.default_rng([seed, 7])
    found: dict[int, list[Region]] = {}
    for label in np.unique(truth):
        places: list[Region] = []
        for _ in range(200):
            top, left = (
                int(rng.integers(side - _SIDE)) for side in truth.shape
            )
            place = Region(top, left, top + _SIDE, left + _SIDE)
            if (truth[place.slices] == label).mean() > _PURITY:
                places.append(place)
            if len(places) == _EXAMPLES:
                break
        if places:
            found[int(label)] = places
    return found


def measure(
    model: Model, name: str, seed: int, weight: float, *, is_shifted: bool
) -> dict[str, tuple[float, float]]:
    """Return mean IoU before and after, of the rest and of the next scenes."""
    scenes = draw_scene_set(name, SCENES, seed)
    segmenter = Segmenter(model, demo_settings('reduced', 'naclip', 112, 56))
    lives = [
        segmenter.open(
            other_camera(scene.image, seed) if is_shifted else scene.image
        )
        for scene in scenes.scenes
    ]
    words = scenes.classes

    def answer(index: int, classes: ClassList) -> np.ndarray:
        labels = run_to_end(lives[index].answer(classes)).labels
        return labels.astype(np.int64) - 1

    before = [answer(index, words) for index in range(SCENES)]
    truth = scenes.scenes[0].labels
    places = choose_examples(truth, seed)
    center = find_center(lives[0])
    rows: list[Any] = list(words.classes)
    rest = np.ones(truth.shape, bool)
    for label, pieces in places.items():
        examples = tuple(
            collect_example(
                lives[0],
                truth[place.slices] == label,
                place,
                center=center,
            )
            for place in pieces
        )
        rows[label] = replace(rows[label], teaching=Teaching(examples, weight))
        for place in pieces:
            rest[place.slices] = False
    taught = ClassList(tuple(rows))
    after = [answer(index, taught) for index in range(SCENES)]
    count = len(scenes.materials)
    scores = {}
    for part, indices in (('rest', range(1)), ('next', range(1, SCENES))):
        pair = []
        for answers in (before, after):
            total = np.zeros((count, count), np.int64)
            for index in indices:
                kept = rest if index == 0 else np.ones(rest.shape, bool)
                total += count_confusions(
                    scenes.scenes[index].labels[kept],
                    answers[index][kept],
                    count,
                )
            pair.append(mean_iou(total))
        scores[part] = pair[0], pair[1]
    return scores


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean."""
    rng = np.random.default_rng(0)
    picks = rng.integers(len(values), size=(10_000, len(values)))
    low, high = np.quantile(values[picks].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seeds', type=int, default=20)
    parser.add_argument('--first', type=int, default=REPORTED_SEED)
    parser.add_argument(
        '--sets',
        nargs='+',
        choices=tuple(CLASS_SETS),
        default=['nature8', 'held8'],
    )
    parser.add_argument('--weight', type=float, default=DEFAULT_WEIGHT)
    options = parser.parse_args()
    model = load_checkpoint(None)
    print('| scenes | part | words | taught | gain (95 % interval) |')
    print('|---|---|---|---|---|')
    for name in options.sets:
        for is_shifted in (False, True):
            found = [
                measure(
                    model, name, seed, options.weight, is_shifted=is_shifted
                )
                for seed in range(options.first, options.first + options.seeds)
            ]
            camera = 'another camera' if is_shifted else 'as drawn'
            for part in ('rest', 'next'):
                pairs = np.array([each[part] for each in found])
                gain = pairs[:, 1] - pairs[:, 0]
                low, high = interval(gain)
                print(
                    f'| {name}, {camera} | {part} | {pairs[:, 0].mean():.3f} '
                    f'| {pairs[:, 1].mean():.3f} | {gain.mean():+.3f} '
                    f'({low:+.3f} to {high:+.3f}) |',
                    flush=True,
                )


if __name__ == '__main__':
    main()
