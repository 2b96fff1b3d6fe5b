"""Any order of calls, against a plain dict."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from napari_naclip.engine.store import FeatureStore
from store_tools import SIZE, make_key, make_tokens

NUMBERS = st.integers(0, 40)
MEMORY = st.integers(0, 12).map(lambda n: n * SIZE)
DISK = st.sampled_from([0, 10_000, 10 * SIZE, 25 * SIZE, 200 * SIZE])


class StoreMachine(RuleBasedStateMachine):
    """What comes back is what was put; budgets hold after every call."""

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory()
        self.model: dict[int, int] = {}
        self.count = 0

    @initialize(memory=MEMORY, disk=DISK)
    def begin(self, memory: int, disk: int) -> None:
        self.memory, self.disk = memory, disk
        self.store = self.open()

    def open(self) -> FeatureStore:
        return FeatureStore(
            Path(self.home.name), memory=self.memory, disk=self.disk
        )

    @rule(number=NUMBERS, same=st.booleans())
    def put(self, number: int, same: bool) -> None:
        if not same or number not in self.model:
            self.count += 1
            self.model[number] = self.count
        seed = self.model[number]
        self.store.put(make_key(number), make_tokens(seed))
        if self.disk >= 200 * SIZE or self.memory >= SIZE:
            tokens = self.store.get(make_key(number))
            assert np.array_equal(tokens, make_tokens(seed))

    @rule(numbers=st.lists(NUMBERS, min_size=5, unique=True))
    def put_many(self, numbers: list[int]) -> None:
        for number in numbers:
            self.put(number, same=True)

    @rule(numbers=st.lists(NUMBERS, min_size=1, max_size=20))
    def get(self, numbers: list[int]) -> None:
        told = self.store.contains([make_key(number) for number in numbers])
        for number, is_kept in zip(numbers, told, strict=True):
            tokens = self.store.get(make_key(number))
            assert (tokens is not None) == is_kept
            if tokens is not None:
                assert np.array_equal(tokens, make_tokens(self.model[number]))

    @rule()
    def free(self) -> None:
        self.store.free()
        assert self.store.usage().memory_windows == 0

    @rule()
    def flush(self) -> None:
        before = self.store.usage()
        self.store.flush()
        after = self.store.usage()
        assert after.memory_windows == before.memory_windows

    @rule()
    def clear(self) -> None:
        self.store.clear()
        self.model.clear()
        usage = self.store.usage()
        assert usage.memory_windows == usage.disk_windows == 0

    @rule(memory=st.none() | MEMORY, disk=st.none() | DISK)
    def set_budgets(self, memory: int | None, disk: int | None) -> None:
        self.store.set_budgets(memory=memory, disk=disk)
        self.memory = self.memory if memory is None else memory
        self.disk = self.disk if disk is None else disk

    @rule()
    def start_anew(self) -> None:
        self.store.flush()
        self.store.close()
        self.store = self.open()

    @invariant()
    def budgets_hold(self) -> None:
        if not hasattr(self, 'store'):
            return
        usage = self.store.usage()
        assert usage.memory_size <= self.memory == usage.memory_budget
        assert usage.disk_size <= self.disk == usage.disk_budget
        files = Path(self.home.name).glob('*')
        assert sum(path.stat().st_size for path in files) <= self.disk
        assert usage.problem == ''

    def teardown(self) -> None:
        self.store.close()
        self.home.cleanup()


TestStore = StoreMachine.TestCase
TestStore.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None
)
