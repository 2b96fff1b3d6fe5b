"""Answers, what takes them back, and undo do what their rules say, no more.

A machine of hypothesis answers on a real Labels layer, as a person does who is
led from region to region, while runs write, labels are cleaned up, classes are
locked and edits are given back; each step is compared with rules for single
pixels.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from answered_layers import (
    COLUMNS,
    PLANE,
    ROWS,
    SHAPE,
    AnsweredLayer,
    seeds,
)
from cleaning_rules import Cleaning, Tidy
from napari_naclip.engine.types import Region
from napari_naclip.layers import assign as assigning
from napari_naclip.layers import placing, tidied
from napari_naclip.layers.assign import (
    Acceptance,
    Assignment,
    accept,
    assign,
    take_back,
    withdraw,
)
from napari_naclip.layers.edits import forget_edits
from napari_naclip.layers.labels import (
    checkpoint,
    end_checkpoint,
    revert,
)
from napari_naclip.layers.tidied import own_plane
from napari_naclip.layers.write import WriteMode, write_block, write_region
from napari_naclip.ui.correct.finish_work import ModelPlane, clean_plane
from napari_naclip.ui.steps import ChangeSteps
from pixel_rules import (
    NONE,
    Array,
    Mask,
    Memory,
    places_in,
    regions_in,
)

places = places_in(ROWS, COLUMNS)
regions = regions_in(ROWS, COLUMNS)
values = st.integers(0, 3)
modes = st.sampled_from(['unedited', 'everywhere'])
#: What else happens during a clean-up.
events = st.integers(0, 8)


class Answers(AnsweredLayer):
    """What happens to the layer, by answers and by other things."""

    @initialize()
    def begin(self) -> None:
        self.answers: list[tuple[Assignment | Acceptance, Mask]] = []
        # Before each answer, of those after which nothing else happened.
        self.before: list[tuple[Array, Mask]] = []
        self.steps = ChangeSteps()
        self.cleaning: Cleaning | None = None

    # What answers.

    @rule(region=regions, seed=seeds, value=values)
    def give(self, region: Region, seed: int, value: int) -> None:
        mask, whole = self.mask_of(region, seed)
        made = Assignment(self.result, value)
        self.before.append((self.data.copy(), self.accepted.copy()))
        for _ in assign(self.result, PLANE, region, mask, made, self.locked):
            pass
        changed = whole & (self.data == self.model) & ~self.accepted
        changed &= ~self.is_fixed(self.data) & (self.data != value)
        changed &= value not in self.locked
        self.put(changed, np.full(SHAPE, value))
        self.answers.append((made, changed))

    @rule(region=regions, seed=seeds, label=values | st.none())
    def call_right(self, region: Region, seed: int, label: int | None) -> None:
        mask, whole = self.mask_of(region, seed)
        made = Acceptance(self.result)
        self.before.append((self.data.copy(), self.accepted.copy()))
        for _ in accept(self.result, PLANE, region, mask, made, label):
            pass
        if label is not None:
            whole &= self.data == label
        self.answers.append((made, whole & ~self.accepted))
        self.accepted |= whole

    @precondition(lambda self: getattr(self, 'answers', None))
    @rule()
    def back(self) -> None:
        made, mask = self.answers.pop()
        if isinstance(made, Acceptance):
            for _ in withdraw(made, self.locked):
                pass
            self.accepted &= ~mask
            says = self.says()
            shown = mask & (self.data == self.model) & (says != self.data)
            shown &= ~self.is_fixed(self.data, says)
            self.uncover(shown)
        else:
            for _ in take_back(made, self.locked):
                pass
            self.give_back(mask & (self.data == made.value))
        if self.before:
            # All is as before the answer.
            data, accepted = self.before.pop()
            np.testing.assert_array_equal(self.data, data)
            np.testing.assert_array_equal(self.accepted, accepted)

    # What else happens.

    @rule(at=places, value=values)
    def paint(self, at: tuple[int, int], value: int) -> None:
        layer = self.result.labels
        layer.brush_size = 1
        layer.paint((0, *at), value)
        changed = np.zeros(SHAPE, bool)
        changed[at] = True
        self.put(changed, np.full(SHAPE, value))
        self.before.clear()

    @rule()
    def undo(self) -> None:
        self.result.labels.undo()
        self.history.undo(
            self.pixels, (self.previous,), accepted=self.accepted[None]
        )
        self.before.clear()

    @rule()
    def redo(self) -> None:
        self.result.labels.redo()
        self.history.redo(self.pixels)
        self.before.clear()

    @rule(value=values)
    def change_lock(self, value: int) -> None:
        self.locked ^= {value}
        self.before.clear()

    @rule(seed=seeds, mode=modes)
    def run(self, seed: int, mode: WriteMode) -> None:
        new = np.random.default_rng(seed).integers(0, 3, SHAPE)
        write_block(
            self.result,
            PLANE,
            new.astype(np.uint8),
            locked=self.locked,
            mode=mode,
        )
        self.end_cleaning()
        self.result.previous = self.previous = None
        changed = (self.data != new) & ~self.is_fixed(self.data, new)
        if mode == 'everywhere':
            self.accepted &= ~changed
        else:
            changed &= (self.data == self.model) & ~self.accepted
        self.data[changed] = self.model[changed] = new[changed]
        self.pixels.under[0][changed] = NONE
        self.before.clear()

    @rule(seed=seeds, mode=modes)
    def answer(self, seed: int, mode: WriteMode) -> None:
        """Let the model say what all is; a step of Revert but over edits.

        What Revert brings back of what was accepted is not for these rules.
        """
        new = np.random.default_rng(seed).integers(0, 3, SHAPE)
        self.end_cleaning()
        begun, memory = None, Memory()
        if mode == 'unedited':
            begun = checkpoint(self.result)
        write_region(
            self.result,
            own_plane(self.result, PLANE),
            new.astype(np.uint8),
            locked=self.locked,
            mode=mode,
        )
        end_checkpoint(self.result)
        self.result.previous = begun
        self.previous = None if begun is None else memory
        for at in np.ndindex(SHAPE):
            is_written = self.pixels.write(
                (0, *at),
                int(new[at]),
                mode,
                self.locked,
                memory,
                history=self.history,
                is_accepted=bool(self.accepted[at]),
            )
            self.accepted[at] &= not is_written
        self.before.clear()

    @rule(region=regions)
    def forget(self, region: Region) -> None:
        count = forget_edits(self.result, PLANE, region, locked=self.locked)
        assert count == self.pixels.forget_all(
            0, region, self.locked, Memory()
        )
        self.accepted[region.slices] = False
        # It is a step of Revert, which is another machine's.
        self.result.previous = self.previous = None
        self.before.clear()

    # Clean-up.

    def find_clean(
        self, seed: int, has_background: bool, region: Region | None
    ) -> tuple[Array, Array]:
        """Return labels as they are, and what a clean-up makes of them."""
        rng = np.random.default_rng(seed)
        new = np.where(
            rng.random(SHAPE) < 0.6, rng.integers(0, 4, SHAPE), self.data
        )
        known = self.model != 0
        snapshots = []
        if region is not None:
            mask, whole = self.mask_of(region, seed)
            own = own_plane(self.result, PLANE)
            snapshots = [dataclasses.replace(own, region=region, mask=mask)]
            if has_background:
                known |= whole
        elif has_background:
            known[:] = True
        work = clean_plane(
            self.result.labels.data,
            ModelPlane(self.result.written, PLANE, snapshots, has_background),
            Tidy(new),
        )
        made = work(bool, float)
        after = np.where(known, new, self.data)
        if not has_background:
            after = np.where(after == 0, self.data, after)
        np.testing.assert_array_equal(made.before, self.data)
        np.testing.assert_array_equal(made.after, after)
        return made.before, made.after

    @rule(
        seed=seeds,
        has_background=st.booleans(),
        region=regions | st.none(),
        first=events | st.none(),
        meanwhile=st.dictionaries(
            st.integers(0, 2 * ROWS), events, max_size=3
        ),
    )
    def clean_up(
        self,
        seed: int,
        has_background: bool,
        region: Region | None,
        first: int | None,
        meanwhile: dict[int, int],
    ) -> None:
        """Clean up while other things happen, by the step before them."""
        tidy = self.find_clean(seed, has_background, region)
        if first is not None:
            self.do_something(first, seed)
        self.cleaning = Cleaning(
            self.result,
            PLANE,
            *tidy,
            pixels=self.pixels,
            locked=self.locked,
            steps=self.steps,
        )
        for step in range(3 * ROWS):
            before, model = self.pixels.copies()
            if self.cleaning is None or self.cleaning.go_on(self.accepted):
                break
            self.previous = self.cleaning.memory or self.previous
            # Whatever the rules above say.
            now = self.result.labels.data
            is_safe = (before != model)[0] | self.accepted
            np.testing.assert_array_equal(now[0][is_safe], before[0][is_safe])
            for value in self.locked:
                np.testing.assert_array_equal(now == value, before == value)
            if step in meanwhile:
                self.do_something(meanwhile[step], seed)
        self.end_cleaning()
        self.before.clear()

    def do_something(self, what: int, seed: int) -> None:
        """Do what else a person may while labels are cleaned up."""
        rng = np.random.default_rng(seed + what)
        at, value = (rng.integers(ROWS), rng.integers(COLUMNS)), what % 4
        region = Region(0, 0, 1 + at[0], 1 + at[1])
        (
            lambda: self.paint(at, value),
            lambda: self.change_lock(value),
            lambda: self.run(seed, 'unedited'),
            self.undo,
            self.redo,
            lambda: self.forget(region),
            lambda: self.call_right(region, seed, None),
            self.take_back_last,
            lambda: self.give(region, seed, value),
        )[what]()

    def end_cleaning(self) -> None:
        """Leave what is not written of a clean-up."""
        if self.cleaning is not None:
            self.cleaning.close()
            self.cleaning = None

    @rule()
    def take_back_last(self) -> None:
        """Press Revert."""
        revert(self.result, self.locked)
        if self.previous is not None:
            self.pixels.put_back(self.previous, self.locked)
        self.previous = None
        self.before.clear()


@pytest.fixture(params=[COLUMNS, 1000], ids=['a row at a time', 'at once'])
def _piece(request, monkeypatch) -> None:
    for module in (assigning, tidied):
        monkeypatch.setattr(module, '_PIECE', request.param)
    monkeypatch.setattr(placing, '_BAND_PIXELS', request.param)


def run_machine(examples: int) -> None:
    run_state_machine_as_test(
        Answers,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.usefixtures('_piece')
def test_answers_change_what_they_should() -> None:
    run_machine(12)


@pytest.mark.slow
@pytest.mark.usefixtures('_piece')
def test_answers_change_what_they_should_for_long() -> None:
    """At least 10,000 steps."""
    run_machine(260)
