"""Labels that an answer has changed in part, when a run or an error comes."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import pytest

from napari_naclip.engine.decision import Decision
from napari_naclip.engine.encoder import Encoder
from napari_naclip.io.kept_features import shared_store
from napari_naclip.ui import messages, reporting

TIMEOUT = 60_000


@pytest.fixture
def large() -> np.ndarray:
    """Return an image whose rows are decided in several steps."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (20, 20, 3)).astype(np.uint8)
    return coarse.repeat(45, axis=0).repeat(45, axis=1)


@pytest.fixture
def opened(make_napari_viewer, open_widget, run, settle, large, monkeypatch):
    """Return viewer, widget and labels after a run; parts come at once."""
    for pause in ('_PART_INTERVAL', '_QUIET', '_REPORT_INTERVAL'):
        monkeypatch.setattr(reporting, pause, 0.0)
    viewer = make_napari_viewer()
    viewer.add_image(large)
    widget = open_widget(viewer, 'sand; water; grass')
    run(widget)
    settle(widget)
    return viewer, widget, viewer.layers[-1]


@dataclass
class Rows:
    """Stops or breaks the live answer after some of its rows."""

    reached: threading.Event
    go_on: threading.Event
    error: Exception | None = None
    count: int = 0


@pytest.fixture
def rows(monkeypatch):
    """Return what happens at the third row that is decided."""
    rows, real = (
        Rows(threading.Event(), threading.Event()),
        Decision.decide,
    )

    def decide(self, *args, **kwargs):
        if threading.current_thread().name == 'napari-naclip live':
            rows.count += 1
            if rows.count == 3:
                rows.reached.set()
                if rows.error is not None:
                    raise rows.error
                assert rows.go_on.wait(60)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Decision, 'decide', decide)
    yield rows
    rows.go_on.set()


@pytest.fixture
def is_as_asked(run, settle):
    """Return a function that compares labels with what a run makes."""

    def compare(widget, labels) -> bool:
        before = labels.data.copy()
        assert run(widget).startswith('Done')
        settle(widget)
        return bool((labels.data == before).all())

    return compare


def test_cancel_of_a_run_leaves_no_mixture(
    opened, rows, type_more, press, wait_for_rest, settle, qtbot, is_as_asked
) -> None:
    _, widget, labels = opened
    before = labels.data.copy()
    type_more(widget, 'brick; road; wood; sky')
    qtbot.waitUntil(
        lambda: rows.reached.is_set() and (labels.data != before).any(),
        timeout=TIMEOUT,
    )
    press(widget.panel.run)
    press(widget.panel.cancel)
    rows.go_on.set()
    wait_for_rest(widget)
    settle(widget)
    assert is_as_asked(widget, labels)


def test_what_an_update_is_for_may_go(opened, rows, type_more, qtbot) -> None:
    viewer, widget, labels = opened
    type_more(widget, 'brick; road; wood; sky')
    qtbot.waitUntil(rows.reached.is_set, timeout=TIMEOUT)
    viewer.layers.remove(labels)
    rows.go_on.set()
    qtbot.waitUntil(
        lambda: widget.panel.status.text() == messages.LIVE_GONE,
        timeout=TIMEOUT,
    )
    qtbot.waitUntil(lambda: not widget._live.is_busy, timeout=TIMEOUT)


def test_a_failure_is_told_and_tried_again_when_asked(
    opened, rows, type_more, press, settle, qtbot, is_as_asked
) -> None:
    _, widget, labels = opened
    before = labels.data.copy()
    rows.error = MemoryError('no room')
    type_more(widget, 'brick; road; wood; sky')
    settle(widget)
    half = labels.data.copy()
    assert (half != before).any()
    assert messages.LIVE_HALF_DONE in widget.panel.status.text()
    # Not at every look.
    tried = rows.count
    widget._live.look_now()
    assert not widget._live.is_busy
    assert rows.count == tried
    press(widget.options.live)
    settle(widget)
    press(widget.options.live)
    settle(widget)
    assert widget.panel.status.text().startswith('Done')
    assert (labels.data != half).any()
    assert is_as_asked(widget, labels)


def test_a_failure_before_any_label_leaves_them_as_they_were(
    opened, type_more, press, settle, monkeypatch, is_as_asked
) -> None:
    _, widget, labels = opened
    before = labels.data.copy()

    def fail(*_args, **_kwargs):
        raise MemoryError('no room')

    with monkeypatch.context() as patch:
        patch.setattr(Decision, 'decide', fail)
        type_more(widget, 'brick; road; wood; sky')
        settle(widget)
    np.testing.assert_array_equal(labels.data, before)
    said = widget.panel.status.text()
    assert 'no room' in said
    assert messages.LIVE_HALF_DONE not in said
    # The next change is another chance; back to it is, too.
    type_more(widget, 'snow')
    settle(widget)
    assert is_as_asked(widget, labels)


@pytest.fixture
def asked_anew(opened, hold_at, press, qtbot):
    """Return a function that starts a run that is held by its windows."""
    _, widget, _ = opened

    def start():
        shared_store().clear()
        hold = hold_at(Encoder, 'fill')
        press(widget.panel.run)
        qtbot.waitUntil(hold.reached.is_set, timeout=TIMEOUT)
        return hold

    return start


def test_what_is_typed_after_cancel_is_followed(
    opened, asked_anew, type_more, press, wait_for_rest, settle, is_as_asked
) -> None:
    _, widget, labels = opened
    hold = asked_anew()
    press(widget.panel.cancel)
    # Before the run has ended.
    assert widget._runs.is_running
    type_more(widget, 'brick; road; wood')
    wait_for_rest(widget)
    hold.go_on.set()
    settle(widget)
    assert is_as_asked(widget, labels)


def test_what_was_typed_before_cancel_is_not(
    opened, asked_anew, type_more, press, wait_for_rest, settle
) -> None:
    _, widget, labels = opened
    before = labels.data.copy()
    hold = asked_anew()
    type_more(widget, 'brick; road; wood')
    press(widget.panel.cancel)
    assert wait_for_rest(widget) == messages.CANCELLED
    hold.go_on.set()
    settle(widget)
    np.testing.assert_array_equal(labels.data, before)


@pytest.mark.parametrize('is_back', [False, True])
def test_cancel_leaves_the_changes_of_another_image(
    opened,
    asked_anew,
    run,
    press,
    wait_for_rest,
    settle,
    large,
    is_back,
    is_as_asked,
) -> None:
    viewer, widget, labels = opened
    first, before = viewer.layers[0], labels.data.copy()
    second = viewer.add_image(large[:450, ::-2].copy(), name='second')
    settle(widget)
    run(widget)
    settle(widget)
    others = viewer.layers[-1]
    viewer.layers.selection.active = first
    settle(widget)
    hold = asked_anew()
    viewer.layers.selection.active = second
    assert widget.image.image is second
    sets = widget.options.templates.combo
    sets.setCurrentIndex(sets.findData('plain'))
    press(widget.panel.cancel)
    assert wait_for_rest(widget) == messages.CANCELLED
    hold.go_on.set()
    if is_back:
        # What was chosen by then is no change for the run's own image.
        viewer.layers.selection.active = first
        settle(widget)
        np.testing.assert_array_equal(labels.data, before)
        viewer.layers.selection.active = second
    settle(widget)
    assert is_as_asked(widget, others)
