"""Whatever happens in whatever order, edits and locked classes are safe.

A machine of hypothesis acts on a real Labels layer as persons, runs and live
settings do, and compares each step with rules for single pixels.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from napari.components import ViewerModel

from cleaning_rules import clean_at_once
from edited_layers import packed_and_unpacked
from napari_naclip.correct.model_labels import WRITTEN_KEY
from napari_naclip.engine.types import ClassList, Region, Settings
from napari_naclip.layers import labels as label_layers
from napari_naclip.layers.adoption import adopt_result
from napari_naclip.layers.checkpoint import absorb
from napari_naclip.layers.edits import forget_edits
from napari_naclip.layers.labels import (
    Result,
    WriteMode,
    add_result,
    write_region,
)
from napari_naclip.layers.read import take_snapshots
from napari_naclip.layers.sync import apply_appearance, store_list
from napari_naclip.ui.steps import ChangeSteps
from pixel_rules import (
    NONE,
    Array,
    History,
    Memory,
    Pixels,
    check_safe,
    join,
    places_in,
    regions_in,
    run_machine,
)

PLANES, ROWS, COLUMNS = SHAPE = (2, 7, 8)
FULL = Settings(detail=None)
NAMES = ['one', 'two', 'three', 'four']

places = places_in(ROWS, COLUMNS)
regions = regions_in(ROWS, COLUMNS)
whole = st.just(Region(0, 0, ROWS, COLUMNS))
modes = st.sampled_from(['unedited', 'unedited', 'background', 'everywhere'])
values = st.integers(0, 4)
seeds = st.integers(0, 2**16)
planes = st.integers(0, PLANES - 1)


class Protection(RuleBasedStateMachine):
    """A layer, and what every pixel of it should be."""

    @initialize(shows_plane=planes)
    def open(self, shows_plane: int) -> None:
        self.viewer = ViewerModel()
        self.image = self.viewer.add_image(np.zeros(SHAPE), name='photo')
        self.snapshots = take_snapshots(
            self.image, self.viewer, FULL, scope='all'
        )
        self.names = NAMES[:2]
        self.result: Result = add_result(
            self.viewer, self.image, self.snapshots[0], self.class_list()
        )
        self.viewer.dims.set_point(0, shows_plane)
        self.pixels = Pixels(SHAPE)
        self.history = History()
        self.locked: set[int] = set()
        self.live = ChangeSteps()
        self.tidy = ChangeSteps()
        self.mode: WriteMode = 'unedited'
        self.running: Memory | None = None
        self.previous: Memory | None = None
        self.live_step = Memory()
        self.live_since = Memory()  # since it was resumed
        self.has_finished = False
        # Before the last run, while nothing else has happened since.
        self.fresh: tuple[Array, Array] | None = None

    def class_list(self) -> ClassList:
        return ClassList.from_text('; '.join(self.names))

    # The person.

    def took_in(self) -> None:
        """Whatever the person painted is what should be there."""
        before = self.pixels.data
        self.pixels.data = self.result.labels.data.astype(np.int64)
        self.history.add(before, self.pixels)
        self.fresh = None

    @rule(at=places, value=values | st.just(0), size=st.integers(1, 5))
    def paint(self, at: tuple[int, int], value: int, size: int) -> None:
        layer = self.result.labels
        layer.brush_size = size
        layer.paint((int(self.viewer.dims.point[0]), *at), value)
        self.took_in()

    @rule(at=places, value=values)
    def fill(self, at: tuple[int, int], value: int) -> None:
        self.result.labels.fill((int(self.viewer.dims.point[0]), *at), value)
        self.took_in()

    @rule()
    def undo(self) -> None:
        self.result.labels.undo()
        self.history.undo(self.pixels, (self.running, self.previous))
        self.fresh = None

    @rule()
    def redo(self) -> None:
        self.result.labels.redo()
        self.history.redo(self.pixels)
        self.fresh = None

    @rule(plane=planes, at=places, value=values)
    def other_plugin(
        self, plane: int, at: tuple[int, int], value: int
    ) -> None:
        # Not by the layer's history.
        self.result.labels.data[(plane, *at)] = value
        self.pixels.data[(plane, *at)] = value
        self.fresh = None

    @rule(plane=planes)
    def turn_to(self, plane: int) -> None:
        self.viewer.dims.set_point(0, plane)

    # Classes.

    @rule(value=values)
    def change_lock(self, value: int) -> None:
        self.locked ^= {value}
        self.fresh = None

    @precondition(lambda self: len(self.names) < len(NAMES))
    @rule()
    def add_class(self) -> None:
        self.names = NAMES[: len(self.names) + 1]
        apply_appearance(self.result, self.class_list().rows)

    @precondition(lambda self: len(self.names) > 1)
    @rule()
    def remove_class(self) -> None:
        self.names = self.names[:-1]

    # The model.

    def write(
        self,
        plane: int,
        region: Region,
        seed: int,
        mode: WriteMode,
        memory: Memory,
        since: Memory | None = None,
    ) -> None:
        rng = np.random.default_rng(seed)
        new = rng.integers(0, len(self.names) + 1, region.size)
        before, model = self.pixels.copies()
        write_region(
            self.result,
            self.snapshots[plane],
            new.astype(np.uint8),
            region,
            locked=self.locked,
            mode=mode,
        )
        self.pixels.write_all(
            plane, region, new, mode, self.locked, memory, since, self.history
        )
        self.check_safe(before, model, mode)

    def check_safe(self, before: Array, model: Array, mode: str) -> None:
        """Compare with what no rule above may ever break."""
        now = self.result.labels.data
        check_safe(now, before, model, self.locked, mode)

    @precondition(lambda self: self.running is None)
    @rule(mode=modes)
    def start_run(self, mode: WriteMode) -> None:
        label_layers.checkpoint(self.result)
        self.mode = mode
        self.running = Memory()
        self.has_finished = False
        self.fresh = self.pixels.copies()

    @precondition(lambda self: self.running is not None)
    @rule(plane=planes, region=regions | whole, seed=seeds)
    def write_part(self, plane: int, region: Region, seed: int) -> None:
        assert self.running is not None
        self.write(plane, region, seed, self.mode, self.running)

    @precondition(lambda self: self.running is not None)
    @rule()
    def finish_plane(self) -> None:
        """Let what is written stay: Cancel takes back what follows."""
        done, result = self.result.checkpoint, self.result
        assert done is not None
        assert self.running is not None
        if self.running:
            if self.has_finished and result.previous is not None:
                absorb(result.previous, done)
                assert self.previous is not None
                join(self.previous, self.running)
            else:
                result.previous, self.previous = done, self.running
            self.has_finished = True
            self.live.forget()
        label_layers.checkpoint(result)
        self.running = Memory()

    @precondition(lambda self: self.running is not None)
    @rule(is_cancelled=st.booleans())
    def end_run(self, is_cancelled: bool) -> None:
        assert self.running is not None
        if is_cancelled:
            before, model = self.pixels.copies()
            label_layers.restore(
                self.result, self.result.checkpoint, self.locked
            )
            self.pixels.put_back(self.running, self.locked)
            self.check_safe(before, model, 'cancelled')
            if self.fresh is not None and not self.has_finished:
                np.testing.assert_array_equal(self.pixels.data, self.fresh[0])
                np.testing.assert_array_equal(self.pixels.model, self.fresh[1])
        else:
            self.finish_plane()
        label_layers.end_checkpoint(self.result)
        self.running = None
        if is_cancelled or not self.has_finished:
            # Revert goes further back, or not as far.
            self.fresh = None

    @precondition(lambda self: self.running is None)
    @rule(
        plane=planes,
        region=regions | whole,
        seed=seeds,
        mode=modes,
        is_held=st.booleans(),
    )
    def change_setting(
        self,
        plane: int,
        region: Region,
        seed: int,
        mode: WriteMode,
        is_held: bool,
    ) -> None:
        # Else as after a second without a change.
        (self.live.hold if is_held else self.live.forget)()
        self.live.begin(self.result)
        fresh = self.fresh
        if self.live._step is None:
            fresh = self.begin_step()
        step = self.live_step
        with self.live.writing(self.result):
            self.write(plane, region, seed, mode, step, self.live_since)
        if step:
            self.previous, self.fresh = step, fresh

    def begin_step(self) -> tuple[Array, Array] | None:
        """Begin a step of Revert; return what is there if it is another."""
        last = self.result.previous
        if last is not None and last.model is not None:
            # It holds edits, and must not be lost.
            assert self.previous is not None
            self.live_step, self.live_since = self.previous, Memory()
            return self.fresh
        self.live_step = self.live_since = Memory()
        return self.pixels.copies()

    @contextlib.contextmanager
    def writing_apart(self, mode: str) -> Iterator[tuple[Memory, Memory]]:
        """Let a step of Revert be of what is written within."""
        before, model = self.pixels.copies()
        live = self.live_step, self.live_since
        self.tidy.forget()
        fresh, step = self.begin_step(), self.live_step
        with self.tidy.writing(self.result):
            yield step, self.live_since
        self.check_safe(before, model, mode)
        if step:
            self.previous, self.fresh = step, fresh
        else:  # A change that was under way goes on.
            self.live_step, self.live_since = live

    @precondition(lambda self: self.running is None)
    @rule(plane=planes, region=regions | whole, seed=seeds)
    def clean_up(self, plane: int, region: Region, seed: int) -> None:
        """Write what some pixels of a region should be instead."""
        rng = np.random.default_rng(seed)
        wanted = rng.integers(0, len(self.names) + 1, region.size)
        with self.writing_apart('unedited') as memories:
            clean_at_once(self.result, plane, region, wanted, self.locked)
            self.pixels.write_all(
                plane, region, wanted, 'unedited', self.locked, *memories
            )

    @precondition(lambda self: self.running is None)
    @rule(plane=planes, region=regions | whole)
    def forget(self, plane: int, region: Region) -> None:
        """Give edits back to the model."""
        at = (plane, slice(None), slice(None))
        with self.writing_apart('everywhere') as memories:
            count = forget_edits(self.result, at, region, locked=self.locked)
            assert count == self.pixels.forget_all(
                plane, region, self.locked, *memories
            )

    @precondition(lambda self: self.running is None)
    @rule()
    def revert(self) -> None:
        before, model = self.pixels.copies()
        label_layers.revert(self.result, self.locked)
        if self.previous is not None:
            self.pixels.put_back(self.previous, self.locked)
            if self.fresh is not None:
                np.testing.assert_array_equal(self.pixels.data, self.fresh[0])
                np.testing.assert_array_equal(self.pixels.model, self.fresh[1])
        self.check_safe(before, model, 'revert')
        self.live.forget()
        self.previous = self.fresh = None

    @precondition(lambda self: self.running is None)
    @rule(way=st.sampled_from(['file', 'image']))
    def reopen(self, way: Literal['file', 'image']) -> None:
        """Save and open, or remove the image: what is known stays so."""
        layer = self.result.labels
        store_list(layer, {'rows': []})
        if way == 'file':
            metadata = {
                **layer.metadata,
                WRITTEN_KEY: packed_and_unpacked(self.result),
            }
            data, state, _ = layer.as_layer_data_tuple()
            self.viewer.layers.remove(layer)
            layer = self.viewer.add_labels(
                data.copy(), **{**state, 'metadata': metadata}
            )
            self.history = History()
        adopted = adopt_result(self.image, layer)
        assert adopted is not None
        # Nobody else knows the one before.
        self.tidy.forget()
        self.live.forget()
        self.result = adopted
        self.history.forget()
        self.previous = self.fresh = None

    @invariant()
    def is_as_it_should_be(self) -> None:
        if not hasattr(self, 'pixels'):
            return
        result = self.result
        np.testing.assert_array_equal(result.labels.data, self.pixels.data)
        np.testing.assert_array_equal(result.written, self.pixels.model)
        under = 0 if result.under is None else result.under.astype(np.int64)
        np.testing.assert_array_equal(under, self.pixels.under - NONE)
        assert label_layers.has_edits(result) == bool(
            (self.pixels.data != self.pixels.model).any()
        )


def test_edits_and_locks_are_safe() -> None:
    run_machine(Protection, 10, 40)


@pytest.mark.slow
def test_edits_and_locks_are_safe_for_long() -> None:
    """At least 10,000 steps."""
    run_machine(Protection, 250, 50)
