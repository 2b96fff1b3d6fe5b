"""The expert's ten minutes: lists, parts of images, stacks, two windows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import napari
import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QColorDialog, QLineEdit

from napari_naclip.demo.scenes import demo_scene
from napari_naclip.io.presets import list_presets
from napari_naclip.ui.class_table.model import Column
from newcomer import SAMPLE, WORDS
from panel_driver import (
    SlowRuns,
    answer_file_dialog,
    areas_of,
    check_running,
    dock_of,
    names,
    open_panel,
    run,
    select_class,
    set_number,
    type_classes,
    value_of,
    wait_for_labels,
    wait_for_rest,
)
from window_driver import expect

if TYPE_CHECKING:
    from napari.layers import Image, Labels

    from napari_naclip.ui.widget import SegmentationWidget
    from window_driver import WindowDriver

_RED = '#cc3311'
_PLANES = 5
#: Micrometers between planes, rows and columns of the stack.
_SPACING = (2.0, 0.5, 0.5)
#: Seconds that a batch of windows takes in a run that is to be seen.
_BATCH_TIME = 0.4
#: Share of pixels at edges, which napari draws a little elsewhere.
_EDGE = 0.03
_NARROW = 250
_LOW = 220


def go_expert(driver: WindowDriver) -> None:
    """Make the journey; pictures have the names of its steps."""
    driver.choose_menu('File', 'Open Sample', SAMPLE)
    panel = open_panel(driver)
    driver.see_all()
    driver.choose(panel.model.model, 'demo')
    take_a_preset(driver, panel)
    edit_the_list(driver, panel)
    labels = refine(driver, panel)
    export(driver, panel)
    segment_shapes(driver, panel, labels)
    segment_what_is_seen(driver, panel, labels)
    stack = segment_a_stack(driver, panel)
    panel = reopen(driver, panel)
    open_a_second_window(driver)
    change_the_dock(driver, panel, stack)


def take_a_preset(driver: WindowDriver, panel: SegmentationWidget) -> None:
    """Take a list of the paper with the keyboard alone."""
    button = panel.classes.actions_row.presets
    driver.click(panel.classes.entry)
    for _ in range(12):
        if button.hasFocus():
            break
        driver.press('Tab')
    expect(button.hasFocus(), 'Tab does not come to the presets.')
    place = [preset.key for preset in list_presets()].index('voc20')
    driver.press('space', 'Down', 'Right', *['Down'] * place)
    driver.picture('presets', is_parked=False)
    driver.press('Return')
    driver.wait(lambda: len(names(panel)) == 20, 'the 20 classes of VOC')
    expect(panel.classes.status.isVisible(), 'Nothing tells what VOC20 is.')
    driver.picture('preset')


def edit_the_list(driver: WindowDriver, panel: SegmentationWidget) -> None:
    """Empty the list, fill it, rename, recolor, lock, move, undo, redo."""
    select_class(driver, panel, names(panel)[0])
    driver.press('ctrl+a', 'Delete')
    expect(not names(panel), f'Ctrl+A, Delete left {names(panel)}.')
    type_classes(driver, panel, WORDS)

    select_class(driver, panel, 'sand')
    driver.press('F2')
    driver.type('beach')
    driver.press('Return')
    row = panel.classes.rows()[0]
    expect(row.name == 'beach', f'F2 renamed to “{row.name}”.')
    expect(row.prompts == ('sand',), 'Renaming changed the prompts.')

    driver.click_cell(panel.classes.table, 0, Column.COLOR)
    choose_color(driver)
    driver.wait(
        lambda: panel.classes.rows()[0].color == _RED, 'the class is red'
    )

    driver.click_cell(panel.classes.table, 1, Column.LOCK)
    expect(panel.classes.rows()[1].is_locked, 'A click did not lock.')

    select_class(driver, panel, 'road')
    driver.press('alt+Up', 'alt+Up')
    moved = ['beach', 'water', 'road', 'grass', 'forest']
    expect(names(panel) == moved, f'Alt+Up made the order {names(panel)}.')
    driver.press('ctrl+z', 'ctrl+z', 'ctrl+z')
    expect(not panel.classes.rows()[1].is_locked, 'Ctrl+Z did not unlock.')
    expect(names(panel)[-1] == 'road', 'Ctrl+Z did not move back.')
    driver.press('ctrl+shift+z', 'ctrl+shift+z', 'ctrl+shift+z')
    expect(names(panel) == moved, 'Ctrl+Shift+Z did not move again.')
    expect(panel.classes.rows()[1].is_locked, 'Redo did not lock.')
    driver.picture('edited')


def choose_color(driver: WindowDriver) -> None:
    """Type a color into the color dialog."""

    def find() -> list[QColorDialog]:
        return [
            widget
            for widget in QApplication.topLevelWidgets()
            if isinstance(widget, QColorDialog) and widget.isVisible()
        ]

    driver.wait(find, 'the color dialog is open')
    dialog = find()[0]
    dialog.activateWindow()
    driver.wait(dialog.isActiveWindow, 'the color dialog is active')
    code = next(
        line
        for line in dialog.findChildren(QLineEdit)
        if line.text().startswith('#')
    )
    driver.click(code)
    driver.press('ctrl+a')
    driver.type(_RED)
    driver.press('Return')
    driver.wait(lambda: not find(), 'the color dialog is closed')
    driver.window.activateWindow()
    driver.pause()


def refine(driver: WindowDriver, panel: SegmentationWidget) -> Labels:
    """Run with the fast refinement; return the labels."""
    driver.choose(panel.options.refinement, 'fast')
    told = run(driver, panel)
    expect(told.startswith('Done'), f'A refined run says “{told}”.')
    labels: Labels = driver.viewer.layers[-1]
    recipe = labels.metadata['napari-naclip']
    expect('fast' in json.dumps(recipe), 'The recipe lacks the refinement.')
    water = value_of(panel, 'water')
    expect(not (labels.data == water).any(), 'Water is locked and grew.')
    expect('ocked' in told, f'Nothing tells of the lock: “{told}”.')
    driver.picture('refined')
    driver.click_cell(panel.classes.table, 1, Column.LOCK)
    run(driver, panel)
    expect((labels.data == water).any(), 'There is no water.')
    return labels


def export(driver: WindowDriver, panel: SegmentationWidget) -> None:
    """Write the list to a file."""
    path = Path.home() / 'classes.json'
    answer_file_dialog(
        driver,
        str(path),
        lambda: driver.click(panel.classes.actions_row.exporting),
    )
    expect(path.exists(), 'The list was not written.')
    expect(_RED in path.read_text().lower(), 'The file has no colors.')
    driver.picture('exported')


def segment_shapes(
    driver: WindowDriver, panel: SegmentationWidget, labels: Labels
) -> None:
    """Draw a rectangle and a polygon, and segment only there."""
    driver.choose_menu('File', 'New Layer', 'Shapes')
    shapes = driver.viewer.layers[-1]
    driver.see_all()
    driver.press('r')
    driver.drag([(60, 60), (200, 260)])
    driver.press('p')
    for corner in ((230, 350), (400, 330), (420, 560), (260, 600)):
        driver.click_canvas(corner)
        driver.pause(0.4)
    driver.press('Escape')
    expect(
        shapes.shape_type == ['rectangle', 'polygon'],
        f'The mouse drew {shapes.shape_type}.',
    )
    # Seen through, as what is below them is what matters.
    shapes.opacity = 0.3
    # Else a class that is off would go from the whole plane.
    driver.scroll_to(panel.options.live)
    driver.check(panel.options.live)
    driver.wait(lambda: not panel.options.is_live, 'Live is off')
    driver.choose(panel.image.scope_box, 'Shapes layer')
    turn(driver, panel, 'grass', is_on=False)
    wait_for_labels(driver)
    before = labels.data.copy()
    told = run(driver, panel)
    expect(told.startswith('Done'), f'A run of shapes says “{told}”.')
    driver.picture('shapes')
    inside = shapes.to_labels(labels.data.shape) > 0
    grass = value_of(panel, 'grass')
    expect(
        (labels.data[inside] == grass).mean() < _EDGE,
        'In the shapes there is grass, which is off.',
    )
    changed = labels.data != before
    expect(
        (changed & ~inside).sum() < _EDGE * inside.sum(),
        'The run changed what lies outside the shapes.',
    )
    shapes.visible = False
    turn(driver, panel, 'grass', is_on=True)


def segment_what_is_seen(
    driver: WindowDriver, panel: SegmentationWidget, labels: Labels
) -> None:
    """Zoom in and segment what is seen, with another detail."""
    driver.viewer.layers.selection.active = labels
    driver.turn_wheel((120, 160), 6)
    driver.pause()
    driver.choose(panel.image.scope_box, 'Visible region')
    driver.click(panel.image.section)
    driver.choose(panel.image.detail_box, '1 model pixel = …')
    set_number(driver, panel.image.reduction_box, '2')
    driver.wait(
        lambda: panel.image.settings_part()['reduction'] == 2,
        'a model pixel is 2 image pixels',
    )
    driver.pause(1)
    wait_for_labels(driver)
    before = labels.data.copy()
    turn(driver, panel, 'grass', is_on=False)
    told = run(driver, panel)
    expect(told.startswith('Done'), f'A run of what is seen says “{told}”.')
    changed = np.argwhere(labels.data != before)
    expect(len(changed), 'Nothing changed in what is seen.')
    (top, left), (bottom, right) = labels.corner_pixels
    low, high = changed.min(axis=0), changed.max(axis=0)
    expect(
        low[0] >= top and low[1] >= left and high[0] <= bottom + 1,
        'The run changed what is not seen.',
    )
    expect(high[1] <= right + 1, 'The run changed what is not seen.')
    driver.picture('visible')
    turn(driver, panel, 'grass', is_on=True)
    driver.scroll_to(panel.options.live)
    driver.check(panel.options.live)
    driver.wait(lambda: panel.options.is_live, 'Live is on')
    wait_for_labels(driver)
    driver.choose(panel.image.detail_box, '336 px')
    driver.choose(panel.image.scope_box, 'This plane')


def segment_a_stack(driver: WindowDriver, panel: SegmentationWidget) -> Image:
    """Segment all planes of a stack in micrometers, cancel, look at areas."""
    # Layers in pixels beside one in micrometers make napari warn.
    driver.viewer.layers.clear()
    planes = [demo_scene(seed, 224, 320)[0].image for seed in range(_PLANES)]
    stack: Image = driver.viewer.add_image(
        np.stack(planes),
        name='stack',
        rgb=True,
        scale=_SPACING,
        units=('µm',) * 3,
    )
    driver.see_all()
    # To the first plane, which is finished first.
    driver.press(*['Left'] * _PLANES)
    expect(driver.viewer.dims.point[0] == 0, 'Left does not go to plane 1.')
    expect(panel.image.image == stack, 'The panel does not follow.')
    driver.choose(panel.image.scope_box, 'All planes')
    driver.choose(panel.options.refinement, 'off')
    driver.pause(1)
    with SlowRuns(_BATCH_TIME):
        driver.click(panel.panel.run)
        driver.wait(
            lambda: f'3 of {_PLANES}' in panel.panel.status.text(),
            'the run is at its third plane',
        )
        check_running(panel)
        driver.pause(0.5)
        driver.picture('planes')
        driver.click(panel.panel.cancel)
        told = wait_for_rest(driver, panel)
    expect(told.startswith('Cancelled'), f'Cancel says “{told}”.')
    labels = driver.viewer.layers[-1]
    filled = [bool(plane.any()) for plane in labels.data]
    expect(filled[0] and not filled[-1], f'Planes with labels: {filled}.')

    driver.choose(panel.image.scope_box, 'This plane')
    told = run(driver, panel)
    expect(told.startswith('Done'), f'A run of one plane says “{told}”.')
    areas = areas_of(panel)
    expect(any('µm²' in area for area in areas), f'Areas are told as {areas}.')
    driver.picture('micrometers')
    return stack


def reopen(
    driver: WindowDriver, panel: SegmentationWidget
) -> SegmentationWidget:
    """Close the dock with its cross and open it again: all is the same."""
    rows, model = panel.classes.rows(), panel.model.state()
    image, options = panel.image.state(), panel.options.state()
    layer, areas = panel.image.image, areas_of(panel)
    driver.click(dock_of(panel).titleBarWidget().close_button)
    driver.wait(lambda: panel.parent() is None, 'the dock is closed')
    again = open_panel(driver)
    expect(again is not panel, 'The dock was not closed.')
    expect(again.classes.rows() == rows, 'The list is another one.')
    expect(again.model.state() == model, 'The model is another one.')
    expect(again.image.state() == image, 'The picture is another one.')
    expect(again.options.state() == options, 'The options are others.')
    driver.pause(1)
    expect(again.image.image == layer, 'The image is another one.')
    expect(areas_of(again) == areas, 'The areas are others.')
    driver.picture('reopened')
    return again


def open_a_second_window(driver: WindowDriver) -> None:
    """Work in a second window; the first stays as it is."""
    first = driver.viewer
    count = len(first.layers)
    second = napari.Viewer()
    second.window.resize(driver.window.width(), driver.window.height())
    driver.use(second)
    driver.choose_menu('File', 'Open Sample', SAMPLE)
    panel = open_panel(driver)
    driver.choose(panel.model.model, 'demo')
    driver.click(panel.classes.entry)
    driver.type('road; grass' if not names(panel) else 'lake')
    told = run(driver, panel)
    expect(told.startswith('Done'), f'The second window says “{told}”.')
    expect(len(second.layers) == 2, 'The second window has no result.')
    expect(len(first.layers) == count, 'The first window has got layers.')
    driver.picture('second-window')
    driver.use(first)
    second.close()
    driver.pause()


def change_the_dock(
    driver: WindowDriver, panel: SegmentationWidget, stack: Image
) -> None:
    """Make the dock narrow, then wide and low."""
    dock, window = dock_of(panel), driver.window
    driver.viewer.layers.selection.active = stack
    window.resizeDocks([dock], [_NARROW], Qt.Orientation.Horizontal)
    driver.pause()
    expect(panel.width() <= _NARROW + 20, f'It is {panel.width()} px wide.')
    driver.picture('narrow')
    window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
    window.resizeDocks([dock], [_LOW], Qt.Orientation.Vertical)
    driver.pause()
    driver.picture('low')
    told = run(driver, panel)
    expect(told.startswith('Done'), f'In a low dock a run says “{told}”.')


def turn(
    driver: WindowDriver,
    panel: SegmentationWidget,
    name: str,
    *,
    is_on: bool,
) -> None:
    """Turn a class on or off with the mouse."""
    row = names(panel).index(name)
    driver.click_cell(panel.classes.table, row, Column.ON)
    expect(panel.classes.rows()[row].is_on is is_on, f'{name} did not turn.')
