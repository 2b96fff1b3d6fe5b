"""A list that was taught in the window, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from napari_naclip.cli import main
from napari_naclip.correct.examples import collect_example
from napari_naclip.demo.scenes import demo_scene
from napari_naclip.engine.class_state import ListState
from napari_naclip.engine.models import load_model
from napari_naclip.engine.segmenter import Segmenter
from napari_naclip.engine.taught import Teaching
from napari_naclip.engine.types import Region, Settings
from napari_naclip.io.class_files import write_classes
from napari_naclip.io.labels import recipe_path


def test_exported_list_holds_what_was_taught(tmp_path: Path, capsys) -> None:
    image = demo_scene()[0].image[:120, :160]
    picture, output = tmp_path / 'picture.png', tmp_path / 'labels.tif'
    Image.fromarray(image).save(picture)
    model = load_model('demo', device='cpu', precision='float32')
    live = Segmenter(model, Settings()).open(image)
    place = Region(10, 10, 40, 40)
    example = collect_example(live, np.ones(place.size, bool), place)
    state = ListState.from_text('sand; water; here')
    state = state.with_row(
        3, prompts=(), teaching=Teaching((example,))
    ).with_row(1, is_on=False)
    file = tmp_path / 'list.json'
    write_classes(file, state)
    command = ['segment', str(picture), '--classes-file', str(file)]
    command += ['--model', 'demo', '-o', str(output)]
    assert main(command) == 0
    labels = tifffile.imread(output)
    assert (labels[place.slices] == 3).mean() > 0.9
    assert set(np.unique(labels)) <= {2, 3}
    recipe = json.loads(recipe_path(output).read_text())
    assert recipe['classes'][1]['taught']['examples'] == [example.to_dict()]
    # The recipe is a list too, and gives the same labels.
    again = ['segment', str(picture), '--classes-file']
    again += [str(recipe_path(output)), '--model', 'demo']
    assert main([*again, '-o', str(tmp_path / 'again.tif')]) == 0
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / 'again.tif'), labels
    )
    assert main([*command, '--overwrite', '--background', 'sky']) == 0
    capsys.readouterr()
