"""What a person accepted goes with the labels that were accepted."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_naclip.engine import outputs
from napari_naclip.engine.types import Region
from napari_naclip.layers.assign import accept
from napari_naclip.layers.checkpoint import absorb, checkpoint, revert
from napari_naclip.layers.edits import forget_edits
from napari_naclip.layers.labels import Result
from napari_naclip.layers.write import write_block

PLANE = (1, slice(None), slice(None))
REGION = Region(2, 3, 6, 9)


@pytest.fixture(params=['memory', 'disk'])
def result(request, monkeypatch, tmp_path) -> Result:
    if request.param == 'disk':
        monkeypatch.setenv('NAPARI_NACLIP_CACHE', str(tmp_path))
        monkeypatch.setenv(outputs.OUTPUT_VARIABLE, '0')
    layer = ViewerModel().add_labels(outputs.zeros((3, 12, 16), np.uint8))
    made = Result(None, layer, {}, outputs.zeros((3, 12, 16), np.uint8))
    write(made, 1)
    for _ in accept(made, PLANE, REGION, np.ones(REGION.size, bool)):
        pass
    return made


def write(result: Result, value: int, mode='unedited') -> None:
    write_block(result, PLANE, np.full((12, 16), value, np.uint8), mode=mode)


def is_accepted(result: Result) -> np.ndarray:
    return np.array(result.accepted[PLANE])


def expected() -> np.ndarray:
    mask = np.zeros((12, 16), bool)
    mask[REGION.slices] = True
    return mask


def test_what_is_overwritten_is_accepted_no_more(result) -> None:
    write(result, 2)
    np.testing.assert_array_equal(result.labels.data[1] == 1, expected())
    write(result, 1, 'everywhere')
    # The label that was accepted is still there.
    np.testing.assert_array_equal(is_accepted(result), expected())
    write(result, 3, 'everywhere')
    assert not is_accepted(result).any()
    write(result, 4)
    assert (result.labels.data[1] == 4).all()


def test_revert_brings_it_back_with_the_labels(result) -> None:
    result.previous = checkpoint(result)
    write(result, 3, 'everywhere')
    result.checkpoint = None
    # The person paints in the meantime.
    result.labels.data[1, 3, 4] = 7
    revert(result)
    wanted = expected()
    wanted[3, 4] = False
    np.testing.assert_array_equal(is_accepted(result), wanted)
    assert (result.labels.data[1][wanted] == 1).all()
    assert result.labels.data[1, 3, 4] == 7


def test_revert_of_two_runs_brings_back_the_first_only(result) -> None:
    first = checkpoint(result)
    write(result, 3, 'everywhere')
    second = checkpoint(result)
    whole = Region(0, 0, 12, 16)
    for _ in accept(result, PLANE, whole, np.ones(whole.size, bool)):
        pass
    write(result, 5, 'everywhere')
    result.checkpoint = None
    absorb(first, second)
    result.previous = first
    revert(result)
    np.testing.assert_array_equal(is_accepted(result), expected())
    assert (result.labels.data[1] == 1).all()


def test_what_was_forgotten_comes_back(result) -> None:
    result.labels.data[1, 3, 4] = 7
    result.previous = checkpoint(result)
    forget_edits(result, PLANE)
    result.checkpoint = None
    assert not is_accepted(result).any()
    revert(result)
    assert result.labels.data[1, 3, 4] == 7
    np.testing.assert_array_equal(is_accepted(result), expected())
