"""What a run would give that knows nothing of earlier ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_naclip.engine.models import load_model
from napari_naclip.engine.segment import segment
from napari_naclip.engine.types import Settings

if TYPE_CHECKING:
    import numpy as np
    from napari.layers import Labels

    from napari_naclip.ui.widget import SegmentationWidget


def fresh(
    widget: SegmentationWidget, labels: Labels, picture: np.ndarray
) -> np.ndarray:
    """Return the labels of a picture, as a panel is set.

    Parameters
    ----------
    widget : SegmentationWidget
        Its live settings must be those in the recipe of the labels.
    labels : napari.layers.Labels
        Whose recipe tells all other settings.
    picture : (rows, columns, 3) uint8 array

    Returns
    -------
    (rows, columns) uint8 array
    """
    recipe = labels.metadata['napari-naclip']
    settings = dict(recipe['settings'])
    settings['contrast_limits'] = tuple(settings['contrast_limits'])
    for name, value in widget.options.settings_part().items():
        assert settings[name] == value
    return segment(
        picture,
        widget.classes.class_list(),
        model=load_model('demo'),
        settings=Settings(**settings),
    ).labels
