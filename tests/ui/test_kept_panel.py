"""What is kept of images, shown and let go by mouse and keys."""

from __future__ import annotations

import sqlite3
import threading
import time

import numpy as np
import pytest
from qtpy.QtCore import Qt

import looks
from napari_naclip.engine import outputs
from napari_naclip.engine.store import database
from napari_naclip.io import kept_features
from napari_naclip.io.kept_features import load_budgets, shared_store
from napari_naclip.ui.kept_panel import KeptPanel

MB = 1_000_000


@pytest.fixture
def panel(qtbot, steady_disk) -> KeptPanel:
    """Return the panel as a dock shows it, folded away."""
    panel = KeptPanel()
    qtbot.addWidget(panel)
    panel.resize(250, 300)
    with qtbot.waitExposed(panel):
        panel.show()
    panel.activateWindow()
    return panel


@pytest.fixture
def unfold(qtbot, press):
    """Return a function that unfolds a panel and waits for its numbers."""

    def open_up(panel: KeptPanel) -> KeptPanel:
        press(panel.more)
        qtbot.waitUntil(panel.memory.isEnabled)
        wait(qtbot, panel)
        return panel

    return open_up


def wait(qtbot, panel: KeptPanel) -> str:
    qtbot.waitUntil(lambda: not panel.is_busy, timeout=10_000)
    return panel.line.text()


def keep(count: int) -> None:
    """Keep windows of 1 MB each."""
    for number in range(count):
        shared_store().put(
            number.to_bytes(32, 'big'), np.ones((10, 50, 1000), np.float16)
        )


def type_into(qtbot, box, text: str) -> None:
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, Qt.Key.Key_Return)


def test_folded_away_it_looks_at_nothing(panel, monkeypatch, qtbot) -> None:
    monkeypatch.setattr(
        'napari_naclip.ui.kept_panel.shared_store', pytest.fail
    )
    panel.refresh()
    assert not panel.line.isVisible()
    assert not panel.is_busy


def test_shows_how_much(panel, unfold, qtbot, press) -> None:
    keep(3)
    shared_store().free()
    keep(2)
    unfold(panel)
    assert panel.line.text() == 'Kept: 2 MB in memory, 3 MB on disk'
    assert panel.line.accessibleName() == panel.line.text()
    budgets = load_budgets()
    assert panel.memory.value() == pytest.approx(budgets.memory / 1e9, abs=0.1)
    assert panel.disk.value() == pytest.approx(budgets.disk / 1e9, abs=0.1)
    press(panel.more)
    assert not panel.line.isVisible()


def test_free_and_clear(panel, unfold, press, qtbot) -> None:
    keep(2)
    unfold(panel)
    assert panel.line.text() == 'Kept: 2 MB in memory, 0 MB on disk'
    press(panel.free)
    assert wait(qtbot, panel) == 'Kept: 0 MB in memory, 2 MB on disk'
    press(panel.clear)
    assert wait(qtbot, panel) == 'Kept: 0 MB in memory, 0 MB on disk'


def test_free_gives_memory_of_devices_back(
    panel, unfold, press, qtbot, monkeypatch
) -> None:
    emptied = []
    monkeypatch.setattr(
        'napari_naclip.engine.device.empty_caches',
        lambda: emptied.append(threading.current_thread()),
    )
    unfold(panel)
    wait(qtbot, panel)
    assert not emptied
    press(panel.free)
    wait(qtbot, panel)
    assert len(emptied) == 1
    assert emptied[0] is not threading.main_thread()


def test_budgets_are_typed(panel, unfold, qtbot) -> None:
    keep(3)
    unfold(panel)
    disk = panel.disk.value()
    type_into(qtbot, panel.memory, '0')
    assert wait(qtbot, panel) == 'Kept: 0 MB in memory, 3 MB on disk'
    assert load_budgets().memory == 0
    # The other one was not touched.
    assert shared_store().usage().disk_budget == load_budgets().disk
    assert panel.disk.value() == disk
    type_into(qtbot, panel.disk, '0')
    assert wait(qtbot, panel) == 'Kept: 0 MB in memory, 0 MB on disk'
    type_into(qtbot, panel.memory, '2.5')
    type_into(qtbot, panel.disk, '12')
    wait(qtbot, panel)
    budgets = load_budgets()
    assert (budgets.memory, budgets.disk) == (2500 * MB, 12_000 * MB)
    usage = shared_store().usage()
    assert (usage.memory_budget, usage.disk_budget) == (2500 * MB, 12_000 * MB)


def test_memory_of_labels_is_typed(panel, unfold, qtbot, monkeypatch) -> None:
    # Nothing of it stays.
    monkeypatch.setattr(outputs._USED, 'budget', None)
    unfold(panel)
    wait(qtbot, panel)
    quarter = outputs.physical_memory() / 4 / 1e9
    assert panel.outputs.value() == pytest.approx(quarter, abs=0.051)
    budgets = load_budgets()
    type_into(qtbot, panel.outputs, '0')
    wait(qtbot, panel)
    assert outputs.output_budget() == 0
    assert outputs.is_on_disk(outputs.zeros((4, 4), np.uint8))
    assert load_budgets() == budgets
    # Another program reads it with its first look.
    outputs.set_output_budget(None)
    kept_features._SHARED.close()
    shared_store()
    assert outputs.output_budget() == 0


def test_memory_of_labels_that_the_environment_sets(
    panel, unfold, qtbot, monkeypatch
) -> None:
    monkeypatch.setenv(outputs.OUTPUT_VARIABLE, '3GB')
    unfold(panel)
    wait(qtbot, panel)
    assert panel.outputs.value() == 3
    assert not panel.outputs.isEnabled()
    assert outputs.OUTPUT_VARIABLE in panel.outputs.toolTip()


def test_looking_alone_changes_no_budget(panel, unfold, press) -> None:
    before = load_budgets()
    unfold(panel)
    press(panel.more)
    assert load_budgets() == before
    assert shared_store().usage().memory_budget == before.memory


def test_the_window_does_not_wait(
    panel, unfold, press, qtbot, monkeypatch
) -> None:
    unfold(panel)
    go_on = threading.Event()
    store = shared_store()
    real = store.clear
    monkeypatch.setattr(
        store, 'clear', lambda: (go_on.wait(10) and real()) or None
    )
    keep(1)
    start = time.perf_counter()
    press(panel.clear)
    press(panel.free)
    panel.refresh()
    assert time.perf_counter() - start < 0.5
    assert panel.is_busy
    go_on.set()
    assert wait(qtbot, panel) == 'Kept: 0 MB in memory, 0 MB on disk'


def test_what_goes_wrong_is_said(panel, unfold, press, qtbot) -> None:
    keep(1)
    store = shared_store()
    store.flush()
    unfold(panel)
    other = sqlite3.connect(database.database_path(store.folder))
    other.execute('BEGIN EXCLUSIVE')
    try:
        press(panel.clear)
        assert 'another program is using them' in wait(qtbot, panel)
    finally:
        other.close()
    press(panel.clear)
    assert wait(qtbot, panel) == 'Kept: 0 MB in memory, 0 MB on disk'


def test_settings_that_cannot_be_written(
    panel, unfold, qtbot, tmp_path
) -> None:
    unfold(panel)
    (tmp_path / 'config').write_text('')
    type_into(qtbot, panel.memory, '3')
    assert 'cannot be written' in wait(qtbot, panel)
    assert shared_store().usage().memory_budget == 3000 * MB


def test_closed_while_it_works(qtbot, hold_at) -> None:
    store = shared_store()
    hold = hold_at(store, 'usage')
    panel = KeptPanel()
    panel.show()
    panel.more.click()
    assert hold.reached.wait(10)
    panel.close()
    panel.deleteLater()
    qtbot.wait(50)
    hold.go_on.set()
    qtbot.wait(100)


def test_looks_and_keys(panel, unfold, qtbot) -> None:
    unfold(panel)
    assert not looks.clipped_texts(panel)
    assert not looks.unlabeled_controls(panel)
    assert not looks.tab_order_faults(panel)
    order = looks.tab_order(panel)
    assert order == [
        panel.more,
        panel.memory,
        panel.disk,
        panel.outputs,
        panel.free,
        panel.clear,
    ]


def test_in_the_widget(make_napari_viewer, open_widget, press, run, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3))
    widget = open_widget(viewer)
    assert not widget.kept.line.isVisible()
    press(widget.kept.more)
    qtbot.waitUntil(widget.kept.memory.isEnabled)
    keep(4)
    run(widget)
    text = wait(qtbot, widget.kept)
    assert text.startswith('Kept: ')
    assert text != 'Kept: 0 MB in memory, 0 MB on disk'
    # It comes back as it was.
    viewer.window.remove_dock_widget('all')
    _, again = viewer.window.add_plugin_dock_widget('napari-naclip')
    qtbot.waitUntil(again.kept.line.isVisible)
    wait(qtbot, again.kept)
