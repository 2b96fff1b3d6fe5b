"""Two viewers, a closed dock, one image twice, the proxy, async slicing."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest
from napari.settings import get_settings
from napari.utils import progress
from qtpy.QtWidgets import QApplication

from napari_naclip.ui.compute import SLOT
from napari_naclip.ui.widget import SegmentationWidget


def test_two_viewers_run_at_once(
    make_napari_viewer,
    open_widget,
    start_held,
    press,
    qtbot,
    wait_for_rest,
    picture,
) -> None:
    """One computes, the other says what it waits for; both finish."""
    viewers = make_napari_viewer(), make_napari_viewer()
    widgets = []
    for viewer, text in zip(
        viewers, ('sand; water', 'grass; forest; road'), strict=True
    ):
        viewer.add_image(picture)
        widgets.append(open_widget(viewer, text))
    hold = start_held(widgets[0])
    press(widgets[1].panel.run)
    qtbot.waitUntil(
        lambda: 'another run' in widgets[1].panel.status.text(),
        timeout=60_000,
    )
    assert widgets[1].panel.cancel.isEnabled()
    hold.go_on.set()
    for widget in widgets:
        assert wait_for_rest(widget).startswith('Done')
    assert [len(viewer.layers[-1].features) for viewer in viewers] == [3, 4]


def test_dock_closed_and_opened_again(
    make_napari_viewer, open_widget, run, picture
) -> None:
    """The same widget, put back, goes on with the same labels."""
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    run(widget)
    labels = viewer.layers[-1]
    viewer.window.remove_dock_widget(widget)
    viewer.window.add_dock_widget(widget)
    assert [row.name for row in widget.classes.rows()] == ['sand', 'water']
    assert run(widget).startswith('Done')
    assert viewer.layers[-1] is labels
    assert len(viewer.layers) == 2


def test_other_widget_after_the_first_was_closed(
    make_napari_viewer, open_widget, start_held, qtbot, wait_for_rest, picture
) -> None:
    """A run that was given up with its dock does not disturb the next one."""
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    first = open_widget(viewer)
    hold = start_held(first)
    viewer.window.remove_dock_widget(first)
    second = SegmentationWidget(viewer)
    viewer.window.add_dock_widget(second)
    second.model.choose_model('demo')
    second.classes.replace_text('grass; forest')
    second.panel.run.click()
    hold.go_on.set()
    assert wait_for_rest(second).startswith('Done')
    assert len(viewer.layers) == 2
    assert 'forest' in list(viewer.layers[-1].features['class'])


@pytest.mark.parametrize('is_pinned', [False, True])
def test_a_dock_that_comes_back_looks_at_the_same_image(
    make_napari_viewer_proxy,
    open_widget,
    run,
    press,
    qtbot,
    picture,
    is_pinned,
) -> None:
    viewer = make_napari_viewer_proxy()
    viewer.add_image(picture, name='other')
    image = viewer.add_image(picture, name='mine')
    widget = open_widget(viewer)
    if is_pinned:
        press(widget.image.pin_box)
        viewer.layers.selection.active = viewer.layers['other']
    run(widget)
    viewer.window.remove_dock_widget(widget)
    widget.deleteLater()
    _, again = viewer.window.add_plugin_dock_widget('napari-naclip')
    assert again is not widget
    assert again.image.image == image
    assert again.image.is_pinned is is_pinned
    assert run(again).startswith('Done')
    assert len(viewer.layers) == 3
    # What a person has selected meanwhile counts more, if nothing is pinned.
    viewer.window.remove_dock_widget(again)
    again.deleteLater()
    viewer.layers.selection.active = viewer.layers['other']
    _, third = viewer.window.add_plugin_dock_widget('napari-naclip')
    assert (third.image.image == image) is is_pinned


def test_same_image_in_two_layers(
    make_napari_viewer, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer()
    first = viewer.add_image(picture, name='photo')
    second = viewer.add_image(picture, name='photo')
    widget = open_widget(viewer)
    for image in (first, second, first, second):
        viewer.layers.selection.active = image
        assert widget.image.image == image
        assert run(widget).startswith('Done')
    labels = [layer for layer in viewer.layers if layer not in (first, second)]
    assert len(labels) == 2
    np.testing.assert_array_equal(labels[0].data, labels[1].data)


def test_layers_renamed_during_a_run(
    make_napari_viewer, open_widget, start_held, wait_for_rest, run, picture
) -> None:
    viewer = make_napari_viewer()
    image = viewer.add_image(picture, name='photo')
    widget = open_widget(viewer)
    hold = start_held(widget)
    image.name = 'other'
    hold.go_on.set()
    assert wait_for_rest(widget).startswith('Done')
    labels = viewer.layers[-1]
    assert labels.name.endswith(' labels')
    image.name, labels.name = 'other labels', 'other'
    assert run(widget).startswith('Done')
    assert list(viewer.layers) == [image, labels]


def test_through_the_public_proxy(
    make_napari_viewer_proxy, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer_proxy()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    assert run(widget).startswith('Done')
    assert run(widget).startswith('Done')
    assert len(viewer.layers) == 2


def test_with_async_slicing(
    make_napari_viewer, open_widget, run, qtbot, picture
) -> None:
    get_settings().experimental.async_ = True
    viewer = make_napari_viewer()
    stack = np.stack([picture[..., 0], picture[::-1, :, 0]])
    viewer.add_image(stack)
    widget = open_widget(viewer)
    planes = []
    for plane in (0, 1):
        viewer.dims.set_current_step(0, plane)
        assert run(widget).startswith('Done')
        planes.append(viewer.layers[-1].data[plane].copy())
    labels = viewer.layers[-1]
    assert labels.data.shape == (2, 96, 128)
    np.testing.assert_array_equal(labels.data, np.stack(planes))
    # A slice that is still to come would hold the viewer.
    qtbot.waitUntil(
        lambda: all(layer.loaded for layer in viewer.layers), timeout=60_000
    )


def count_all(viewer) -> dict[str, int]:
    """Return how many of the things that a run could leave behind there are."""
    gc.collect()
    tasks = viewer.window._task_status_manager
    return {
        'widgets': len(QApplication.allWidgets()),
        'threads': threading.active_count(),
        'bars': len(progress._all_instances),
        'busy tasks': int(tasks.is_busy()),
        'layers': len(viewer.layers),
    }


@pytest.mark.filterwarnings('ignore:Private attribute access')
def test_fifteen_runs_leave_nothing(
    make_napari_viewer, open_widget, run, start_held, press, qtbot, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)

    def go(number: int) -> None:
        if number % 5 == 4:
            hold = start_held(widget)
            press(widget.panel.cancel)
            hold.go_on.set()
            qtbot.waitUntil(widget.panel.run.isEnabled, timeout=60_000)
        else:
            assert run(widget).startswith('Done')
        qtbot.waitUntil(lambda: not SLOT.is_taken, timeout=60_000)
        # It writes features after all that.
        qtbot.waitUntil(
            lambda: (
                'napari-naclip run'
                not in {each.name for each in threading.enumerate()}
            ),
            timeout=60_000,
        )
        qtbot.wait(50)

    # `start_held` holds every run; let the plain ones through.
    start_held(widget).go_on.set()
    qtbot.waitUntil(widget.panel.run.isEnabled, timeout=60_000)
    for number in range(5):
        go(number)
    before = count_all(viewer)
    for number in range(10):
        go(number)
    assert count_all(viewer) == before
