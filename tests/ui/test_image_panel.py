"""The image panel with keys and clicks, beside a viewer without a window."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QLabel,
    QToolButton,
    QWidget,
)

from napari_naclip.layers.picture import Picture
from napari_naclip.ui.image_panel import ImagePanel

SQUARE = np.array([[2.0, 3.0], [2.0, 7.0], [8.0, 7.0], [8.0, 3.0]])


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def panel(viewer: ViewerModel, qtbot) -> Iterator[ImagePanel]:
    panel = ImagePanel(viewer)
    qtbot.addWidget(panel)
    # As add_dock_widget does.
    for event in ('inserted', 'removed', 'renamed'):
        viewer.layers.events[event].connect(panel.reset_choices)
    panel.resize(250, 400)
    panel.show()
    yield panel
    for event in ('inserted', 'removed', 'renamed'):
        viewer.layers.events[event].disconnect(panel.reset_choices)


def pick(qtbot, box: QComboBox, text: str) -> None:
    """Choose an entry by typing its beginning."""
    box.setFocus()
    qtbot.keyClick(box, Qt.Key.Key_Home)
    for _ in range(box.count()):
        if box.currentText().startswith(text):
            return
        qtbot.keyClick(box, Qt.Key.Key_Down)
    raise AssertionError(text)


def test_follows_the_active_image_or_stays_pinned(
    panel, viewer, press, qtbot
) -> None:
    first = viewer.add_image(np.eye(20), name='first')
    second = viewer.add_image(np.eye(20), name='second')
    assert panel.image == second
    viewer.layers.selection.active = first
    assert panel.image == first
    press(panel.pin_box)
    viewer.layers.selection.active = second
    assert panel.is_pinned
    assert panel.image == first
    # Labels are never followed; a pinned image that goes is let go.
    viewer.add_labels(np.eye(20, dtype=np.uint8))
    viewer.layers.remove(first)
    assert panel.image == second
    assert not panel.is_pinned
    assert not panel.pin_box.isChecked()
    press(panel.pin_box)
    press(panel.pin_box)
    assert not panel.is_pinned


def test_nothing_to_pin(panel, press) -> None:
    press(panel.pin_box)
    assert panel.image is None
    assert not panel.pin_box.isChecked()


def test_shapes_are_offered_with_their_scope(panel, viewer, qtbot) -> None:
    viewer.add_image(np.eye(20))
    box = panel._shapes.native
    assert not box.isVisible()
    assert not panel.fit_box.isVisible()
    pick(qtbot, panel.scope_box, 'Shapes layer')
    assert panel.scope == 'shapes'
    assert box.isVisible()
    assert not box.isEnabled()
    assert 'no Shapes layer' in box.toolTip()
    shapes = viewer.add_shapes(SQUARE, name='parts')
    assert box.isEnabled()
    assert panel.shapes == shapes
    shapes.name = 'regions'
    assert box.currentText() == 'regions'
    pick(qtbot, panel.scope_box, 'All planes')
    assert panel.scope == 'all'
    assert panel.shapes is None


def test_fit_is_for_regions_only(panel, viewer, press, qtbot) -> None:
    viewer.add_image(np.eye(20))
    pick(qtbot, panel.scope_box, 'Visible')
    press(panel.fit_box)
    assert panel.fits_region
    pick(qtbot, panel.scope_box, 'This plane')
    assert not panel.fits_region


def test_detail(panel, viewer, press, qtbot) -> None:
    image = viewer.add_image(np.eye(20), scale=(0.5, 0.5), units='um')
    assert panel.settings_part() == {
        'detail': 336,
        'reduction': None,
        'resampling': 'auto',
    }
    assert not panel.detail_box.isVisible()
    press(panel.section)
    assert panel.detail_box.isVisible()
    assert not panel.reduction_box.isVisible()
    pick(qtbot, panel.detail_box, 'Full')
    assert panel.settings_part()['detail'] is None
    pick(qtbot, panel.detail_box, '1 model pixel')
    assert panel.reduction_box.isVisible()
    panel.reduction_box.selectAll()
    qtbot.keyClicks(panel.reduction_box, '8')
    qtbot.keyClick(panel.reduction_box, Qt.Key.Key_Return)
    assert panel.settings_part()['reduction'] == 8
    assert panel.settings_part()['detail'] is None
    assert panel.pixel_size.text() == '= 4 µm'
    image.scale = (2, 2)
    assert panel.pixel_size.text() == '= 16 µm'
    pick(qtbot, panel.resampling_box, 'As published')
    assert panel.settings_part()['resampling'] == 'published'


def test_picture_of_grey_and_color(panel, viewer, press, qtbot) -> None:
    viewer.add_image(np.eye(20))
    press(panel.section)
    pick(qtbot, panel.channels_box, 'Composite')
    pick(qtbot, panel.limits_box, 'Percentiles')
    assert panel.picture == Picture('percentiles', 'composite')
    color = viewer.add_image(np.zeros((40, 40, 3), np.uint8))
    assert panel.image == color
    assert not panel.channels_box.isEnabled()
    assert 'RGB' in panel.channels_box.toolTip()
    assert panel.picture == Picture('percentiles', 'grey')


def test_every_choice_is_told(panel, viewer, press, qtbot) -> None:
    with qtbot.waitSignal(panel.changed, timeout=1000):
        viewer.add_image(np.eye(20))
    press(panel.section)
    for box, text in (
        (panel.scope_box, 'Visible'),
        (panel.limits_box, 'Data range'),
        (panel.channels_box, 'With'),
        (panel.detail_box, '448'),
        (panel.resampling_box, 'As published'),
    ):
        with qtbot.waitSignal(panel.changed, timeout=1000):
            pick(qtbot, box, text)
    with qtbot.waitSignal(panel.changed, timeout=1000):
        press(panel.fit_box)
    with qtbot.waitSignal(panel.changed, timeout=1000):
        press(panel.pin_box)


def test_state_comes_back(panel, viewer, press, qtbot) -> None:
    press(panel.section)
    pick(qtbot, panel.scope_box, 'Shapes layer')
    pick(qtbot, panel.detail_box, '1 model pixel')
    panel.reduction_box.setValue(2.5)
    press(panel.fit_box)
    state = panel.state()
    other = ImagePanel(viewer)
    qtbot.addWidget(other)
    before = other.state()
    other.set_state({'scope': 'everything', 'reduction': 'x', 'what': 1})
    assert other.state() == before
    other.set_state(state)
    assert other.state() == state
    assert other.settings_part() == panel.settings_part()
    assert other.fits_region


def test_controls_are_named_and_narrow(panel, viewer, press, qtbot) -> None:
    viewer.add_image(np.eye(20), name='a very long name ' * 5, units='um')
    viewer.add_shapes(SQUARE, name='another very long name ' * 5)
    press(panel.section)
    pick(qtbot, panel.scope_box, 'Shapes layer')
    pick(qtbot, panel.detail_box, '1 model pixel')
    panel.set_summary('Seen at 336 x 448 px, 6 windows')
    assert panel.summary.isVisible()
    assert panel.minimumSizeHint().width() <= 250
    kinds = (QComboBox, QCheckBox, QAbstractSpinBox, QToolButton)
    buddies = [label.buddy() for label in panel.findChildren(QLabel)]
    controls = [w for kind in kinds for w in panel.findChildren(kind)]
    assert len(controls) >= 10
    for control in controls:
        assert control.accessibleName()
        assert control.toolTip()
        if isinstance(control, (QComboBox, QAbstractSpinBox)):
            assert control in buddies


def test_tab_order_is_as_read(panel, viewer, press, qtbot) -> None:
    viewer.add_image(np.eye(20))
    viewer.add_shapes(SQUARE)
    press(panel.section)
    pick(qtbot, panel.scope_box, 'Shapes layer')
    pick(qtbot, panel.detail_box, '1 model pixel')
    order: list[QWidget] = [
        panel.chooser.native,
        panel.pin_box,
        panel.scope_box,
        panel._shapes.native,
        panel.fit_box,
        panel.section,
        panel.limits_box,
        panel.channels_box,
        panel.detail_box,
        panel.reduction_box,
        panel.resampling_box,
    ]
    places = []
    for widget in order:
        at = widget.mapTo(panel, widget.rect().center())
        places.append((at.y() // 12, at.x()))
    assert places == sorted(places)
    reached = [order[0]]
    widget = order[0].nextInFocusChain()
    while widget is not order[0]:
        if widget in order:
            reached.append(widget)
        widget = widget.nextInFocusChain()
    assert reached == order
