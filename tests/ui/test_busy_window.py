"""A run whose window takes nothing in: it waits, and still can be ended."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from superqt.utils import WorkerBase

from napari_naclip.engine.types import ClassList, Progress, Settings
from napari_naclip.layers.read import PlaneSnapshot
from napari_naclip.ui import messages
from napari_naclip.ui.compute import RATES, SLOT, ModelRequest, rate_key
from napari_naclip.ui.run import (
    Cancelled,
    Done,
    Finished,
    RunController,
    RunRequest,
)

#: Planes of each run.
PLANES = 6
#: Seconds in which a run that does not wait makes all of them.
LONG = 1.0


class Engine:
    """Makes a plane in no time, and counts them."""

    def __init__(self) -> None:
        self.made = 0
        #: Seconds that a window takes.
        self.window = 0.0
        #: Nothing is made before.
        self.go_on = threading.Event()
        self.go_on.set()

    def iter_live(self, pixels, *_args, **_settings):
        assert self.go_on.wait(60)
        for step in range(4):
            time.sleep(self.window)
            yield Progress('windows', step + 1, 4)
        self.made += 1
        return None, SimpleNamespace(
            labels=np.full(pixels.shape[:2], self.made, np.uint8)
        )


@pytest.fixture
def engine(monkeypatch) -> Engine:
    """Put a quick engine in the place of the true one."""
    engine = Engine()
    monkeypatch.setattr(
        'napari_naclip.engine.segment.iter_live', engine.iter_live
    )
    return engine


@pytest.fixture
def request_planes() -> RunRequest:
    planes = np.arange(PLANES * 64, dtype=np.uint8).reshape(PLANES, 8, 8)
    return RunRequest(
        image=None,
        snapshots=tuple(
            PlaneSnapshot(
                data=planes,
                index=(number, slice(None), slice(None)),
                is_transposed=False,
                shape=planes.shape,
                level=0,
                downsample_factors=(1.0,) * 3,
                contrast_limits=(0.0, 255.0),
                gamma=1.0,
            )
            for number in range(PLANES)
        ),
        classes=ClassList.from_text('sand; water'),
        settings=Settings(),
        model=ModelRequest('demo', device='cpu', precision='float32'),
        target=None,
    )


class Window:
    """Takes what a controller tells; can be busy with the first plane."""

    def __init__(self, controller: RunController, engine: Engine) -> None:
        self.taken, self.ends, self.made = [], [], []
        self.is_busy = True
        self._engine = engine
        controller.plane_finished.connect(self._take)
        controller.ended.connect(self._end)

    def _take(self, _request, finished) -> None:
        if self.is_busy:
            time.sleep(LONG)
            self.is_busy = False
        self.taken.append(finished)
        self.made.append(self._engine.made)

    def _end(self, _request, outcome) -> None:
        self.ends.append(outcome)


def run_threads() -> list[threading.Thread]:
    """Return the threads of runs, also of abandoned ones."""
    return [
        thread
        for thread in threading.enumerate()
        if thread.name == 'napari-naclip run'
    ]


def test_a_run_waits_for_a_busy_window(qtbot, engine, request_planes) -> None:
    """Finished planes would pile up until the window has time for them."""
    controller = RunController()
    window = Window(controller, engine)
    controller.start(request_planes)
    qtbot.waitUntil(lambda: bool(window.ends), timeout=60_000)
    assert window.ends == [Done(PLANES)]
    # The first is counted down only when the window is done with it.
    assert window.made[0] == 2
    for taken, made in enumerate(window.made):
        assert made - taken <= 2
    assert [each.snapshot for each in window.taken] == list(
        request_planes.snapshots
    )
    assert [each.segmentation.labels[0, 0] for each in window.taken] == list(
        range(1, PLANES + 1)
    )


@pytest.fixture
def start_waiting(qtbot, engine, request_planes):
    """Return a function that starts a run and has it wait."""

    def start() -> tuple[RunController, Window]:
        controller = RunController()
        window = Window(controller, engine)
        window.is_busy = False
        imported = threading.Event()
        controller.imported.connect(imported.set)
        engine.go_on.clear()
        controller.start(request_planes)
        qtbot.waitUntil(imported.is_set, timeout=60_000)
        engine.go_on.set()
        # No event is looked at from here on.
        time.sleep(LONG)
        assert engine.made == 2
        return controller, window

    return start


def test_cancel_while_it_waits(qtbot, engine, start_waiting) -> None:
    controller, window = start_waiting()
    controller.cancel()
    qtbot.waitUntil(lambda: bool(window.ends), timeout=60_000)
    assert window.ends == [Cancelled(0)]
    assert engine.made == 2
    qtbot.waitUntil(lambda: not run_threads(), timeout=60_000)
    assert not SLOT.is_taken


def test_an_abandoned_run_ends(qtbot, engine, start_waiting) -> None:
    controller, window = start_waiting()
    controller.abandon()
    qtbot.waitUntil(lambda: not run_threads(), timeout=60_000)
    qtbot.wait(100)
    assert engine.made == 2
    assert not window.taken
    assert not window.ends


def test_a_run_ends_whose_controller_is_gone(
    qtbot, engine, start_waiting
) -> None:
    """Nobody counts its planes down anymore."""
    controller, _ = start_waiting()
    controller.deleteLater()
    qtbot.waitUntil(lambda: not run_threads(), timeout=10_000)
    # Those that were under way may have been delivered before.
    assert engine.made < PLANES


def test_napari_can_stop_a_run_that_waits(engine, start_waiting) -> None:
    """As when the program ends: it waits, and looks at no event."""
    # Kept: a run ends with its controller.
    _controller, _ = start_waiting()
    WorkerBase.await_workers(10_000)
    assert engine.made == 2


def test_a_plane_counts_down_that_the_window_fails_at(
    qtbot, engine, request_planes, monkeypatch
) -> None:
    real = RunController._deliver

    def deliver(self, run, message) -> None:
        real(self, run, message)
        if isinstance(message, Finished):
            raise RuntimeError('no place')  # noqa: TRY004

    monkeypatch.setattr(RunController, '_deliver', deliver)
    controller = RunController()
    window = Window(controller, engine)
    window.is_busy = False
    with qtbot.captureExceptions() as errors:
        controller.start(request_planes)
        qtbot.waitUntil(lambda: bool(window.ends), timeout=60_000)
    assert len(errors) == PLANES
    assert len(window.taken) == PLANES


def test_time_left_does_not_count_the_wait(
    qtbot, engine, request_planes
) -> None:
    engine.window = 0.02
    key = rate_key(request_planes.model, request_planes.settings)
    controller = RunController()
    window = Window(controller, engine)
    told = []
    controller.progressed.connect(told.append)
    controller.start(request_planes)
    qtbot.waitUntil(lambda: bool(window.ends), timeout=60_000)
    left = [each.run_left for each in told if each.run_left is not None]
    # What is foreseen of the rest of a plane would be a second as well.
    assert left
    assert max(left) < LONG
    rates = RATES.find(key)
    assert rates is not None
    rest = 1e-6 * 64 * (0.015 + 2 * 0.001)
    assert rates.tail * rest < LONG / PLANES / 2


@pytest.fixture
def stack(picture) -> np.ndarray:
    planes = [picture[..., number % 3] for number in range(PLANES)]
    return np.stack([np.roll(each, 8 * n, 1) for n, each in enumerate(planes)])


@pytest.fixture
def start_stack(
    make_napari_viewer, open_widget, press, qtbot, stack, monkeypatch
):
    """Return a function that runs a stack and leaves the window busy."""
    from napari_naclip.ui import jobs

    made = []
    real = jobs.count_labels
    go_on = threading.Event()

    def count_labels(*args):
        assert go_on.wait(60)
        made.append(len(made))
        return real(*args)

    monkeypatch.setattr(jobs, 'count_labels', count_labels)

    def start():
        viewer = make_napari_viewer()
        viewer.add_image(stack)
        widget = open_widget(viewer)
        box = widget.image.scope_box
        box.setCurrentIndex(box.findData('all'))
        seen = threading.Event()
        widget._runs.loaded.connect(lambda _: seen.set())
        press(widget.panel.run)
        qtbot.waitUntil(seen.is_set, timeout=60_000)
        go_on.set()
        # No event is looked at from here on.
        end = time.monotonic() + 60
        while len(made) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(2 * LONG)
        return viewer, widget, made

    return start


def test_stack_in_a_busy_window(
    start_stack, wait_for_rest, qtbot, stack
) -> None:
    viewer, widget, made = start_stack()
    assert len(made) == 2
    assert wait_for_rest(widget).startswith('Done')
    assert len(made) == PLANES
    labels = viewer.layers[-1].data
    assert labels.shape == stack.shape
    assert labels.any(axis=(1, 2)).all()


def test_cancel_a_stack_in_a_busy_window(
    start_stack, press, wait_for_rest
) -> None:
    viewer, widget, made = start_stack()
    press(widget.panel.cancel)
    assert 'ancel' in wait_for_rest(widget)
    assert widget.panel.status.text() == messages.CANCELLED
    assert len(made) == 2
    assert len(viewer.layers) == 1


def test_close_a_window_that_was_busy(start_stack, qtbot) -> None:
    viewer, _, made = start_stack()
    viewer.close()
    # It looks at no event anymore.
    end = time.monotonic() + 10
    while (SLOT.is_taken or run_threads()) and time.monotonic() < end:
        time.sleep(0.01)
    assert not SLOT.is_taken
    assert not run_threads()
    assert len(made) == 2
