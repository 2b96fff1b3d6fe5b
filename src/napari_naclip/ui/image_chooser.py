"""The image to segment: follows the active image layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magicgui.widgets import ComboBox
from napari.layers import Image

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QWidget


class ImageChooser:
    """A combo box of the image layers.

    It follows the active layer when that is an image: a run makes its labels
    layer active, which must not change what the next run looks at.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        # magicgui's own layer combo asks the widget's parent for the viewer,
        # and without one takes whichever window is current.
        self._combo = ComboBox(name='image', choices=self._list_images)
        viewer.layers.selection.events.active.connect(self.follow)

    @property
    def native(self) -> QWidget:
        """The Qt widget."""
        widget: QWidget = self._combo.native
        return widget

    @property
    def image(self) -> Image | None:
        """The chosen layer."""
        layer: Image | None = self._combo.value
        return layer

    def reset_choices(self, event: object = None) -> None:
        """Take the image layers that there are now."""
        self._combo.reset_choices(event)
        if self._combo.value is None:
            self.follow()

    def _list_images(self, _combo: object) -> list[tuple[str, Image]]:
        return [
            (layer.name, layer)
            for layer in self._viewer.layers
            if isinstance(layer, Image)
        ]

    def follow(self, _event: object = None) -> None:
        """Choose the active layer if it is an image."""
        active = self._viewer.layers.selection.active
        if isinstance(active, Image) and active in self._combo.choices:
            self._combo.value = active
