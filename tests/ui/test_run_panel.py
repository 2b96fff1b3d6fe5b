"""What the run's panel says, to eyes and to screen readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_naclip.engine.classes import ClassList
from napari_naclip.engine.encoder import Encoder
from napari_naclip.engine.registry import REGISTRY
from napari_naclip.engine.types import Progress
from napari_naclip.ui import messages, model_messages
from napari_naclip.ui.estimate import RunProgress
from napari_naclip.ui.run_panel import RunPanel


@pytest.fixture
def panel(qtbot) -> RunPanel:
    panel = RunPanel()
    qtbot.addWidget(panel)
    panel.show()
    panel.show_running()
    return panel


@pytest.mark.parametrize(
    ('progress', 'text', 'percent'),
    [
        (RunProgress('import'), 'Starting torch…', None),
        (
            RunProgress('windows', 30, 120, run_left=75.4),
            'Looking at the image: 30 of 120 windows, about 75 s left',
            25,
        ),
        (
            RunProgress('windows', 30, 120, found=24),
            'Looking at the image: 30 of 120 windows (24 kept)',
            25,
        ),
        (
            RunProgress('text', 80, 320, stage_left=3.2),
            'Reading the words: 80 of 320 prompts, about 3 s for this step',
            25,
        ),
        (
            RunProgress('windows', 1, 2, job=3, jobs=20),
            'Plane 3 of 20: looking at the image: 1 of 2 windows',
            12,
        ),
        (
            RunProgress('read', job=2, jobs=4, unit='region'),
            'Region 2 of 4: reading the image…',
            25,
        ),
        (
            RunProgress('download', 3 * 10**9, 6 * 10**9, rate=12.34e6),
            'Downloading the model: 3000 of 6000 MB, 12.3 MB/s',
            50,
        ),
    ],
)
def test_progress_in_words(panel, progress, text, percent) -> None:
    panel.show_progress(progress)
    assert panel.status.text() == text
    if percent is None:
        assert panel.bar.maximum() == 0
    else:
        assert panel.bar.value() == percent


@pytest.mark.parametrize(
    ('progress', 'text'),
    [
        (Progress('labels', 300, 900), 'Updating the labels: 33%'),
        (
            Progress('windows', 3, 9),
            'Updating the labels. Looking at the image: 3 of 9 windows',
        ),
    ],
)
def test_updates_in_words(panel, progress, text) -> None:
    panel.show_update(progress)
    assert panel.status.text() == text


def test_bar_never_goes_back(panel) -> None:
    panel.show_progress(RunProgress('windows', 10, 10, job=1, jobs=3))
    full = panel.bar.value()
    panel.show_progress(RunProgress('read', job=2, jobs=3))
    assert panel.bar.value() == full == 33


def test_screen_reader_hears_stages(panel, monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(
        'napari_naclip.ui.run_panel.time.monotonic', lambda: now[0]
    )
    panel.show_progress(RunProgress('windows', 1, 100))
    first = panel.status.accessibleName()
    assert '1 of 100' in first
    assert panel.bar.accessibleDescription() == first
    # Not each step, and each change of stage.
    now[0] += 0.1
    panel.show_progress(RunProgress('windows', 2, 100))
    assert panel.status.accessibleName() == first
    now[0] += 6
    panel.show_progress(RunProgress('windows', 60, 100, run_left=9))
    assert 'about 9 s left' in panel.status.accessibleName()
    panel.show_progress(RunProgress('refine', 1, 10))
    assert 'edges' in panel.status.accessibleName()
    panel.show_cancelling()
    assert panel.status.accessibleName() == messages.CANCELLING
    panel.show_rest('Done', ('a word is not known',))
    assert panel.status.accessibleName() == 'Done'
    assert 'not known' in panel.notices.accessibleName()


def test_error_with_details(
    make_napari_viewer, open_widget, run, press, monkeypatch, picture
) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(picture)
    widget = open_widget(viewer)
    details = widget.panel.details

    def fail(self, batch):
        raise RuntimeError('the disk is on fire')

    monkeypatch.setattr(
        'napari_naclip.ui.director.notification_manager.dispatch', print
    )
    with monkeypatch.context() as patch:
        patch.setattr(Encoder, '_tokens', fail)
        assert 'the disk is on fire' in run(widget)
    assert details.toggle.isVisible()
    assert not details.text.isVisible()
    press(details.toggle)
    assert details.text.isVisible()
    shown = details.text.toPlainText()
    assert 'Traceback' in shown
    assert 'model: demo' in shown
    assert '(96, 128), uint8' in shown
    flags = details.text.textInteractionFlags()
    assert flags & Qt.TextInteractionFlag.TextSelectableByMouse
    press(details.copy)
    assert QApplication.clipboard().text() == shown
    press(details.toggle)
    assert not details.text.isVisible()
    assert run(widget).startswith('Done')
    assert not details.isVisible()


def test_result_in_words(monkeypatch, tmp_path) -> None:
    classes = ClassList.from_text('sand; water; grass')
    counts = np.array([0, 99_900, 100])
    told = messages.describe_result(classes, counts, kept=12_345)
    assert told == (
        'Done: sand 100%, water <1%. No pixel: grass. '
        '12,345 edited pixels were kept.'
    )
    monkeypatch.setattr(Path, 'home', lambda: tmp_path)
    offer = model_messages.describe_offer(
        REGISTRY['ViT-B-16'], tmp_path / 'weights'
    )
    assert str(tmp_path) not in offer
    assert '~' in offer
