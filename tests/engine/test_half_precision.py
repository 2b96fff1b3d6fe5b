"""Half precision: fewer bits in the tower, hardly another label."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from napari_naclip import load_model, segment
from napari_naclip.demo.scenes import demo_scene
from napari_naclip.engine.device import Precision

#: Share of pixels that must have the same label as in float32.
LEAST_EQUAL = 0.995


@pytest.mark.parametrize('precision', ['bfloat16', 'float16'])
@pytest.mark.parametrize('name', ['scene', 'astronaut', 'coffee'])
def test_labels_stay(precision: Precision, name: str) -> None:
    classes = 'red stripes; plain blue; sand; grass; road'
    if name == 'scene':
        scene, classes = demo_scene()
        image = scene.image
    else:
        image = getattr(data, name)()
    full, half = (
        segment(
            image,
            classes,
            model=load_model('demo', device='cpu', precision=each),
        )
        for each in ('float32', precision)
    )
    assert half.recipe['model']['precision'] == precision
    assert len(np.unique(full.labels)) >= 2
    assert np.mean(full.labels == half.labels) >= LEAST_EQUAL
