"""Batches are read while the one before is run, and nothing is left running."""

from __future__ import annotations

import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_naclip.engine.agenda import Agenda, UnderWay

#: Seconds until a test that waits for a thread fails.
PATIENCE = 20


def make_agenda(count: int, size: int = 1) -> Agenda:
    slots = [index % size for index in range(count)]
    return Agenda(range(count), (), slots, size, lambda _index: False)


def read(windows: list[int]) -> torch.Tensor:
    return torch.tensor(windows)


def take_all(agenda: Agenda) -> list[list[int]]:
    batches = []
    while batch := agenda.take():
        batches.append(batch)
    return batches


@given(
    st.integers(0, 30),
    st.integers(0, 10),
    st.integers(1, 5),
    st.sets(st.integers(0, 40)),
)
def test_each_missing_window_is_taken_once(
    wanted: int, further: int, size: int, there: set[int]
) -> None:
    slots = [(7 * index) % size for index in range(wanted + further)]
    more = range(wanted, wanted + further)
    batches = take_all(
        Agenda(range(wanted), more, slots, size, there.__contains__)
    )
    taken = [window for batch in batches for window in batch]
    assert len(set(taken)) == len(taken)
    assert not there.intersection(taken)
    assert {each for each in taken if each < wanted} == (
        set(range(wanted)) - there
    )
    for batch in batches:
        assert len(batch) <= size
        assert len({slots[window] for window in batch}) == len(batch)
        # What is not wanted only comes along.
        assert batch[0] < wanted


def test_the_next_batch_is_read_while_one_runs() -> None:
    is_next_read = threading.Event()

    def read_and_tell(windows: list[int]) -> torch.Tensor:
        if windows == [1]:
            is_next_read.set()
        return read(windows)

    def run(pictures: torch.Tensor) -> torch.Tensor:
        # Only what runs beside the reading can see the end of this.
        assert is_next_read.wait(PATIENCE)
        return pictures

    under_way = UnderWay(make_agenda(3), read_and_tell, run, runs_beside=True)
    found = []
    while (batch := under_way.next()) is not None:
        found.append(batch.tokens.result().item())
    under_way.end()
    assert found == [0, 1, 2]


def test_in_one_thread_a_batch_is_run_before_the_next_is_read() -> None:
    order = []
    here = threading.current_thread()

    def read_and_note(windows: list[int]) -> torch.Tensor:
        order.append(('read', windows[0]))
        return read(windows)

    def run(pictures: torch.Tensor) -> torch.Tensor:
        assert threading.current_thread() is here
        order.append(('run', int(pictures[0])))
        return pictures

    under_way = UnderWay(make_agenda(2), read_and_note, run, runs_beside=False)
    while under_way.next() is not None:
        pass
    assert order == [('read', 0), ('run', 0), ('read', 1), ('run', 1)]


@pytest.mark.parametrize('runs_beside', [False, True])
def test_what_was_read_before_a_failure_is_given_back(
    runs_beside: bool,
) -> None:
    def read_two(windows: list[int]) -> torch.Tensor:
        if windows == [2]:
            raise OSError('chunk 2 is gone')
        return read(windows)

    under_way = UnderWay(
        make_agenda(4), read_two, lambda x: x, runs_beside=runs_beside
    )
    for expected in (0, 1):
        batch = under_way.next()
        assert batch is not None
        assert batch.tokens.result() == expected
    with pytest.raises(OSError, match='chunk 2'):
        under_way.next()
    under_way.end()


@pytest.mark.parametrize('runs_beside', [False, True])
@pytest.mark.parametrize('size', [1, 4])
def test_what_can_be_read_is_run_before_a_window_that_cannot_be_looked_up(
    runs_beside: bool, size: int
) -> None:
    def is_there(window: int) -> bool:
        if window == 2:
            raise OSError('chunk 2 is gone')
        return False

    agenda = Agenda(range(4), (), range(4), size, is_there)
    under_way = UnderWay(agenda, read, lambda x: x, runs_beside=runs_beside)
    found = []
    for _ in range(2 // min(size, 2)):
        batch = under_way.next()
        assert batch is not None
        found += batch.tokens.result().tolist()
    assert found == [0, 1]
    with pytest.raises(OSError, match='chunk 2'):
        under_way.next()
    under_way.end()


def test_what_only_comes_along_need_not_be_readable() -> None:
    def is_there(window: int) -> bool:
        if window > 1:
            raise OSError('chunk 2 is gone')
        return False

    agenda = Agenda(range(2), range(2, 4), range(4), 4, is_there)
    assert take_all(agenda) == [[0, 1]]


@pytest.mark.parametrize('runs_beside', [False, True])
def test_what_fails_in_a_batch_is_raised_by_it(runs_beside: bool) -> None:
    def run(pictures: torch.Tensor) -> torch.Tensor:
        if pictures[0] == 1:
            raise RuntimeError('out of memory')
        return pictures

    under_way = UnderWay(make_agenda(3), read, run, runs_beside=runs_beside)
    first, second = under_way.next(), under_way.next()
    assert first is not None
    assert second is not None
    assert first.tokens.result() == 0
    with pytest.raises(RuntimeError, match='out of memory'):
        second.tokens.result()
    under_way.end()


def count_tower_threads() -> int:
    return sum(
        each.name.startswith('napari-naclip tower')
        for each in threading.enumerate()
    )


def test_the_end_waits_for_what_runs_and_drops_the_rest() -> None:
    has_begun, may_end = threading.Event(), threading.Event()
    ran = []

    def run(pictures: torch.Tensor) -> torch.Tensor:
        has_begun.set()
        assert may_end.wait(PATIENCE)
        ran.append(int(pictures[0]))
        return pictures

    under_way = UnderWay(make_agenda(3), read, run, runs_beside=True)
    assert under_way.next() is not None
    assert has_begun.wait(PATIENCE)
    threading.Timer(0.1, may_end.set).start()
    under_way.end()
    assert ran == [0]
    assert count_tower_threads() == 0


def test_a_tower_s_thread_has_as_many_threads_as_its_reader() -> None:
    before = torch.get_num_threads()

    def run(pictures: torch.Tensor) -> torch.Tensor:
        return pictures + torch.get_num_threads()

    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            under_way = UnderWay(make_agenda(1), read, run, runs_beside=True)
            batch = under_way.next()
            assert batch is not None
            assert batch.tokens.result().item() == count
            under_way.end()
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)
