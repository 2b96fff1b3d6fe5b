"""The time that a run is said to take, against what it then takes.

Runs of several hundred windows on the real code but without a window, each of
them twice: as the first one of its kind, and with the rates of the run before.
Looks at the time left as it is told, at 20 moments from 5 % of the windows to
the end of the run: refinement, labels and reading count, and so do texts that
are not kept. Both times are taken as a second where they are less, because
nothing less is ever told.

Run it with ``python benchmarks/estimates.py [--only NAME] [--json FILE]``, on
a machine whose speed does not change meanwhile.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

import matrix_rate
from napari_naclip.engine.clip.text import clip_tokenizer
from napari_naclip.engine.models import load_model
from napari_naclip.engine.types import ClassList, Settings, TextClass
from napari_naclip.layers.snapshot import PlaneSnapshot
from napari_naclip.ui.compute import RATES, SLOT, ModelRequest
from napari_naclip.ui.estimate import RunProgress
from napari_naclip.ui.jobs import Finished, Imported, RunRequest
from napari_naclip.ui.run import Run

if TYPE_CHECKING:
    from napari_naclip.engine.types import Refinement

#: How many times too long or too short a time may be.
MOST: Final = 1.5
#: Share of the windows from which on it counts.
SHARE: Final = 0.05
MOMENTS: Final = 20


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of run: a square image, its planes and its classes."""

    name: str
    side: int
    refine: Refinement = 'off'
    detail: int | None = None
    planes: int = 1
    classes: int = 3
    model: str = 'demo'


CASES: Final = (
    Case('plain', 1500),
    Case('refined', 1500, 'fast'),
    Case('many classes, refined', 1000, 'fast', classes=40),
    Case('refined finely', 1200, 'fine'),
    Case('seen small, refined', 2500, 'fast', detail=448),
    Case('planes, refined', 600, 'fast', planes=6),
    Case('ViT-B/16', 1792, model='ViT-B-16'),
    Case('ViT-B/16, refined', 1344, 'fast', model='ViT-B-16', classes=20),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """How well the time of a run was told.

    Attributes
    ----------
    seconds : float
        Of the run.
    windows : int
    first_share : float
        Of the windows, when a time was told first.
    ratios : list of float
        Told to true seconds left, at each moment.
    """

    seconds: float
    windows: int
    first_share: float
    ratios: list[float]

    @property
    def worst(self) -> float:
        """Largest of all ratios, or of their reciprocals."""
        return max(max(each, 1 / each) for each in self.ratios)


def make_request(case: Case, seed: int) -> RunRequest:
    rng = np.random.default_rng(seed)
    image = rng.integers(
        0, 256, (case.planes, case.side, case.side, 3), np.uint8
    )
    full = slice(None)
    return RunRequest(
        image=None,
        snapshots=tuple(
            PlaneSnapshot(
                data=image,
                index=(plane, full, full),
                is_transposed=False,
                shape=image.shape[:3],
                level=0,
                downsample_factors=(1.0, 1.0, 1.0),
                contrast_limits=(0.0, 255.0),
                gamma=1.0,
            )
            for plane in range(case.planes)
        ),
        # Words that no earlier run has had, so that texts count.
        classes=ClassList(
            tuple(
                TextClass(f'{seed} {value}', (f'{seed} {value}',), value)
                for value in range(1, case.classes + 1)
            )
        ),
        settings=Settings(detail=case.detail, refine=case.refine),
        model=ModelRequest(case.model, device='cpu', precision='float32'),
        target=None,
    )


def measure(request: RunRequest) -> Figures:
    """Run once; compare what was told with what it took."""
    told: list[tuple[float, float]] = []
    first_share, windows = 0.0, 0
    start = time.monotonic()
    run = Run(request)
    for item in run.pump():
        if isinstance(item, Imported):
            # There is no layer to wait for.
            item.handled.set()
        elif isinstance(item, Finished):
            # Nor a window that takes it.
            run.note_delivered()
        if not isinstance(item, RunProgress):
            continue
        if item.stage == 'windows':
            windows = item.total
        if item.run_left is not None:
            told.append((time.monotonic(), item.run_left))
            first_share = first_share or item.share or 0.0
    end = time.monotonic()
    moments = np.linspace(told[0][0], end, MOMENTS, endpoint=False)
    ratios = []
    for moment in moments:
        at, left = [each for each in told if each[0] <= moment][-1]
        ratios.append(max(left, 1.0) / max(end - at, 1.0))
    return Figures(
        end - start, windows * len(request.snapshots), first_share, ratios
    )


def hold_random_model() -> None:
    """Let the slot hold a random ViT-B/16, downloaded from nowhere."""
    SLOT._model = load_model(
        (matrix_rate.random_clip(), clip_tokenizer()),
        device='cpu',
        precision='float32',
    )
    SLOT._key = ('ViT-B-16', None, 'cpu', 'float32', 'auto')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--only', help='cases whose name begins so')
    parser.add_argument('--json', type=Path)
    options = parser.parse_args()

    kept = {}
    seed = time.time_ns() % 10**6
    for case in CASES:
        if options.only and not case.name.startswith(options.only):
            continue
        if case.model != 'demo':
            hold_random_model()
        RATES._rates.clear()
        for run in ('first', 'next'):
            seed += 1
            figures = measure(make_request(case, seed))
            kept[f'{case.name}, {run}'] = asdict(figures)
            verdict = 'ok' if figures.worst <= MOST else 'MISSED'
            print(
                f'{case.name}, {run}: {figures.windows} windows, '
                f'{figures.seconds:.1f} s, told from '
                f'{100 * figures.first_share:.0f} % on; worst '
                f'{figures.worst:.2f} (at most {MOST}): {verdict}'
            )
            print('  ', *(f'{ratio:.2f}' for ratio in figures.ratios))
    if options.json:
        options.json.write_text(json.dumps(kept))


if __name__ == '__main__':
    main()
