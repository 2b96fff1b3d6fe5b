"""Adding a layer without one long stop of the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel
    from napari.layers import Layer


def add_in_steps(
    viewer: ViewerModel, layer: Layer, place: int | None = None
) -> Iterator[None]:
    """Add a layer; return the steps that are left.

    napari makes what draws a layer when it is added, and gives it the pixels
    when it is shown: the window answers between the two.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Its active layer stays.
    layer : napari.layers.Layer
        Made with ``visible=False``, so that nothing is done twice.
    place : int, optional
        In the list of layers; at its end by default.
    """
    active = viewer.layers.selection.active
    viewer.layers.insert(len(viewer.layers) if place is None else place, layer)
    viewer.layers.selection.active = active

    def steps() -> Iterator[None]:
        yield
        if layer in viewer.layers:
            layer.visible = True

    return steps()
