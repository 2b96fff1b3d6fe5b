"""Combo boxes of layers, and the one of the image to segment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from magicgui.widgets import ComboBox
from napari.layers import Image, Layer

from napari_naclip.layers.maps import is_map

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QWidget

L = TypeVar('L', bound=Layer)


class LayerChooser(Generic[L]):
    """A combo box of the layers of one type.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    layer_type : type
        Of the layers that can be chosen.
    name : str
        What is chosen.
    """

    def __init__(
        self, viewer: ViewerModel, layer_type: type[L], name: str
    ) -> None:
        self._viewer = viewer
        self._type = layer_type
        # magicgui's own layer combo asks the widget's parent for the viewer,
        # and without one takes whichever window is current.
        self._combo = ComboBox(name=name, choices=self._list_layers)
        #: Tells of another choice; a psygnal signal.
        self.changed = self._combo.changed

    @property
    def native(self) -> QWidget:
        """The Qt widget."""
        widget: QWidget = self._combo.native
        return widget

    @property
    def layer(self) -> L | None:
        """The chosen layer."""
        layer: L | None = self._combo.value
        return layer

    def choose(self, layer: Layer | None) -> bool:
        """Choose a layer, if it is there; return whether it was."""
        if not isinstance(layer, self._type) or (
            layer not in self._combo.choices
        ):
            return False
        self._combo.value = layer
        return True

    def reset_choices(self, event: object = None) -> None:
        """Take the layers that there are now."""
        self._combo.reset_choices(event)

    def _list_layers(self, _combo: object) -> list[tuple[str, L]]:
        return [
            (layer.name, layer)
            for layer in self._viewer.layers
            if isinstance(layer, self._type) and not is_map(layer)
        ]


class ImageChooser(LayerChooser[Image]):
    """A combo box of the image layers.

    It follows the active layer when that is an image: a run makes its labels
    layer active, which must not change what the next run looks at. A pinned
    image stays chosen as long as it is there.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer, Image, 'image')
        self._is_pinned = False
        self._pinned: Image | None = None
        self._is_open = False
        self.open()

    def open(self) -> None:
        """Follow the active layer again, after ``close``."""
        if not self._is_open:
            self._is_open = True
            self._viewer.layers.selection.events.active.connect(self.follow)
            self.follow()

    def close(self) -> None:
        """Follow it no longer; for a panel that was closed."""
        if self._is_open:
            self._is_open = False
            self._viewer.layers.selection.events.active.disconnect(self.follow)

    @property
    def image(self) -> Image | None:
        """The chosen layer."""
        return self.layer

    @property
    def is_pinned(self) -> bool:
        """Whether the chosen image stays when another becomes active."""
        return self._is_pinned

    def pin(self, is_pinned: bool) -> None:
        """Pin the chosen image, or follow the active one again."""
        self._is_pinned = is_pinned and self.image is not None
        self._pinned = self.image if self._is_pinned else None
        self.follow()

    def reset_choices(self, event: object = None) -> None:
        """Take the image layers that there are now."""
        super().reset_choices(event)
        if self._pinned is not None and self._pinned not in (
            self._combo.choices
        ):
            self.pin(False)
        if self.image is None:
            self.follow()

    def follow(self, _event: object = None) -> None:
        """Choose the active layer if it is an image and none is pinned."""
        if not self._is_pinned:
            self.choose(self._viewer.layers.selection.active)
