"""Settings that the panel changes live, on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from skimage.measure import label as find_objects

from napari_naclip.cli import main
from napari_naclip.io.labels import recipe_path


def test_small_objects_and_sharpness(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    picture, output = tmp_path / 'picture.png', tmp_path / 'labels.tif'
    blocks = rng.integers(0, 256, (12, 16, 3), np.uint8)
    Image.fromarray(blocks.repeat(8, axis=0).repeat(8, axis=1)).save(picture)
    given = ['--classes', 'sand; water; grass; brick', '--model', 'demo']
    command = ['segment', str(picture), *given, '-o', str(output)]
    assert main(command) == 0
    plain = tifffile.imread(output)
    more = ['--min-object', '400', '--max-hole', '900', '--logit-scale', '60']
    assert main([*command, '--overwrite', *more]) == 0
    cleaned = tifffile.imread(output)
    assert (cleaned != plain).any()
    objects = find_objects(cleaned.astype(int) + 1, connectivity=1)
    assert np.bincount(objects.ravel())[1:].min() >= 400
    recipe = recipe_path(output).read_text()
    assert '"logit_scale": 60.0' in recipe
    assert main([*command, '--overwrite', '--max-hole', '-1']) != 0
