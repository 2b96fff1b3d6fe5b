"""A person is led through all parts of a plane."""

from __future__ import annotations

import numpy as np

from napari_naclip.demo.scenes import demo_scene
from napari_naclip.ui.correct import guide


def test_regions_of_no_part_are_found_twice(
    make_napari_viewer, open_widget, run, press, qtbot, monkeypatch
) -> None:
    scene, text = demo_scene(height=224, width=320)
    viewer = make_napari_viewer()
    viewer.add_image(scene.image)
    square = np.array([[20, 0], [20, 40], [90, 40], [90, 0]])
    shapes = viewer.add_shapes()
    for number in range(6):
        shapes.add_rectangles(square + np.array([0, 50 * number]))
    widget = open_widget(viewer, text)
    box = widget.image.scope_box
    box.setCurrentIndex(box.findData('shapes'))
    run(widget)
    press(widget.correct.more)
    found = []
    real = guide.find_guided

    def find(kept, wanted):
        found.append(kept)
        return real(kept, wanted)

    monkeypatch.setattr(guide, 'find_guided', find)
    panel, leader = widget.correct.guide, widget._corrections.guide
    for _ in range(2):
        press(panel.next)
        qtbot.waitUntil(
            lambda: panel.accept.isEnabled() and leader.is_idle,
            timeout=60_000,
        )
        assert len(leader.places) == 6
    assert len(found) == 6
