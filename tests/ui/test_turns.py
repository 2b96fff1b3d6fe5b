"""Work in turns: in order, a little at a time, and left when wished."""

from __future__ import annotations

import time

import pytest
from qtpy.QtCore import QObject, QTimer

from napari_naclip.ui.turns import Turns


@pytest.fixture
def turns(qapp):
    parent = QObject()
    yield Turns(parent)
    parent.deleteLater()


def test_steps_are_done_in_order_and_apart(qtbot, turns: Turns) -> None:
    done: list[object] = []
    timer = QTimer()
    timer.timeout.connect(lambda: done.append('window'))
    timer.start(0)

    def steps(name: str):
        for number in range(3):
            done.append(f'{name}{number}')
            time.sleep(0.02)
            yield

    turns.add(steps('a'))
    turns.add(steps('b'))
    assert not done
    qtbot.waitUntil(lambda: turns.is_idle)
    timer.stop()
    mine = [each for each in done if each != 'window']
    assert mine == ['a0', 'a1', 'a2', 'b0', 'b1', 'b2']
    # The window comes in between.
    assert 'window' in done[done.index('a0') : done.index('a1')]


def test_steps_may_leave_all_and_begin_anew(qtbot, turns: Turns) -> None:
    done: list[str] = []

    def never():
        done.append('never')
        yield

    def last():
        done.append('last')
        yield

    def first():
        yield
        turns.clear()
        turns.add(last())

    turns.add(first())
    turns.add(never())
    qtbot.waitUntil(lambda: turns.is_idle)
    assert done == ['last']
