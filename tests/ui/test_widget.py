"""The widget as a person uses it: keys, clicks and what comes of them."""

from __future__ import annotations

import numpy as np
from napari_naclip.ui.widget import SegmentationWidget


def test_words_in_mask_out(make_napari_viewer, qtbot, run, picture) -> None:
    viewer = make_napari_viewer()
    image = viewer.add_image(picture, name='photo')
    _, widget = viewer.window.add_plugin_dock_widget('napari-naclip')
    assert isinstance(widget, SegmentationWidget)
    widget.options.choose_model('demo')
    qtbot.keyClicks(widget.classes.text, 'sand; water, sea; grass')
    status = run(widget)
    assert status.startswith('Done'), status
    labels = viewer.layers[-1]
    assert labels.name == 'photo labels'
    assert labels.data.shape == picture.shape[:2]
    assert set(np.unique(labels.data)) <= {1, 2, 3}
    assert list(labels.features['class']) == [
        'unlabeled',
        'sand',
        'water',
        'grass',
    ]
    assert widget.chooser.image == image
