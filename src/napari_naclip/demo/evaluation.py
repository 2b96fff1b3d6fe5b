"""Measure the demo model on scenes that it was not trained on.

Run as ``python -m napari_naclip.demo.evaluation``. Textures, layouts and
noise are drawn with other seeds than those of training, but by the same
code: the figures say how well the model knows this little world, and nothing
about photographs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_naclip.demo.data import POOL_SEED
from napari_naclip.demo.scenes import (
    CLASS_SETS,
    Scene,
    TexturePool,
    draw_scene,
)
from napari_naclip.engine.confusion import (
    accuracy,
    count_confusions,
    mean_iou,
)
from napari_naclip.engine.models import Model, load_model
from napari_naclip.engine.segment import segment
from napari_naclip.engine.types import (
    Architecture,
    ClassList,
    Settings,
    Strategy,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

#: Architecture and strategy, from plain CLIP to the method.
PAIRS: Final[tuple[tuple[Architecture, Strategy], ...]] = (
    ('vanilla', 'vanilla'),
    ('vanilla', 'naclip'),
    ('reduced', 'vanilla'),
    ('reduced', 'kk'),
    ('reduced', 'naclip'),
)

#: Window and stride in pixels.
WINDOWS: Final[tuple[tuple[int, int], ...]] = ((112, 56), (224, 112))

HEIGHT: Final = 224
WIDTH: Final = 320

#: Seed of the scenes that figures are reported for.
REPORTED_SEED: Final = 300

#: Seed of other scenes, for choosing between checkpoints.
DEVELOPMENT_SEED: Final = 200


@dataclass(frozen=True, slots=True)
class SceneSet:
    """Scenes of one set of classes.

    Attributes
    ----------
    name : str
        Name of the set.
    materials : tuple of str
        What the scenes' labels index.
    scenes : tuple of Scene
        The scenes.
    """

    name: str
    materials: tuple[str, ...]
    scenes: tuple[Scene, ...] = field(repr=False)

    @property
    def classes(self) -> ClassList:
        """The materials as classes; class i has the label value i + 1."""
        return ClassList.from_prompts([name] for name in self.materials)


@dataclass(frozen=True, slots=True)
class Score:
    """How well one setting did on one set.

    Attributes
    ----------
    classes : str
        Name of the set of classes.
    window, stride : int
        In pixels.
    architecture, strategy : str
        Of the last block.
    mean_iou : float
        Mean intersection over union of the classes that are in the scenes
        or in the answers, over all pixels of all scenes.
    accuracy : float
        Share of right pixels.
    """

    classes: str
    window: int
    stride: int
    architecture: str
    strategy: str
    mean_iou: float
    accuracy: float


def draw_scene_set(
    name: str, count: int, seed: int = REPORTED_SEED
) -> SceneSet:
    """Return held-out scenes of a set of classes.

    Parameters
    ----------
    name : str
        A key of ``CLASS_SETS``.
    count : int
        Number of scenes.
    seed : int
        Seed of layouts, textures and noise, less than the training's
        ``POOL_SEED``.

    Raises
    ------
    ValueError
        If the seed is one whose textures a training may have used.
    """
    if not 0 <= seed < POOL_SEED:
        raise ValueError(
            f'Seeds of held-out scenes are 0 to {POOL_SEED - 1}, not {seed}.'
        )
    materials = CLASS_SETS[name]
    rng = np.random.default_rng([seed, list(CLASS_SETS).index(name)])
    pool = TexturePool(seed, size=max(HEIGHT, WIDTH), variants=32)
    scenes = (
        draw_scene(rng, pool, materials, HEIGHT, WIDTH) for _ in range(count)
    )
    return SceneSet(name, materials, tuple(scenes))


def measure(
    model: Model, scenes: SceneSet, settings: Settings
) -> tuple[float, float]:
    """Return mean IoU and pixel accuracy of a model on a set of scenes.

    Parameters
    ----------
    model : Model
        The model.
    scenes : SceneSet
        What to label.
    settings : Settings
        How to label it.

    Returns
    -------
    tuple of float
        Both 0 to 1.
    """
    classes = scenes.classes
    count = len(scenes.materials)
    confusions = np.zeros((count, count), dtype=np.int64)
    for scene in scenes.scenes:
        result = segment(scene.image, classes, model=model, settings=settings)
        answer = result.labels.astype(np.int64) - 1
        confusions += count_confusions(scene.labels, answer, count)
    return mean_iou(confusions), accuracy(confusions)


def demo_settings(
    architecture: Architecture,
    strategy: Strategy,
    window: int,
    stride: int,
) -> Settings:
    """Return settings that see a scene at its own size, unrefined."""
    return Settings(
        architecture=architecture,
        strategy=strategy,
        window=window,
        stride=stride,
        detail=None,
        refine='off',
    )


def evaluate(
    model: Model,
    names: Iterable[str] = tuple(CLASS_SETS),
    count: int = 50,
    seed: int = REPORTED_SEED,
    report: Callable[[Score], None] | None = None,
) -> list[Score]:
    """Measure every pair and window on sets of classes.

    Parameters
    ----------
    model : Model
        The model.
    names : iterable of str
        Keys of ``CLASS_SETS``.
    count : int
        Scenes a set.
    seed : int
        See `draw_scene_set`.
    report : callable, optional
        Called with each score as soon as there is one.

    Returns
    -------
    list of Score
        By set, then window, then pair.
    """
    scores = []
    for score in _iterate(model, names, count, seed):
        scores.append(score)
        if report is not None:
            report(score)
    return scores


def _iterate(
    model: Model, names: Iterable[str], count: int, seed: int
) -> Iterator[Score]:
    for name in names:
        scenes = draw_scene_set(name, count, seed)
        for window, stride in WINDOWS:
            for architecture, strategy in PAIRS:
                settings = demo_settings(
                    architecture, strategy, window, stride
                )
                yield Score(
                    name,
                    window,
                    stride,
                    architecture,
                    strategy,
                    *measure(model, scenes, settings),
                )


def format_table(scores: Sequence[Score]) -> str:
    """Return scores as a Markdown table, mean IoU / accuracy a set."""
    names = list(dict.fromkeys(score.classes for score in scores))
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for score in scores:
        row = rows.setdefault(
            (
                f'{score.window}/{score.stride}',
                f'{score.architecture} + {score.strategy}',
            ),
            {},
        )
        row[score.classes] = f'{score.mean_iou:.3f} / {score.accuracy:.3f}'
    lines = [['window', 'setting', *names], ['---'] * (2 + len(names))]
    lines.extend(
        [*head, *(cells.get(name, '') for name in names)]
        for head, cells in rows.items()
    )
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def load_checkpoint(file: Path | None) -> Model:
    """Return a demo model, in float32 on the CPU.

    Parameters
    ----------
    file : Path or None
        Weights with a ``config.json`` beside them; None: the bundled ones.
    """
    if file is None:
        return load_model('demo', device='cpu', precision='float32')
    from napari_naclip.engine.clip.load import load_demo

    text = file.with_name('config.json').read_text(encoding='utf-8')
    clip = load_demo(json.loads(text), file.read_bytes())
    return load_model(clip, device='cpu', precision='float32')


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluate from the command line."""
    parser = argparse.ArgumentParser(description='Measure the demo model.')
    parser.add_argument('--scenes', type=int, default=50)
    parser.add_argument('--seed', type=int, default=REPORTED_SEED)
    parser.add_argument(
        '--sets',
        nargs='+',
        choices=tuple(CLASS_SETS),
        default=tuple(CLASS_SETS),
    )
    parser.add_argument('--weights', type=Path)
    parser.add_argument('--json', type=Path)
    options = parser.parse_args(arguments)
    model = load_checkpoint(options.weights)
    scores = evaluate(model, options.sets, options.scenes, options.seed)
    print(f'{options.scenes} scenes a set, mean IoU / pixel accuracy:')
    print(format_table(scores))
    if options.json is not None:
        plain = {
            'scenes': options.scenes,
            'seed': options.seed,
            'scores': [dataclasses.asdict(score) for score in scores],
        }
        text = json.dumps(plain, indent=2) + '\n'
        options.json.write_text(text, encoding='utf-8')


if __name__ == '__main__':
    main()
