"""What goes beyond the paper, chosen by mouse and keys."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLineEdit

from napari_naclip.engine.beyond import Beyond
from napari_naclip.engine.types import Settings


def type_into(qtbot, spin, text: str) -> None:
    field = spin.findChild(QLineEdit)
    qtbot.keyClick(field, 'A', Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Tab)


def test_runs_and_a_reopened_dock_have_what_is_chosen(
    make_napari_viewer, open_widget, run, press, qtbot, picture
) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(picture)
    widget = open_widget(viewer, 'sand; water; grass')
    panel = widget.beyond
    assert panel.more.text() == 'Beyond the paper'
    assert not panel.details.isVisible()
    assert panel.beyond == Beyond()
    run(widget)
    labels = viewer.layers[-1]
    before = labels.data.copy()
    assert labels.metadata['napari-naclip']['settings'] == (
        Settings(contrast_limits=(0, 255)).to_dict()
    )

    press(panel.more)
    assert panel.details.isVisible()
    press(panel.mirror)
    type_into(qtbot, panel.cross, '35')
    type_into(qtbot, panel.token, '-100')
    qtbot.keyClick(panel.scale, Qt.Key.Key_Down)
    chosen = Beyond(
        cross_share=0.35, cls_share=-1, mirror=True, second_scale=0.5
    )
    assert panel.beyond == chosen
    press(panel.more)
    # Folded away it still says so.
    assert panel.more.text() == 'Beyond the paper: on'
    assert panel.more.accessibleName() == 'Beyond the paper: on'
    run(widget)
    recipe = labels.metadata['napari-naclip']['settings']
    assert Settings(**recipe).beyond == chosen
    assert (labels.data != before).any()

    viewer.window.remove_dock_widget(widget)
    widget.deleteLater()
    again = viewer.window.add_plugin_dock_widget('napari-naclip')[1]
    assert again.beyond.beyond == chosen
    assert again.beyond.more.text() == 'Beyond the paper: on'
