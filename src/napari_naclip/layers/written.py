"""What the model wrote, kept with the layer that it wrote into.

It lies in the layer's metadata, so that what a person edited is still known
after the image was removed, and is saved and read back with the layer.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from napari_naclip.correct.model_labels import WRITTEN_KEY, ModelLabels

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_naclip.layers.labels import Result


def share_written(result: Result) -> None:
    """Keep what the model wrote with the layer, as the very array."""
    layer = result.labels
    layer.metadata = {
        **layer.metadata,
        WRITTEN_KEY: ModelLabels(
            result.written, layer, result.accepted, result.under
        ),
    }


def saved_at(result: Result) -> float:
    """Return when a layer was saved with its edits; see ``ModelLabels``."""
    kept = result.labels.metadata.get(WRITTEN_KEY)
    if isinstance(kept, ModelLabels) and kept.array is result.written:
        return kept.saved_at
    return float('-inf')


def take_written(layer: Labels) -> ModelLabels | None:
    """Return what the model wrote into a layer; None if it is not known."""
    kept = layer.metadata.get(WRITTEN_KEY)
    if not isinstance(kept, ModelLabels) or kept.array.shape != tuple(
        layer.data.shape
    ):
        return None
    if kept.owner is None:
        # Duplicates of the layer have the same metadata.
        return copy.deepcopy(kept)
    layer = getattr(layer, '__wrapped__', layer)
    return kept if kept.owner() is layer else None
