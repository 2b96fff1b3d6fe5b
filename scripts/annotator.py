"""The annotator's way: from words to a mask that is trusted, all by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from newcomer import SAMPLE
from panel_driver import (
    names,
    open_panel,
    run,
    select_class,
    set_number,
    type_classes,
    wait_for_rest,
)
from window_driver import expect

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_naclip.ui.widget import SegmentationWidget
    from window_driver import WindowDriver

#: One class of the scene is not named: the draft is wrong there.
WORDS = 'sand; water, sea; grass; road'
#: Regions that are answered by hand.
_ANSWERS = 3


def go_annotator(driver: WindowDriver) -> None:
    """Make the journey; pictures have the names of its steps."""
    driver.choose_menu('File', 'Open Sample', SAMPLE)
    driver.wait(lambda: len(driver.viewer.layers) == 1, 'the sample is open')
    panel = open_panel(driver)
    driver.see_all()
    driver.choose(panel.model.model, 'demo')
    type_classes(driver, panel, WORDS)
    told = run(driver, panel)
    expect(told.startswith('Done'), f'The first run says “{told}”.')
    labels: Labels = driver.viewer.layers[-1]
    driver.picture('draft')
    decide(driver, panel, labels)
    ask_why(driver, panel)
    be_guided(driver, panel, labels)
    paint(driver, panel, labels)
    compare(driver, panel)


def decide(
    driver: WindowDriver, panel: SegmentationWidget, labels: Labels
) -> None:
    """Let uncertain pixels be background, then name what was missing."""
    driver.check(panel.classes.background)
    set_number(driver, panel.classes.controls.margin, '0.04')
    wait_for_labels_of(driver, labels)
    expect((labels.data == 0).any(), 'The threshold sent nothing away.')
    driver.picture('threshold')
    type_classes(driver, panel, 'forest')
    wait_for_labels_of(driver, labels)
    value = panel.classes.rows()[names(panel).index('forest')].value
    expect((labels.data == value).any(), 'The new class has no pixel.')


def ask_why(driver: WindowDriver, panel: SegmentationWidget) -> None:
    """Show the heat map of a class, and what is under the cursor."""
    driver.click(panel.why.more)
    select_class(driver, panel, 'forest')
    driver.check(panel.why.boxes['heat'])
    driver.wait(
        lambda: any('forest' in x.name for x in driver.viewer.layers),
        'the heat map is there',
    )
    driver.pause(1)
    driver.scroll_to(panel.why.pixel)
    driver.picture('why')
    driver.check(panel.why.boxes['heat'])
    driver.click(panel.why.more)


def be_guided(
    driver: WindowDriver, panel: SegmentationWidget, labels: Labels
) -> None:
    """Answer some regions by keys, and take one answer back."""
    guide = panel.correct.guide
    driver.click(panel.correct.more)
    driver.click(guide.next)
    wait_for_region(driver, panel)
    driver.scroll_to(guide.progress)
    driver.picture('next')
    before = labels.data.copy()
    driver.press('2')
    wait_for_region(driver, panel)
    wait_for_labels_of(driver, labels)
    expect((labels.data != before).any(), 'The answer changed nothing.')
    expect(
        any(row.teaching for row in panel.classes.rows()),
        'The answer taught nothing.',
    )
    driver.picture('taught')
    driver.press('b')
    wait_for_region(driver, panel)
    wait_for_labels_of(driver, labels)
    expect(np.array_equal(labels.data, before), 'Back did not bring all back.')
    for _ in range(_ANSWERS):
        driver.press('a')
        wait_for_region(driver, panel)
    expect(
        guide.progress.text().startswith(f'{_ANSWERS} regions'),
        f'After {_ANSWERS} answers: “{guide.progress.text()}”.',
    )


def paint(
    driver: WindowDriver, panel: SegmentationWidget, labels: Labels
) -> None:
    """Paint a stroke, outline the edits, run again: the stroke stays."""
    driver.see_all()
    driver.viewer.layers.selection.active = labels
    labels.mode = 'paint'
    labels.brush_size = 40
    labels.selected_label = 2
    driver.pause()
    before = labels.data.copy()
    driver.drag([(110, 180), (140, 320), (110, 460)])
    painted = labels.data != before
    expect(painted.sum() > 2000, 'The stroke did not arrive at the labels.')
    labels.mode = 'pan_zoom'
    edits = panel.correct.edits
    driver.check(edits.outline)
    driver.pause(1)
    driver.scroll_to(edits.count)
    expect(
        any(each.isdigit() for each in edits.count.text()),
        f'Edits are counted as “{edits.count.text()}”.',
    )
    driver.picture('edits')
    driver.check(edits.outline)
    driver.click(panel.panel.run)
    told = wait_for_rest(driver, panel)
    expect((labels.data[painted] == 2).all(), 'The stroke did not survive.')
    expect('kept' in told, f'Nothing tells of the kept stroke: “{told}”.')


def compare(driver: WindowDriver, panel: SegmentationWidget) -> None:
    """See how far the model agrees with what was corrected."""
    driver.click(panel.finish.more)
    driver.click(panel.finish.compare)
    driver.wait(panel.finish.compare.isEnabled, 'the comparison is done')
    driver.pause(1)
    driver.scroll_to(panel.finish.agreement)
    driver.picture('agreement')


def wait_for_region(driver: WindowDriver, panel: SegmentationWidget) -> None:
    """Wait until a region is shown, or all have been."""
    driver.wait(
        lambda: (
            panel._corrections.guide.is_idle
            and panel.correct.guide.accept.isEnabled()
        ),
        'a region is shown',
    )
    driver.pause(0.5)


def wait_for_labels_of(driver: WindowDriver, labels: Labels) -> None:
    """Wait until the labels of a layer have followed."""
    while True:
        before = labels.data.copy()
        driver.pause(0.7)
        if np.array_equal(before, labels.data):
            return
