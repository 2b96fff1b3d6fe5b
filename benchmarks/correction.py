"""How many answers a person needs, guided and not.

A simulated person knows only the true majority class of the region that is
shown. Scenes, words and settings were chosen before anything was tuned; what
was tuned, was on the development seeds only.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from correction_report import figure, reliability, report
from napari_naclip.correct.doubt import features_of, first_doubt
from napari_naclip.correct.guidance import Guidance
from napari_naclip.correct.regions import Regions, find_regions
from napari_naclip.demo.scenes import CLASS_SETS, TexturePool, draw_scene
from napari_naclip.engine.confusion import mean_iou
from napari_naclip.engine.models import Model, load_model
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import ClassList, Settings

if TYPE_CHECKING:
    from napari_naclip.engine.live import LiveSegmentation
    from napari_naclip.engine.types import Segmentation

#: Rows, columns, and least and most objects of a scene.
SIZE, OBJECTS = (448, 640), (5, 8)
#: First seeds of the scenes that figures are reported for, and of others that
#: weights were fitted to.
REPORTED_SEED, DEVELOPMENT_SEED = 300, 200
#: Share of the way from the draft to the ceiling.
GOAL = 0.95
#: Draws of the random order for each scene.
DRAWS = 10
#: Drafts that are this near to their ceiling leave nothing to correct.
LEAST_WAY = 0.02


class Case(NamedTuple):
    """A set of words and a refinement."""

    classes: str
    refine: str


#: The first one is what counts: all the words that the model knows.
CASES = (
    Case('all64', 'fast'),
    Case('all64', 'off'),
    Case('nature8', 'fast'),
    Case('nature8', 'off'),
)


@dataclass(frozen=True)
class Scene:
    """A draft of a scene in regions.

    Attributes
    ----------
    regions : Regions
    counts : (N, K) int array
        Pixels of each region that are of each true class.
    values : (N,) int array
        Class of each region in the draft, 0 to K - 1.
    """

    regions: Regions
    counts: np.ndarray
    values: np.ndarray

    @property
    def truth(self) -> np.ndarray:
        """The class that a person gives each region."""
        return self.counts.argmax(axis=1)


@dataclass(frozen=True)
class Drawn:
    """A scene, its draft, and what answers again about it.

    Attributes
    ----------
    truth : (H, W) uint8 array
        0 to K - 1.
    live : LiveSegmentation
    result : Segmentation
    settings : Settings
    scene : Scene
    """

    truth: np.ndarray
    live: LiveSegmentation
    result: Segmentation
    settings: Settings
    scene: Scene


def draw(model: Model, case: Case, seed: int) -> Drawn:
    rng = np.random.default_rng([seed, 0xC0])
    pool = TexturePool(seed, size=max(SIZE), variants=2)
    materials = CLASS_SETS[case.classes]
    drawn = draw_scene(rng, pool, materials, *SIZE, OBJECTS)
    classes = ClassList.from_prompts([name] for name in materials)
    settings = Settings(detail=None, refine=case.refine)
    live, result = run_to_end(
        Segmenter(model, settings).stream_live(drawn.image, classes)
    )
    regions = find_regions(
        live, result.labels, result.confidence, classes, settings
    )
    counts = np.zeros((len(regions), len(materials)), int)
    np.add.at(counts, (regions.ids, drawn.labels), 1)
    scene = Scene(regions, counts, regions.labels - 1)
    return Drawn(drawn.labels, live, result, settings, scene)


def score(scene: Scene, values: np.ndarray, *, of_truth: bool) -> float:
    """Return the mean IoU of regions with these classes.

    Parameters
    ----------
    of_truth : bool
        Whether only classes count that are in the scene; else those in the
        answer too, each of which is then 0.
    """
    confusions = np.zeros((scene.counts.shape[1],) * 2, np.int64)
    np.add.at(confusions.T, values, scene.counts)
    if not of_truth:
        return mean_iou(confusions)
    hits = np.diag(confusions)
    truth = confusions.sum(axis=1)
    union = truth + confusions.sum(axis=0) - hits
    return float(np.mean(hits[truth > 0] / union[truth > 0]))


def walk(scene: Scene, order: Any, *, of_truth: bool) -> np.ndarray:
    """Return the mean IoU before and after each answer of an order."""
    values, truth = scene.values.copy(), scene.truth
    scores = [score(scene, values, of_truth=of_truth)]
    for index in order:
        if values[index] != truth[index]:
            values[index] = truth[index]
            scores.append(score(scene, values, of_truth=of_truth))
        else:
            scores.append(scores[-1])
    return np.array(scores)


def guided(scene: Scene) -> list[int]:
    """Return all regions as the queue offers them to this person."""
    guidance, truth, order = Guidance(scene.regions), scene.truth, []
    while (index := guidance.next()) is not None:
        order.append(index)
        guidance.assign(index, int(truth[index]) + 1)
    return order


def by_chance(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Return regions drawn one after the other, by their area."""
    shares = scene.regions.areas / scene.regions.areas.sum()
    return rng.choice(len(shares), len(shares), replace=False, p=shares)


def needed(way: np.ndarray) -> int:
    """Return the answers after which enough of the way is done."""
    goal = way[0] + GOAL * (way[-1] - way[0])
    return int(np.argmax(way >= goal - 1e-12))


def study(scenes: list[Scene], *, of_truth: bool) -> dict[str, Any]:
    """Return actions and ways of each order, a scene an entry."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for scene in scenes:
        orders = {
            'guided': [guided(scene)],
            'largest first': [np.argsort(-scene.regions.areas)],
            'random by area': [by_chance(scene, rng) for _ in range(DRAWS)],
        }
        ways = {
            name: [walk(scene, each, of_truth=of_truth) for each in some]
            for name, some in orders.items()
        }
        draft, ceiling = ways['guided'][0][[0, -1]]
        rows.append(
            {
                'regions': len(scene.regions),
                'draft': draft,
                'ceiling': ceiling,
                'actions': {
                    name: float(np.mean([needed(way) for way in some]))
                    for name, some in ways.items()
                },
                'ways': {
                    name: np.mean(
                        [(way - draft) / (ceiling - draft) for way in some],
                        axis=0,
                    ).tolist()
                    for name, some in ways.items()
                }
                if ceiling - draft >= LEAST_WAY
                else None,
            }
        )
    return {'of_truth': of_truth, 'scenes': rows}


def fit(scenes: list[Scene]) -> np.ndarray:
    """Return the weights of the doubt, and the offset, that fit best."""
    from scipy.optimize import minimize

    known = np.concatenate([features_of(each.regions) for each in scenes])
    wrong = np.concatenate([each.truth != each.values for each in scenes])
    known = np.column_stack([known, np.ones(len(known))])

    def loss(weights: np.ndarray) -> float:
        odds = known @ weights
        return np.mean(np.logaddexp(0, odds) - wrong * odds)

    return minimize(loss, np.zeros(known.shape[1])).x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seeds', type=int, default=20)
    parser.add_argument('--fit', action='store_true')
    parser.add_argument('--json', type=Path)
    parser.add_argument('--plot', type=Path)
    options = parser.parse_args()
    model = load_model('demo', device='cpu', precision='float32')
    first = DEVELOPMENT_SEED if options.fit else REPORTED_SEED
    seeds = range(first, first + options.seeds)
    results, everything = {}, []
    for case in CASES:
        scenes = [draw(model, case, seed).scene for seed in seeds]
        everything += scenes
        if options.fit:
            continue
        for of_truth in (False, True):
            found = study(scenes, of_truth=of_truth)
            name = f'{case.classes}, {case.refine}'
            name += ', classes of the scene' if of_truth else ''
            results[name] = found
            print(report(name, found), flush=True)
    if options.fit:
        print('weights and offset:', np.round(fit(everything), 2))
        return
    print(
        reliability(
            np.concatenate([first_doubt(each.regions) for each in everything]),
            np.concatenate([each.truth != each.values for each in everything]),
        )
    )
    if options.json is not None:
        options.json.write_text(json.dumps(results), encoding='utf-8')
    if options.plot is not None:
        figure(results, options.plot)


if __name__ == '__main__':
    main()
