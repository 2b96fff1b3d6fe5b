"""Edits saved by themselves: whole, small, found again, and let go."""

from __future__ import annotations

import json
import os
import queue
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_naclip.engine import outputs
from napari_naclip.engine.errors import InputError, StorageError
from napari_naclip.io import edit_store, saved_edits
from napari_naclip.io.edit_store import UNDER_KEY, EditWriter, under_tile
from napari_naclip.io.edit_thread import EditThread
from napari_naclip.io.known_image import describe_image
from napari_naclip.io.saved_edits import find_saved, tile_index

SHAPE = (2, 20, 13)
SIDE = 8


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_edits, 'TILE', SIDE)


def keys_of(shape=SHAPE) -> list[str]:
    planes, rows, columns = shape
    return [
        f'{plane},{row},{column}'
        for plane in range(planes)
        for row in range(-(-rows // SIDE))
        for column in range(-(-columns // SIDE))
    ]


def tiles_of(labels, written, keys=None, accepted=None):
    return {
        key: (
            labels[index].copy(),
            written[index].copy(),
            None
            if accepted is None or not accepted[index].any()
            else accepted[index].copy(),
        )
        for key in (keys or keys_of())
        for index in [tile_index(key, SHAPE)]
    }


def leave(writer: EditWriter) -> None:
    """End as by a crash."""
    writer._held.release()


HEAD = {'shape': list(SHAPE), 'layer': {'name': 'x'}}
changes = st.lists(
    st.tuples(
        st.sampled_from(keys_of()),
        st.integers(0, 3),
        st.booleans(),
        st.booleans(),
    ),
    max_size=5,
)


@given(saves=st.lists(changes, min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_what_was_saved_last_comes_back(tmp_path_factory, saves) -> None:
    root = tmp_path_factory.mktemp('edits')
    labels = np.zeros(SHAPE, np.uint8)
    written = np.zeros(SHAPE, np.uint16)
    accepted = np.zeros(SHAPE, bool)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_edits, 'TILE', SIDE)
        # All files are worth being made smaller.
        patch.setattr(edit_store, '_LITTLE', 0)
        writer = EditWriter(root)
        for save in saves:
            changed = set()
            for key, value, is_edit, is_right in save:
                # Every third of its pixels.
                accepted[tile_index(key, SHAPE)][..., ::3] = is_right
                labels[tile_index(key, SHAPE)] = value
                if not is_edit:
                    written[tile_index(key, SHAPE)] = value
                changed.add(key)
            writer.take(tiles_of(labels, written, sorted(changed), accepted))
            writer.commit(HEAD)
        assert find_saved(root) == []
        leave(writer)
        (saved,) = find_saved(root)
        again = saved.load()
        saved.close()
    for own, model in zip(again[:2], (labels, written), strict=True):
        np.testing.assert_array_equal(own, model)
    if accepted.any():
        np.testing.assert_array_equal(again[2], accepted)
    else:
        assert again[2] is None
    assert saved.head['layer'] == {'name': 'x'}


def test_large_ones_come_back_on_the_disk(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv('NAPARI_NACLIP_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv(outputs.OUTPUT_VARIABLE, '0')
    labels = np.random.default_rng(0).integers(0, 9, SHAPE, dtype=np.uint8)
    writer = EditWriter(tmp_path / 'edits')
    writer.take(tiles_of(labels, labels // 2, accepted=labels > 4))
    writer.commit(HEAD)
    leave(writer)
    (saved,) = find_saved(tmp_path / 'edits')
    found = saved.load()
    saved.close()
    expected = labels, labels // 2, labels > 4
    for own, wanted in zip(found, expected, strict=True):
        assert outputs.is_on_disk(own)
        np.testing.assert_array_equal(own[:], wanted)


def test_only_changed_tiles_are_written(tmp_path) -> None:
    labels = np.random.default_rng(0).integers(0, 9, SHAPE, dtype=np.uint8)
    written = np.zeros_like(labels)
    writer = EditWriter(tmp_path)
    writer.take(tiles_of(labels, written))
    writer.commit(HEAD)
    (first,) = writer.folder.glob('*.tiles')
    labels[0, 0, 0] += 1
    writer.take(tiles_of(labels, written))
    writer.commit(HEAD)
    second = max(writer.folder.glob('*.tiles'))
    assert second != first
    assert second.stat().st_size < first.stat().st_size / 4
    # Nothing has changed: no file more.
    writer.take(tiles_of(labels, written))
    writer.commit(HEAD)
    assert max(writer.folder.glob('*.tiles')) == second
    writer.remove()
    assert not list(tmp_path.iterdir())


def test_full_disk_keeps_the_last_save_and_tries_again(
    tmp_path, monkeypatch
) -> None:
    labels, written = np.ones(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    writer = EditWriter(tmp_path)
    writer.take(tiles_of(labels, written))
    writer.commit(HEAD)
    before = labels.copy()
    labels[1] = 5
    writer.take(tiles_of(labels, written))
    with monkeypatch.context() as patch:

        def full(_number: int) -> None:
            raise OSError(28, 'No space left on device')

        patch.setattr(os, 'fsync', full)
        with pytest.raises(StorageError, match='no room on the disk'):
            writer.commit(HEAD)
    leave(writer)
    (saved,) = find_saved(tmp_path)
    np.testing.assert_array_equal(saved.load()[0], before)
    saved.close()
    writer.commit(HEAD)
    (saved,) = find_saved(tmp_path)
    np.testing.assert_array_equal(saved.load()[0], labels)
    saved.discard()
    assert not list(tmp_path.iterdir())


def test_failed_head_does_not_stop_later_saves(tmp_path, monkeypatch) -> None:
    labels, written = np.ones(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    writer = EditWriter(tmp_path)
    write = edit_store.write_atomically

    def write_tiles_only(path, **options):
        if path.name == edit_store.HEAD_NAME:
            raise StorageError('no room')
        return write(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(edit_store, 'write_atomically', write_tiles_only)
        for value in (1, 2):
            labels[:] = value
            writer.take(tiles_of(labels, written))
            with pytest.raises(StorageError, match='no room'):
                writer.commit(HEAD)
    labels[0] = 3
    writer.take(tiles_of(labels, written))
    writer.commit(HEAD)
    leave(writer)
    (saved,) = find_saved(tmp_path)
    np.testing.assert_array_equal(saved.load()[0], labels)
    saved.close()


def test_tiles_of_older_files_are_read(tmp_path) -> None:
    labels, written = np.ones(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    writer = EditWriter(tmp_path)
    writer.take(tiles_of(labels, written))
    writer.commit(HEAD)
    leave(writer)
    path = writer.folder / 'edits.json'
    head = json.loads(path.read_text())
    for place in head['tiles'].values():
        # Nothing was said of what was accepted.
        assert place.pop() is False
    path.write_text(json.dumps(head))
    (saved,) = find_saved(tmp_path)
    again = saved.load()
    saved.close()
    np.testing.assert_array_equal(again[0], labels)
    assert again[2] is None


def test_what_the_model_says_comes_back(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(edit_store, '_LITTLE', 0)
    labels, written = np.ones(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    under = np.zeros(SHAPE, np.uint32)
    writer = EditWriter(tmp_path)
    for value in (3, 0, 256):
        under[0, 1, 2:4] = value
        writer.take(
            {
                **tiles_of(labels, written),
                **{
                    UNDER_KEY + key: under_tile(under[tile_index(key, SHAPE)])
                    for key in keys_of()
                },
            }
        )
        writer.commit(HEAD)
        head = json.loads((writer.folder / 'edits.json').read_text())
        assert len(head['under']) == bool(value)
        # Whoever knows nothing of it reads the rest.
        assert {*head['tiles']} == {*keys_of()}
    leave(writer)
    (saved,) = find_saved(tmp_path)
    np.testing.assert_array_equal(saved.load_under(written), under)
    with pytest.raises(InputError, match='damaged'):
        saved.load_under(written.astype(np.int8))
    saved.head.pop('under')
    assert saved.load_under(written) is None
    saved.close()


def test_damage_is_told(tmp_path) -> None:
    labels, written = np.ones(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    writer = EditWriter(tmp_path)
    writer.take(tiles_of(labels, written))
    writer.commit(HEAD)
    leave(writer)
    (path,) = writer.folder.glob('*.tiles')
    content = bytearray(path.read_bytes())
    content[9] ^= 255
    path.write_bytes(content)
    (saved,) = find_saved(tmp_path)
    with pytest.raises(InputError, match='damaged'):
        saved.load()
    saved.close()
    # A path in the place of a name reaches no other folder.
    head = json.loads((writer.folder / 'edits.json').read_text())
    for place in head['tiles'].values():
        place[0] = f'../{path.name}'
    (writer.folder / 'edits.json').write_text(json.dumps(head))
    (tmp_path / path.name).write_bytes(content)
    (saved,) = find_saved(tmp_path)
    with pytest.raises(InputError, match='damaged'):
        saved.load()
    saved.close()


def test_only_what_was_offered_for_long_goes(tmp_path) -> None:
    labels, written = np.ones(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    now, day = time.time(), 86_400
    for age in (0, 10, 400 * day):
        writer = EditWriter(tmp_path)
        writer.take(tiles_of(labels, written))
        writer.commit({**HEAD, 'saved': now - age})
        leave(writer)
    found = find_saved(tmp_path)
    # However old they are: nobody has seen them.
    ages = [round(now - each.head['saved']) for each in found]
    assert ages == [0, 10, 400 * day]
    for each, days in zip(found, (None, 29, 31), strict=True):
        each.mark_offered()
        path = each.folder / edit_store.OFFERED_NAME
        if days is not None:
            os.utime(path, (now - days * day,) * 2)
        since = path.stat().st_mtime
        # It counts when they were offered first.
        each.mark_offered()
        assert path.stat().st_mtime == since
        each.close()
    found = find_saved(tmp_path)
    assert [round(now - each.head['saved']) for each in found] == [0, 10]
    assert len(list(tmp_path.iterdir())) == 2
    for each in found:
        each.discard()
    assert not list(tmp_path.iterdir())


def test_only_folders_without_a_head_are_removed_as_broken(tmp_path) -> None:
    heads = ('{"format": "napari-naclip edits, version 2"}', '{', None)
    for number, head in enumerate(heads):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / '000000.tiles').write_bytes(b'x')
        if head is not None:
            (folder / edit_store.HEAD_NAME).write_text(head)
        os.utime(folder, (0, 0))
    for _ in range(2):
        assert find_saved(tmp_path) == []
        # The lock is a file, too.
        for folder in tmp_path.iterdir():
            os.utime(folder, (0, 0))
    assert {each.name for each in tmp_path.iterdir()} == {'0', '1'}
    assert (tmp_path / '0' / '000000.tiles').exists()


class Remote:
    """An image that is read from elsewhere, or is not."""

    shape = (30, 40)
    dtype = np.dtype(np.uint8)

    def __init__(self, *, is_there: bool) -> None:
        self.is_there = is_there
        self.reads = 0

    def __getitem__(self, index) -> np.ndarray:
        self.reads += 1
        if not self.is_there:
            raise RuntimeError('a chunk is missing')
        return np.ones(self.shape, self.dtype)[index]


@pytest.mark.parametrize('is_there', [True, False])
def test_remote_image_is_read_once_and_stops_no_save(
    tmp_path, is_there
) -> None:
    image = Remote(is_there=is_there)
    labels, written = np.ones(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    writer = EditWriter(tmp_path)
    thread, outcomes = EditThread(), queue.Queue()
    reads = set()
    for value in (1, 2, 3):
        labels[:] = value
        tiles = tiles_of(labels, written)
        thread.save(writer, tiles, HEAD, image, outcomes.put)
        assert outcomes.get(timeout=60) is None
        reads.add(image.reads)
    assert len(reads) == 1
    leave(writer)
    (saved,) = find_saved(tmp_path)
    np.testing.assert_array_equal(saved.load()[0], labels)
    assert saved.head['image'] == (describe_image(image) if is_there else None)
    # Other data are read again.
    other = Remote(is_there=True)
    thread.save(writer, {}, HEAD, other, outcomes.put)
    assert outcomes.get(timeout=60) is None
    assert other.reads == 5
    saved.close()


def test_image_is_known_by_pixels() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)
    other = image.copy()
    other[20, 30] ^= 1
    assert describe_image(image) == describe_image(image.copy())
    assert describe_image(image) != describe_image(other)
    assert describe_image(image[:, :50]) != describe_image(image)
    assert describe_image(None) is None
    assert describe_image(image[:1, :1])['shape'] == [1, 1, 3]
