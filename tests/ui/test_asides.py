"""What is computed beside the labels: the last of a kind, after all else."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
from qtpy.QtCore import QObject

from napari_naclip.ui.asides import Asides
from napari_naclip.ui.compute import SLOT

TIMEOUT = 10_000


class Steps:
    """Work whose steps a test lets go on."""

    def __init__(self, answer: object = 'answer') -> None:
        self.answer = answer
        self.calls = 0
        self.is_begun = threading.Event()
        self.go_on = threading.Event()

    def __call__(self):
        self.calls += 1
        self.is_begun.set()
        while not self.go_on.wait(0.01):
            yield
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def parent(qtbot):
    made = QObject()
    yield made
    made.deleteLater()


@pytest.fixture
def asides(parent) -> Asides:
    return Asides(parent)


@pytest.fixture
def got() -> list[object]:
    return []


def ask(asides, got, work, kind='map') -> None:
    asides.ask(kind, work, got.append, got.append)


def test_the_answer_comes_once(asides, got, qtbot) -> None:
    work = Steps()
    work.go_on.set()
    ask(asides, got, work)
    assert asides.is_asked('map')
    qtbot.waitUntil(lambda: bool(got), timeout=TIMEOUT)
    assert got == ['answer']
    assert not asides.is_asked('map')


def test_the_newest_of_a_kind_counts(asides, got, qtbot) -> None:
    old, new, other = Steps('old'), Steps('new'), Steps('other')
    ask(asides, got, old)
    assert old.is_begun.wait(10)
    ask(asides, got, new)
    ask(asides, got, other, kind='readout')
    for each in (old, new, other):
        each.go_on.set()
    qtbot.waitUntil(lambda: len(got) == 2, timeout=TIMEOUT)
    assert sorted(got) == ['new', 'other']


def test_an_error_is_told_and_others_go_on(asides, got, qtbot) -> None:
    broken, sound = Steps(ValueError('broken')), Steps()
    broken.go_on.set()
    sound.go_on.set()
    ask(asides, got, broken)
    ask(asides, got, sound, kind='readout')
    qtbot.waitUntil(lambda: len(got) == 2, timeout=TIMEOUT)
    assert {str(each) for each in got} == {'broken', 'answer'}


def test_a_run_comes_first_and_the_aside_again(asides, got, qtbot) -> None:
    work = Steps()
    ask(asides, got, work)
    assert work.is_begun.wait(10)
    for _ in SLOT.acquire():
        pass
    try:
        calls = work.calls
        work.go_on.set()
        qtbot.wait(100)
        assert got == []
    finally:
        SLOT.release()
    qtbot.waitUntil(lambda: bool(got), timeout=TIMEOUT)
    assert work.calls > calls


def test_what_was_given_up_does_not_come(asides, got, qtbot) -> None:
    work, later = Steps(), Steps('later')
    ask(asides, got, work)
    assert work.is_begun.wait(10)
    asides.drop_all()
    work.go_on.set()
    later.go_on.set()
    ask(asides, got, later, kind='readout')
    qtbot.waitUntil(lambda: bool(got), timeout=TIMEOUT)
    assert got == ['later']


def test_a_closed_panel_is_not_kept(qtbot, got) -> None:
    work = Steps()
    owner = Asides(None)
    gone = weakref.ref(owner)
    ask(owner, got, work)
    assert work.is_begun.wait(10)
    del owner
    gc.collect()
    assert gone() is None
    work.go_on.set()
    qtbot.wait(100)
    assert got == []
