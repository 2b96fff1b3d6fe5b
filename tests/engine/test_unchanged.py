"""Whether an image that was looked at still looks the same."""

from __future__ import annotations

import numpy as np
import pytest

from napari_naclip.engine import source as sources
from napari_naclip.engine.pixels import Mapping
from napari_naclip.engine.resize import Resizing
from napari_naclip.engine.source import Source
from napari_naclip.engine.stream import ResizedImage


@pytest.mark.parametrize('row', [0, 30, 59])
def test_whoever_asks_is_told_of_an_edit(
    monkeypatch: pytest.MonkeyPatch, row: int
) -> None:
    # Several bands.
    monkeypatch.setattr(sources, 'READ_BYTES', 4000)
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (60, 80, 3), np.uint8)
    resized = ResizedImage(
        Source(image),
        Mapping((0, 255)),
        Resizing.between((60, 80), (45, 60), 'antialias'),
    )

    def look() -> bool:
        steps = resized.is_unchanged()
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                return stop.value

    # Nothing was seen that could have changed.
    assert look()
    for left, right in ((0, 30), (20, 60)):
        resized.take_only(left, right)
        before = resized[:, left:right]
    assert look()
    np.testing.assert_array_equal(resized[:, 20:60], before)
    # In the first strip only, which is not the last that was asked for.
    image[row, 5] ^= 255
    assert not look()
    image[row, 5] ^= 255
    assert look()
    image[row, 79] ^= 255
    assert not look()
