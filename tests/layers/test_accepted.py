"""What a person accepted goes with the labels that were accepted."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_naclip.engine import outputs
from napari_naclip.engine.types import Region
from napari_naclip.layers.assign import Acceptance, accept, withdraw
from napari_naclip.layers.checkpoint import absorb, checkpoint, revert
from napari_naclip.layers.edits import forget_edits
from napari_naclip.layers.labels import Result
from napari_naclip.layers.tidied import own_plane
from napari_naclip.layers.write import write_block, write_region

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


def answer(result: Result, value: int) -> None:
    """Let the model say what the plane is, wherever it may not write."""
    new = np.full((12, 16), value, np.uint8)
    write_region(result, own_plane(result, PLANE), new)


def accept_all(result: Result) -> Acceptance:
    whole = Region(0, 0, 12, 16)
    made = Acceptance(result)
    for _ in accept(result, PLANE, whole, np.ones(whole.size, bool), made):
        pass
    return made


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


def test_what_is_withdrawn_is_what_the_model_says_by_now(result) -> None:
    made = accept_all(result)
    is_first = ~expected()
    # Of what is edited, and of what another answer accepted, nothing is shown.
    result.labels.data[1, 0, 0] = 7
    answer(result, 2)
    answer(result, 3)
    for _ in withdraw(made):
        pass
    is_first[0, 0] = False
    np.testing.assert_array_equal(result.labels.data[1] == 3, is_first)
    np.testing.assert_array_equal(result.labels.data[1] == 1, expected())
    assert result.labels.data[1, 0, 0] == 7
    np.testing.assert_array_equal(result.written[1] == 3, is_first)


def test_what_is_withdrawn_keeps_a_locked_class(result) -> None:
    made = accept_all(result)
    answer(result, 2)
    for _ in withdraw(made, {1}):
        pass
    assert (result.labels.data[1] == 1).all()
    np.testing.assert_array_equal(is_accepted(result), expected())


def test_revert_takes_back_what_it_had_kept_from_writing(result) -> None:
    made = accept_all(result)
    result.previous = checkpoint(result)
    answer(result, 2)
    result.checkpoint = None
    for _ in withdraw(made):
        pass
    assert (result.labels.data[1][~expected()] == 2).all()
    revert(result)
    assert (result.labels.data[1] == 1).all()
    assert (result.written[1] == 1).all()


def test_forgetting_what_was_accepted_gives_what_the_model_says(
    result,
) -> None:
    answer(result, 2)
    assert forget_edits(result, PLANE) == 0
    assert (result.labels.data[1] == 2).all()
