"""The number of threads changes no label: a window leaves cores free."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from napari_naclip import Settings, load_model, segment
from napari_naclip.demo.scenes import demo_scene
from napari_naclip.engine.pixels import resize


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize('size', [(336, 480), (300, 501), (500, 700)])
def test_resizing(size: tuple[int, int]) -> None:
    picture = demo_scene()[0].image.astype(np.float32)
    results = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        results.append(resize(picture, size, 'auto'))
    np.testing.assert_array_equal(results[1], results[0])
    np.testing.assert_array_equal(results[2], results[0])


@pytest.mark.parametrize('precision', ['float32', 'bfloat16'])
@pytest.mark.parametrize('refine', ['off', 'fast'])
def test_labels(precision: str, refine: str) -> None:
    scene, classes = demo_scene()
    model = load_model('demo', device='cpu', precision=precision)
    results = []
    for count in (1, 2):
        torch.set_num_threads(count)
        results.append(
            segment(
                scene.image,
                classes,
                model=model,
                settings=Settings(refine=refine),
            )
        )
    one, two = results
    np.testing.assert_array_equal(two.labels, one.labels)
    np.testing.assert_allclose(two.confidence, one.confidence, rtol=1e-3)
