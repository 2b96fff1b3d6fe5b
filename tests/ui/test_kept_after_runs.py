"""What the model saw is on the disk after a run, and nobody waits for it."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np

from napari_naclip.engine.affinities import Affinities
from napari_naclip.engine.store import FeatureStore
from napari_naclip.io.kept_features import shared_store
from napari_naclip.ui import messages
from napari_naclip.ui.compute import SLOT

#: Runs one plane as the panel does, and ends at once.
_PROGRAM = """
import numpy as np
from napari.components import ViewerModel

from napari_naclip.engine.types import ClassList, Settings
from napari_naclip.layers.read import take_snapshots
from napari_naclip.ui.compute import ModelRequest
from napari_naclip.ui.job_thread import JobThread
from napari_naclip.ui.jobs import RunRequest

viewer = ViewerModel()
rng = np.random.default_rng(0)
image = viewer.add_image(rng.integers(0, 255, (64, 64), dtype=np.uint8))
settings = Settings()
thread = JobThread(
    RunRequest(
        image,
        take_snapshots(image, viewer, settings),
        ClassList.from_text('sand; water'),
        settings,
        ModelRequest('demo'),
        None,
    )
)
thread.start()
while True:
    made = thread.get(60.0)
    if made[1] is None:
        break
    assert not isinstance(made[1], Exception), made
"""


def test_features_outlive_the_program() -> None:
    """It ends right after a run of one plane."""
    subprocess.run([sys.executable, '-c', _PROGRAM], check=True, timeout=300)
    usage = shared_store().usage()
    assert usage.memory_windows == 0
    assert usage.disk_windows > 0


def test_run_ends_before_features_are_written(
    make_napari_viewer, open_widget, run, hold_at, qtbot, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    hold = hold_at(FeatureStore, 'flush')
    assert run(widget).startswith('Done')
    assert viewer.layers[-1].data.any()
    qtbot.waitUntil(hold.reached.is_set, timeout=60_000)
    assert shared_store().usage().disk_windows == 0
    # Nor does the next run wait for it.
    assert run(widget).startswith('Done')
    hold.go_on.set()
    qtbot.waitUntil(
        lambda: shared_store().usage().disk_windows > 0, timeout=60_000
    )


def test_cancelled_run_keeps_what_the_model_saw(
    make_napari_viewer,
    open_widget,
    hold_at,
    press,
    qtbot,
    wait_for_rest,
    picture,
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    refinement = widget.options.refinement
    refinement.setCurrentIndex(refinement.findData('fast'))
    hold = hold_at(Affinities, 'rows')
    press(widget.panel.run)
    qtbot.waitUntil(hold.reached.is_set, timeout=60_000)
    press(widget.panel.cancel)
    assert wait_for_rest(widget) == messages.CANCELLED
    hold.go_on.set()
    qtbot.waitUntil(
        lambda: shared_store().usage().disk_windows > 0, timeout=60_000
    )


def test_no_run_fails_with_the_disk(
    make_napari_viewer, open_widget, run, qtbot, picture, monkeypatch, caplog
) -> None:
    """Neither one plane nor several, which are written one by one."""
    threads = []

    def fail(self) -> None:
        threads.append(threading.current_thread())
        raise OSError('No space left on device')

    monkeypatch.setattr(FeatureStore, 'flush', fail)
    viewer = make_napari_viewer()
    viewer.add_image(np.stack([picture[..., 0], picture[..., 1]]))
    widget = open_widget(viewer)
    assert run(widget).startswith('Done')
    qtbot.waitUntil(lambda: len(threads) == 1, timeout=60_000)
    box = widget.image.scope_box
    box.setCurrentIndex(box.findData('all'))
    assert run(widget).startswith('Done')
    qtbot.waitUntil(lambda: len(threads) == 4, timeout=60_000)
    assert viewer.layers[-1].data.any(axis=(1, 2)).all()
    assert threading.main_thread() not in threads
    assert 'No space left' in caplog.text
    assert not SLOT.is_taken
