"""What the model looks at: image, part of it, picture and detail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari.layers import Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_naclip.layers.picture import Picture
from napari_naclip.ui.fold import Fold
from napari_naclip.ui.forms import add_combo, add_row, make_form, select
from napari_naclip.ui.image_chooser import ImageChooser, LayerChooser

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_naclip.layers.read import Scope

_SCOPES: Final = {
    'This plane': 'plane',
    'Visible region': 'visible',
    'Shapes layer': 'shapes',
    'All planes': 'all',
}
_LIMITS: Final = {
    'As displayed': 'displayed',
    'Data range': 'range',
    'Percentiles 0.5-99.5': 'percentiles',
}
_CHANNELS: Final = {
    'Grey': 'grey',
    'With its colormap': 'colormap',
    'Composite of visible layers': 'composite',
}
#: Entry of the detail combo that the spin box belongs to.
_BY_REDUCTION: Final = 'reduction'
#: Short sides in pixels, as the paper has it first.
_DETAILS: Final = {
    '336 px': 336,
    '448 px': 448,
    '560 px': 560,
    'Full size': 'full',
    '1 model pixel = …': _BY_REDUCTION,
}
_RESAMPLINGS: Final = {'Area average': 'auto', 'As published': 'published'}
#: Scopes whose parts can be images of their own.
_REGION_SCOPES: Final = ('visible', 'shapes')

_CHANNELS_TIP = (
    'What an image of one channel looks like to the model: in grey, with its '
    'own colormap, or added to all visible image layers at the same place.'
)
_CHANNELS_OFF_TIP = (
    'A color image (RGB) has its colors already. Choose an image of one '
    'channel to change this.'
)
_SHAPES_TIP = (
    'The layer whose rectangles, ellipses and polygons on this plane are '
    'segmented.'
)
_NO_SHAPES_TIP = (
    'There is no Shapes layer. Add one and draw what is to be segmented.'
)


class ImagePanel(QWidget):
    """Chooses what a run looks at, and how.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    parent : QWidget, optional

    Signals
    -------
    changed
        Anything was chosen differently, by a person or by the layer list.
    """

    changed = Signal()

    def __init__(
        self, viewer: ViewerModel, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._watched: Image | None = None
        self.chooser = ImageChooser(viewer)
        self._shapes = LayerChooser(viewer, Shapes, 'shapes')
        self.pin_box = QCheckBox('Pin')
        self.pin_box.setAccessibleName('Pin the image')
        self.pin_box.setToolTip(
            'Stay with this image. Otherwise the panel follows the image '
            'layer that is active.'
        )
        self.fit_box = QCheckBox('Fit detail to region')
        self.fit_box.setAccessibleName('Fit detail to region')
        self.fit_box.setToolTip(
            'See each region as an image of its own, with the detail of a '
            'whole image: smaller things are found, but nothing around the '
            'region is seen.'
        )
        self._details = QWidget()
        self.section = Fold(
            'Picture and detail',
            'Show or hide the settings of the picture.',
            self._details,
        )
        self.reduction_box = QDoubleSpinBox()
        self.reduction_box.setRange(0.1, 10_000)
        self.reduction_box.setDecimals(1)
        self.reduction_box.setValue(4)
        self.reduction_box.setSuffix(' px')
        self.pixel_size = QLabel()
        self.summary = QLabel()
        self._lay_out()
        self._connect()
        self.reset_choices()

    def _lay_out(self) -> None:
        self._form = make_form()
        first = QHBoxLayout()
        first.addWidget(self.chooser.native, stretch=1)
        first.addWidget(self.pin_box)
        add_row(self._form, 'Image', self.chooser.native, first)
        self.chooser.native.setToolTip('The image layer to segment.')
        self.scope_box = add_combo(
            self._form,
            'Scope',
            _SCOPES,
            'What is segmented: the plane under the sliders, what the canvas '
            'shows of it, the parts drawn in a Shapes layer, or all planes '
            'of all sliders (z, time).',
        )
        add_row(self._form, 'Shapes', self._shapes.native)
        self._form.addRow(self.fit_box)

        form = make_form(self._details)
        self.limits_box = add_combo(
            form,
            'Limits',
            _LIMITS,
            'Which values become black and white: the contrast limits and '
            'gamma of the layer, or the range or percentiles of all data '
            'that the run reads (gamma is left out then).',
        )
        self.channels_box = add_combo(
            form, 'Channels', _CHANNELS, _CHANNELS_TIP
        )
        self.detail_box = add_combo(
            form,
            'Detail',
            _DETAILS,
            'Short side, in pixels, at which the model sees the image; or '
            'how many image pixels become one pixel of the model. More '
            'detail shows smaller things and takes longer.',
        )
        size = self._reduction_row = QHBoxLayout()
        size.addWidget(self.reduction_box, stretch=1)
        size.addWidget(self.pixel_size)
        add_row(form, 'Image pixels', self.reduction_box, size)
        self.reduction_box.setToolTip(
            'How many image pixels, along a side, become one pixel that the '
            'model sees; below 1 enlarges.'
        )
        self._form_of_details = form
        self.resampling_box = add_combo(
            form,
            'Resampling',
            _RESAMPLINGS,
            'How the image is made smaller by more than two: averaged by '
            'area, or by bilinear sampling as in the paper, which lets noise '
            'through.',
        )
        self.summary.setWordWrap(True)
        self.summary.setAccessibleName('What the model will see')
        self.summary.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._form)
        layout.addWidget(self.section)
        layout.addWidget(self._details)
        layout.addWidget(self.summary)

    def _connect(self) -> None:
        self.chooser.changed.connect(self._on_image_changed)
        self._shapes.changed.connect(self._on_choice)
        self.pin_box.toggled.connect(self._on_pin_toggled)
        self.fit_box.toggled.connect(self._on_choice)
        self.reduction_box.valueChanged.connect(self._on_choice)
        for combo in (
            self.scope_box,
            self.limits_box,
            self.channels_box,
            self.detail_box,
            self.resampling_box,
        ):
            combo.currentIndexChanged.connect(self._on_choice)

    @property
    def image(self) -> Image | None:
        """The image layer that is chosen."""
        return self.chooser.image

    @property
    def is_pinned(self) -> bool:
        """Whether the image stays when another layer becomes active."""
        return self.chooser.is_pinned

    @property
    def shapes(self) -> Shapes | None:
        """The Shapes layer that is chosen; None for another scope."""
        return self._shapes.layer if self.scope == 'shapes' else None

    @property
    def scope(self) -> Scope:
        """The scope, for ``take_snapshots``."""
        value: Scope = self.scope_box.currentData()
        return value

    @property
    def fits_region(self) -> bool:
        """Whether regions are images of their own, for ``take_snapshots``."""
        return self.scope in _REGION_SCOPES and self.fit_box.isChecked()

    @property
    def picture(self) -> Picture:
        """How values are seen, for ``take_snapshots``."""
        channels = self.channels_box.currentData()
        return Picture(
            limits=self.limits_box.currentData(),
            channels=channels if self.channels_box.isEnabled() else 'grey',
        )

    def settings_part(self) -> dict[str, Any]:
        """Return the part of ``Settings`` that is chosen here."""
        detail = self.detail_box.currentData()
        is_reduction = detail == _BY_REDUCTION
        return {
            'detail': detail if isinstance(detail, int) else None,
            'reduction': self.reduction_box.value() if is_reduction else None,
            'resampling': self.resampling_box.currentData(),
        }

    def state(self) -> dict[str, Any]:
        """Return all choices but those of layers, as plain data."""
        return {
            **{name: box.currentData() for name, box in self._combos.items()},
            'reduction': self.reduction_box.value(),
            'fits_region': self.fit_box.isChecked(),
            'is_open': self.section.isChecked(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Choose what ``state`` told; what is unknown stays as it is."""
        for name, box in self._combos.items():
            select(box, state.get(name))
        reduction = state.get('reduction')
        if isinstance(reduction, (int, float)):
            self.reduction_box.setValue(float(reduction))
        for name, button in (
            ('fits_region', self.fit_box),
            ('is_open', self.section),
        ):
            if isinstance(state.get(name), bool):
                button.setChecked(state[name])

    def return_to(self, image: Image | None, *, is_pinned: bool) -> None:
        """Look at an image again, unless it is gone or not pinned to it."""
        if self.chooser.choose(image):
            self.pin_box.setChecked(is_pinned)
        self.chooser.follow()

    def reset_choices(self, event: object = None) -> None:
        """Take the layers that there are now."""
        self.chooser.reset_choices(event)
        self._shapes.reset_choices(event)
        self._on_image_changed()

    def set_summary(self, text: str) -> None:
        """Say at which size the model will see the image, and the like."""
        self.summary.setText(text)
        self.summary.setAccessibleDescription(text)
        self.summary.setVisible(bool(text))

    @property
    def _combos(self) -> dict[str, QComboBox]:
        return {
            'scope': self.scope_box,
            'limits': self.limits_box,
            'channels': self.channels_box,
            'detail': self.detail_box,
            'resampling': self.resampling_box,
        }

    def _on_pin_toggled(self, is_checked: bool) -> None:
        self.chooser.pin(is_checked)
        self._on_image_changed()

    def _on_image_changed(self, _image: object = None) -> None:
        image = self.image
        if self._watched != image:
            for each, connects in ((self._watched, False), (image, True)):
                if each is None:
                    continue
                for name in ('scale', 'units'):
                    emitter = each.events[name]
                    if connects:
                        emitter.connect(self._on_image_scaled)
                    else:
                        emitter.disconnect(self._on_image_scaled)
            self._watched = image
        if self.pin_box.isChecked() != self.is_pinned:
            # The pinned image is gone, or there is none to pin.
            self.pin_box.setChecked(self.is_pinned)
        is_color = image is not None and bool(image.rgb)
        self.channels_box.setEnabled(not is_color)
        self.channels_box.setToolTip(
            _CHANNELS_OFF_TIP if is_color else _CHANNELS_TIP
        )
        self._on_choice()

    def _on_image_scaled(self, _event: object = None) -> None:
        self._on_choice()

    def _on_choice(self, _value: object = None) -> None:
        scope = self.scope
        self._form.setRowVisible(self._shapes.native, scope == 'shapes')
        has_shapes = self._shapes.layer is not None
        self._shapes.native.setEnabled(has_shapes)
        self._shapes.native.setToolTip(
            _SHAPES_TIP if has_shapes else _NO_SHAPES_TIP
        )
        self.fit_box.setVisible(scope in _REGION_SCOPES)
        self._show_reduction()
        self.changed.emit()

    def _show_reduction(self) -> None:
        is_shown = self.detail_box.currentData() == _BY_REDUCTION
        self._form_of_details.setRowVisible(self._reduction_row, is_shown)
        text = (
            ''
            if self.image is None
            else _pixel_size(self.image, self.reduction_box.value())
        )
        self.pixel_size.setText(text)
        self.pixel_size.setVisible(bool(text))
        self.reduction_box.setAccessibleDescription(text)


def _pixel_size(image: Image, reduction: float) -> str:
    """Return the size of some image pixels; '' without a unit of length."""
    unit = image.units[-1]
    if f'{unit}' in ('pixel', 'dimensionless'):
        return ''
    return f'= {abs(image.scale[-1]) * reduction:.3g} {unit:~P}'
