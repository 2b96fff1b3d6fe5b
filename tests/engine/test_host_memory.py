"""Memory that the C library keeps goes back to the system."""

from __future__ import annotations

import platform
import sys
import threading
from pathlib import Path

import pytest
import torch

from napari_naclip.engine import host_memory
from napari_naclip.engine.agenda import Agenda, UnderWay

MB = 2**20


@pytest.fixture
def found_anew():
    """Let what trims be looked for again, before and after."""
    host_memory._find_trim.cache_clear()
    yield
    host_memory._find_trim.cache_clear()


def anonymous_memory() -> int:
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith('RssAnon'):
            return int(line.split()[1]) * 1024
    raise LookupError


@pytest.mark.skipif(
    platform.libc_ver()[0] != 'glibc', reason='only glibc can be asked to'
)
def test_what_a_thread_freed_goes_back() -> None:
    last: list[bytearray] = []

    def work() -> None:
        # Small enough to lie in the heap of the thread.
        blocks = [bytearray(b'x' * 60_000) for _ in range(3000)]
        # Above all others: glibc would else shrink the heap itself.
        last.append(bytearray(b'x' * 60_000))
        blocks.clear()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    before = anonymous_memory()
    host_memory.trim()
    assert before - anonymous_memory() > 100 * MB


@pytest.mark.usefixtures('found_anew')
def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, 'platform', 'win32')
    monkeypatch.setattr(host_memory.ctypes, 'CDLL', pytest.fail)
    host_memory.trim()


@pytest.mark.parametrize('runs_beside', [True, False])
def test_memory_of_a_thread_that_ends_goes_back(
    runs_beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    trimmed: list[None] = []
    monkeypatch.setattr(host_memory, 'trim', lambda: trimmed.append(None))
    agenda = Agenda([0, 1], [], [0, 0], 1, lambda _window: False)
    under_way = UnderWay(
        agenda,
        lambda windows: torch.zeros(len(windows)),
        lambda pictures: pictures,
        runs_beside=runs_beside,
    )
    while under_way.next() is not None:
        assert not trimmed
    under_way.end()
    assert len(trimmed) == runs_beside
