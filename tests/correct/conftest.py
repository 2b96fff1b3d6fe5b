"""Pictures of the demo model with labels, to be corrected."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from napari_naclip.correct.regions import Regions, find_regions
from napari_naclip.demo.scenes import CLASS_SETS, TexturePool, draw_scene
from napari_naclip.engine.live import LiveSegmentation
from napari_naclip.engine.models import load_model
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import ClassList, Segmentation, Settings

SETTINGS = Settings(detail=None, refine='fast', templates=('{}',))


class Draft(NamedTuple):
    """A scene, its draft, and what answers for it."""

    truth: np.ndarray
    live: LiveSegmentation
    result: Segmentation

    def regions(self, labels: np.ndarray | None = None, **options) -> Regions:
        result = self.result
        return find_regions(
            self.live,
            result.labels if labels is None else labels,
            result.confidence,
            result.classes,
            SETTINGS,
            **options,
        )


@pytest.fixture(scope='session')
def draft() -> Draft:
    """Return a scene of five materials, labeled with 64 words."""
    rng = np.random.default_rng(207)
    pool = TexturePool(207, size=240, variants=1)
    materials = CLASS_SETS['all64']
    scene = draw_scene(rng, pool, materials, 160, 240, (5, 5))
    classes = ClassList.from_prompts([name] for name in materials)
    model = load_model('demo', device='cpu', precision='float32')
    live, result = run_to_end(
        Segmenter(model, SETTINGS).stream_live(scene.image, classes)
    )
    return Draft(scene.labels + 1, live, result)


@pytest.fixture(scope='session')
def regions(draft: Draft) -> Regions:
    """Return the regions of the draft; never to be changed."""
    return draft.regions()
