"""Widget, command line and Python give the same labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from napari_naclip import Settings, load_model, segment
from napari_naclip.cli import main
from napari_naclip.demo.scenes import demo_scene
from napari_naclip.ui.compute import SLOT


def scene() -> tuple[np.ndarray, str]:
    drawn, classes = demo_scene()
    return drawn.image, classes


def photograph(name: str) -> tuple[np.ndarray, str]:
    import skimage.data

    picture = getattr(skimage.data, name)()
    return picture, 'red stripes; plain blue; sand; grass'


@pytest.mark.parametrize('name', ['scene', 'astronaut', 'coffee'])
def test_same_labels(
    make_napari_viewer, open_widget, run, tmp_path: Path, name: str
) -> None:
    image, classes = scene() if name == 'scene' else photograph(name)
    viewer = make_napari_viewer()
    viewer.add_image(image)
    run(open_widget(viewer, classes))
    in_window = viewer.layers[-1].data

    picture, output = tmp_path / 'picture.png', tmp_path / 'labels.tif'
    Image.fromarray(image).save(picture)
    options = ['--classes', classes, '--model', 'demo', '-o', str(output)]
    assert main(['segment', str(picture), *options]) == 0

    result = segment(
        image,
        classes,
        model=load_model('demo'),
        settings=Settings(contrast_limits=(0, 255)),
    )
    recipe = viewer.layers[-1].metadata['napari-naclip']
    for key in ('model', 'settings', 'classes', 'image'):
        assert recipe[key] == result.recipe[key]
    fresh, pixels = load_model('demo'), torch.rand(1, 3, 112, 112)
    assert torch.equal(
        SLOT._model.tower.tokens(pixels), fresh.tower.tokens(pixels)
    )
    np.testing.assert_array_equal(in_window, result.labels)
    np.testing.assert_array_equal(tifffile.imread(output), result.labels)
    assert len(np.unique(in_window)) >= (4 if name == 'scene' else 2)
