"""What napari finds of the plugin."""

from __future__ import annotations

import npe2
import numpy as np


def test_manifest_is_valid_and_imports() -> None:
    manifest = npe2.PluginManifest.from_distribution('napari-naclip')
    manifest.validate_imports()
    # Another name would open a second dock for the same widget.
    assert manifest.display_name == manifest.name == 'napari-naclip'


def test_demo_scene_opens(make_napari_viewer) -> None:
    viewer = make_napari_viewer()
    (image,) = viewer.open_sample('napari-naclip', 'demo_scene')
    assert image.rgb
    assert image.data.dtype == np.uint8
    assert 'sand' in image.metadata['classes']
