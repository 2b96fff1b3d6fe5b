"""Outputs past their budget: on the disk, the same bits, and gone in time."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_naclip.engine import outputs, tiles
from napari_naclip.engine.errors import StorageError
from napari_naclip.engine.models import Model
from napari_naclip.engine.segment import segment
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import ClassList, Region, Settings

CLASSES = ClassList.from_text('sky; tree, bush; water')


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep tests out of the user's cache; return where arrays go."""
    monkeypatch.setenv('NAPARI_NACLIP_CACHE', str(tmp_path))
    return tmp_path / 'outputs'


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no memory to outputs, and make their chunks small."""
    monkeypatch.setenv(outputs.OUTPUT_VARIABLE, '0')
    monkeypatch.setattr(outputs, 'CHUNK', (16, 24))


def arrays_in(folder: Path) -> list[Path]:
    return [path for path in folder.glob('*/*') if path.is_dir()]


def test_memory_up_to_the_budget(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = outputs._USED._bytes
    monkeypatch.setenv(outputs.OUTPUT_VARIABLE, str(used + 300))
    first = outputs.zeros((10, 20), np.uint8)
    second = outputs.zeros((10, 20), np.uint8)
    assert isinstance(first, np.ndarray)
    assert not isinstance(second, np.ndarray)
    assert (second.shape, second.dtype) == ((10, 20), np.uint8)
    assert not second[:].any()
    # A view needs what it looks at.
    view = first[2:]
    del first
    assert outputs.is_on_disk(outputs.zeros((10, 20), np.uint8))
    del view
    assert not outputs.is_on_disk(outputs.zeros((10, 20), np.uint8))
    assert len(arrays_in(folder)) == 1
    del second
    gc.collect()
    assert not arrays_in(folder)


def test_a_budget_that_is_no_size(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = outputs.output_budget()
    assert usual >= 10**8
    monkeypatch.setenv(outputs.OUTPUT_VARIABLE, 'plenty')
    assert outputs.output_budget() == usual


def test_where_memory_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    used = outputs._USED._bytes

    def fail(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(np, 'zeros', fail)
        assert outputs.is_on_disk(outputs.zeros((3, 4), np.uint8))
    assert outputs._USED._bytes == used


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_bands_of_any_height(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    height, width = data.draw(st.tuples(*[st.integers(1, 50)] * 2))
    expected = np.zeros((height, width), np.uint16)
    stored = np.zeros_like(expected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outputs, 'CHUNK', (7, 8))
        buffer = outputs.BandBuffer(stored)
        for _ in range(data.draw(st.integers(1, 6))):
            at = tuple(
                slice(*sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2))))
                for n in (height, width)
            )
            if at[0].start == at[0].stop:
                continue
            values = rng.integers(1, 999, expected[at].shape)
            expected[at] = buffer[at] = values
            np.testing.assert_array_equal(buffer[at], values)
        np.testing.assert_array_equal(buffer.finish(), expected)


@pytest.mark.parametrize('refine', ['off', 'fast'])
@pytest.mark.parametrize('region', [None, Region(5, 9, 60, 70)])
def test_the_bits_are_those_in_memory(
    tiny_model: Model,
    no_memory: None,
    monkeypatch: pytest.MonkeyPatch,
    refine: Any,
    region: Region | None,
) -> None:
    monkeypatch.setattr(tiles, 'TILE', 20)
    image = np.random.default_rng(0).integers(0, 256, (64, 72, 3), np.uint8)
    wish = Settings(
        detail=None,
        templates=('{}',),
        refine=refine,
        min_object=6,
        max_hole=4,
    )

    def ask(*, is_live: bool) -> Any:
        if not is_live:
            return segment(
                image, CLASSES, model=tiny_model, settings=wish, region=region
            )
        live = Segmenter(tiny_model, wish).open(image, region)
        run_to_end(live.answer(ClassList.from_text('sky')))
        return run_to_end(live.answer(CLASSES))

    stored = ask(is_live=False)
    assert outputs.is_on_disk(stored.labels)
    assert outputs.is_on_disk(stored.confidence)
    live = ask(is_live=True)
    monkeypatch.delenv(outputs.OUTPUT_VARIABLE)
    plain = ask(is_live=False)
    assert isinstance(plain.labels, np.ndarray)
    for result in (stored, live):
        np.testing.assert_array_equal(result.labels[:], plain.labels)
        np.testing.assert_array_equal(result.confidence[:], plain.confidence)
    np.testing.assert_array_equal(
        outputs.count_values(stored.labels, 9),
        np.bincount(plain.labels.ravel(), minlength=9),
    )


@pytest.mark.parametrize('shape', [(40, 50), (3, 40, 50)])
def test_a_wider_type(no_memory: None, shape: tuple[int, ...]) -> None:
    array = outputs.zeros(shape, np.uint8)
    values = np.random.default_rng(0).integers(0, 200, shape, np.uint8)
    array[...] = values
    wide = outputs.widened(array, np.uint16)
    assert wide.dtype == np.uint16
    assert outputs.is_on_disk(wide)
    np.testing.assert_array_equal(wide[:], values)


def test_a_full_disk_is_told(
    no_memory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zarr

    buffer = outputs.buffered(outputs.zeros((40, 50), np.uint8))
    buffer[slice(0, 3), slice(0, 3)] = np.ones((3, 3), np.uint8)

    def fail(*_: Any) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(zarr.Array, '__setitem__', fail)
    with pytest.raises(StorageError, match='No space left'):
        outputs.finished(buffer)


def test_no_folder_is_told(folder: Path, no_memory: None) -> None:
    folder.parent.mkdir(exist_ok=True)
    folder.write_text('in the way')
    with pytest.raises(StorageError, match='cache folder'):
        outputs.zeros((40, 50), np.uint8)


def test_what_is_gone_is_no_zeros(folder: Path, no_memory: None) -> None:
    array = outputs.zeros((40, 50), np.uint8)
    array[...] = 7
    shutil.rmtree(folder)
    with pytest.raises(StorageError, match='are gone'):
        array[3:5, 2:4]
    with pytest.raises(StorageError, match='are gone'):
        np.asarray(array)
    # A part that is written would leave the rest zero.
    with pytest.raises(StorageError, match='are gone'):
        array[:20] = 5


def test_a_part_that_is_gone_is_no_zeros(
    folder: Path, no_memory: None
) -> None:
    array = outputs.zeros((3, 40, 50), np.uint8)
    array[1] = 7
    (chunk,) = folder.rglob('c/1/1/0')
    chunk.unlink()
    with pytest.raises(StorageError, match='are gone'):
        array[1, 20:30, 3:5]
    # A part that is written would leave the rest zero.
    with pytest.raises(StorageError, match='are gone'):
        array[1, 20:22, 3:5] = 5
    # What was never written is 0, and so is what was made 0.
    assert not array[0].any()
    array[1, :16] = 0
    assert not array[1, :16].any()
    assert not list(folder.rglob('c/1/0/*'))
    # All of it can be written anew.
    array[1] = 9
    assert (array[1] == 9).all()


CHILD = """
import sys, time
import numpy as np
from napari_naclip.engine import outputs
array = outputs.zeros((40, 50), np.uint8)
array[:] = 1
print(len(array[:]), flush=True)
sys.stdin.readline()
"""


def test_nothing_is_left_of_a_process(folder: Path, no_memory: None) -> None:
    """Neither of one that ends nor of one that is killed."""
    children = [
        subprocess.Popen(
            [sys.executable, '-c', CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == '40\n'
    assert len(arrays_in(folder)) == 3
    ending, killed, living = children
    ending.communicate('\n', timeout=60)
    assert len(arrays_in(folder)) == 2
    killed.send_signal(
        signal.SIGKILL if os.name == 'posix' else signal.SIGTERM
    )
    killed.communicate(timeout=60)
    own = outputs.zeros((40, 50), np.uint8)
    # That of the one that lives, and ours.
    assert len(arrays_in(folder)) == 2
    living.communicate('\n', timeout=60)
    assert len(arrays_in(folder)) == 1
    del own


def test_the_cache_moves_while_arrays_are_in_use(
    tmp_path: Path, no_memory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = outputs.zeros((20, 30), np.uint8)
    first[...] = 7
    monkeypatch.setenv('NAPARI_NACLIP_CACHE', str(tmp_path / 'other'))
    second = outputs.zeros((20, 30), np.uint8)
    second[...] = 8
    # zarr takes what is gone for zeros, and says nothing.
    assert (first[...] == 7).all()
    monkeypatch.setenv('NAPARI_NACLIP_CACHE', str(tmp_path))
    third = outputs.zeros((20, 30), np.uint8)
    first[...] = 9
    assert (first[...] == 9).all()
    assert (second[...] == 8).all()
    assert not third[...].any()
    for root in (tmp_path, tmp_path / 'other'):
        folders = list((root / 'outputs').iterdir())
        held = [path for path in folders if path.suffix == '.lock']
        assert len(held) == 1
        assert len(folders) == 2
