"""The newcomer's five minutes: from an empty window to a corrected mask."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_naclip.ui.class_table.model import Column
from panel_driver import (
    HeldRuns,
    answer_file_dialog,
    check_rest,
    check_running,
    names,
    open_panel,
    run,
    select_class,
    type_classes,
    wait_for_labels,
    wait_for_rest,
)
from window_driver import expect

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_naclip.ui.widget import SegmentationWidget
    from window_driver import WindowDriver

SAMPLE = 'Demo scene (sand, water, grass, forest, road) (napari-naclip)'
WORDS = 'sand; water, sea; grass; forest; road'
#: Batches of windows that a held run still gets.
_BATCHES = 2
#: Least share of the pixels that the demo model gets right.
_ACCURACY = 0.8


def go_newcomer(driver: WindowDriver) -> None:
    """Make the journey; pictures have the names of its steps."""
    panel = get_ready(driver)
    labels = see_a_first_mask(driver, panel)
    correct(driver, panel, labels)
    meet_errors(driver, panel)


def get_ready(driver: WindowDriver) -> SegmentationWidget:
    """Open a picture and the panel, try Run at once, type the words."""
    driver.choose_menu('File', 'Open Sample', SAMPLE)
    driver.wait(lambda: len(driver.viewer.layers) == 1, 'the sample is open')
    panel = open_panel(driver)
    # The panel has taken room from the canvas: see all of the picture again.
    driver.see_all()
    driver.picture('opened')

    told = run(driver, panel)
    expect('class' in told, f'Run without classes says “{told}”.')
    driver.picture('no-classes')

    type_classes(driver, panel, WORDS)
    expect(
        names(panel) == ['sand', 'water', 'grass', 'forest', 'road'],
        f'Typing gave the classes {names(panel)}.',
    )
    water = panel.classes.rows()[1]
    expect(water.prompts == ('water', 'sea'), 'The synonym is not there.')
    driver.pause(1)
    driver.picture('typed')
    return panel


def see_a_first_mask(
    driver: WindowDriver, panel: SegmentationWidget
) -> Labels:
    """Run without weights, take the demo model, look at the result."""
    told = run(driver, panel)
    expect('not on this machine' in told, f'Missing weights say “{told}”.')
    expect(panel.offer.isVisible(), 'There is no offer of weights.')
    driver.picture('offer')

    with HeldRuns(_BATCHES) as held:
        driver.click(panel.offer.demo)
        driver.wait(held.reached.is_set, 'the run is at its windows')
        driver.pause(1)
        check_running(panel)
        expect(panel.offer.isHidden(), 'The offer is still there.')
        expect(len(driver.viewer.layers) == 2, 'There is no partial result.')
        driver.picture('during')
    told = wait_for_rest(driver, panel)
    expect(told.startswith('Done'), f'The first run says “{told}”.')
    labels: Labels = driver.viewer.layers[-1]
    expect((labels.data > 0).all(), 'Pixels of the first mask are unlabeled.')
    driver.picture('after')
    return labels


def correct(
    driver: WindowDriver, panel: SegmentationWidget, labels: Labels
) -> None:
    """Paint a stroke, change the words, run again: the stroke stays."""
    labels.mode = 'paint'
    labels.brush_size = 40
    labels.selected_label = 2
    driver.pause()
    wait_for_labels(driver)
    before = labels.data.copy()
    driver.drag([(110, 180), (140, 320), (110, 460)])
    painted = labels.data != before
    expect(painted.sum() > 2000, 'The stroke did not arrive at the labels.')
    driver.picture('stroke')

    select_class(driver, panel, 'road')
    driver.press('Delete')
    expect('road' not in names(panel), 'Delete did not remove the class.')
    type_classes(driver, panel, 'dirt road, path')
    told = run(driver, panel)
    expect(told.startswith('Done'), f'The second run says “{told}”.')
    expect(len(driver.viewer.layers) == 2, 'The run made another layer.')
    expect((labels.data[painted] == 2).all(), 'The stroke did not survive.')
    expect('kept' in told, f'Nothing tells of the kept stroke: “{told}”.')
    driver.picture('painted')
    labels.mode = 'pan_zoom'

    type_classes(driver, panel, 'walrus')
    run(driver, panel)
    notices = panel.panel.notices
    expect(
        notices.isVisible() and 'walrus' in notices.text(),
        'Nobody tells that the demo model does not know a walrus.',
    )
    driver.scroll_to(notices)
    driver.picture('unknown-word')
    select_class(driver, panel, 'walrus')
    driver.press('Delete')


def meet_errors(driver: WindowDriver, panel: SegmentationWidget) -> None:
    """Choose a file of weights that is cut, look at the details."""
    wait_for_labels(driver)
    before = driver.viewer.layers[-1].data.copy()
    driver.choose(panel.model.model, 'ViT-B-16')
    run(driver, panel)
    cut = Path.home() / 'cut.safetensors'
    cut.write_bytes(b'cut')
    answer_file_dialog(
        driver, str(cut), lambda: driver.click(panel.offer.file)
    )
    told = wait_for_rest(driver, panel)
    expect('cut.safetensors is cut' in told, f'A cut file says “{told}”.')
    details = panel.panel.details
    driver.click(details.toggle)
    driver.wait(details.text.isVisible, 'the details are unfolded')
    driver.scroll_to(details.text)
    driver.picture('error')
    expect(
        np.array_equal(before, driver.viewer.layers[-1].data),
        'A run that failed changed the labels.',
    )

    # Nothing of this is a dead end.
    driver.choose(panel.model.model, 'demo')
    told = run(driver, panel)
    expect(told.startswith('Done'), f'After an error a run says “{told}”.')
    check_rest(panel)
    driver.click_cell(panel.classes.table, 0, Column.ON)
    expect(not panel.classes.rows()[0].is_on, 'A click did not turn off.')
    driver.picture('end')
