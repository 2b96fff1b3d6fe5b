"""A layer that answers are written to, and rules for each of its pixels."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant
from napari.components import ViewerModel

from napari_naclip.engine.types import Region
from napari_naclip.layers.labels import Result
from pixel_rules import NONE, Array, History, Mask, Memory, Pixels

SHAPE = ROWS, COLUMNS = (6, 7)
PLANE = (0, slice(None), slice(None))

seeds = st.integers(0, 2**16)


class AnsweredLayer(RuleBasedStateMachine):
    """A layer, and what every pixel of it should be."""

    @property
    def data(self) -> Array:
        """What every pixel is."""
        return self.pixels.data[0]

    @property
    def model(self) -> Array:
        """What the model wrote last into every pixel."""
        return self.pixels.model[0]

    @initialize(seed=seeds)
    def open(self, seed: int) -> None:
        model = np.random.default_rng(seed).integers(0, 3, (1, *SHAPE))
        model = model.astype(np.uint8)
        layer = ViewerModel().add_labels(model.copy())
        self.result = Result(None, layer, {}, model)
        self.pixels = Pixels(model.shape)
        self.data[:] = self.model[:] = model[0]
        self.accepted = np.zeros(SHAPE, bool)
        self.locked: set[int] = set()
        self.history = History()
        # What Revert takes back.
        self.previous: Memory | None = None

    def is_fixed(self, *labels: Array) -> Mask:
        """Return where any of some labels is locked."""
        return np.isin(labels, list(self.locked)).any(0)

    def mask_of(self, region: Region, seed: int) -> tuple[Mask, Mask]:
        """Return some of a region's pixels, in its box and in the plane."""
        mask = np.random.default_rng(seed).random(region.size) < 0.8
        whole = np.zeros(SHAPE, bool)
        whole[region.slices] = mask
        return mask, whole

    def says(self) -> Array:
        """Return what the model says by now."""
        under = self.pixels.under[0]
        return np.where(under == NONE, self.model, under)

    def give_back(self, mask: Mask) -> None:
        """Show what the model says, or had written of what is accepted."""
        model = np.where(self.accepted, self.model, self.says())
        gone = mask & (self.data != self.model)
        gone &= ~self.is_fixed(self.data, model)
        self.put(gone, model)
        self.uncover(gone & ~self.accepted)

    def uncover(self, mask: Mask) -> None:
        """Let pixels be what the model says, as the model's."""
        for at in zip(*np.nonzero(mask), strict=True):
            self.pixels.uncover((0, *at), (self.previous,))

    def put(self, changed: Mask, new: Array) -> None:
        """Change pixels by one step of the layer's history."""
        before = self.pixels.data.copy()
        self.data[changed] = new[changed]
        self.history.add(before, self.pixels)

    @invariant()
    def is_as_it_should_be(self) -> None:
        if not hasattr(self, 'pixels'):
            return
        result, accepted = self.result, self.result.accepted
        np.testing.assert_array_equal(result.labels.data[0], self.data)
        np.testing.assert_array_equal(result.written[0], self.model)
        np.testing.assert_array_equal(
            np.zeros(SHAPE, bool) if accepted is None else accepted[0],
            self.accepted,
        )
        under = 0 if result.under is None else result.under.astype(np.int64)
        np.testing.assert_array_equal(under, self.pixels.under - NONE)
