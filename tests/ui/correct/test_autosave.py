"""Edits are saved by themselves while there are some, offered, restored."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import npe2
import numpy as np
import pytest

from edited_layers import make
from napari_naclip.engine.types import Region
from napari_naclip.io.edit_store import UNDER_KEY, EditWriter
from napari_naclip.io.edit_thread import EDIT_THREAD
from napari_naclip.io.folders import edits_folder
from napari_naclip.io.saved_edits import find_saved
from napari_naclip.layers import changes
from napari_naclip.layers.assign import accept
from napari_naclip.layers.labels import write_region
from napari_naclip.layers.tidied import own_plane
from napari_naclip.ui.correct import save_job
from napari_naclip.ui.correct.autosave import AutoSaver
from napari_naclip.ui.correct.save_job import SaveJob

TIMEOUT = 60_000


@pytest.fixture(autouse=True)
def plugins() -> None:
    """Find the plugins, as napari's window does when it opens."""
    npe2.PluginManager.instance().discover()


def test_nothing_is_saved_without_edits(picture, qtbot) -> None:
    viewer, result = make(picture)
    saver = AutoSaver(viewer, interval=0.02)
    saver.follow(result)
    qtbot.wait(300)
    assert not list(edits_folder().iterdir())
    result.labels.paint((5, 6), 2)
    with qtbot.waitSignal(saver.told, timeout=TIMEOUT) as told:
        pass
    assert told.args[0].startswith('Edits saved by themselves')
    viewer.layers.remove(result.labels)
    qtbot.waitUntil(lambda: not list(edits_folder().iterdir()))


def test_nothing_is_copied_without_edits() -> None:
    viewer, result = make(np.zeros((700, 600)))
    job = SaveJob(result, viewer)
    assert job.begin()
    while not job.step():
        assert not job._tiles
    # Once is enough.
    assert not job.begin()
    assert not list(edits_folder().iterdir())


@pytest.mark.parametrize('place', ['_copy_one', '_find'])
def test_failed_copy_is_made_again(qtbot, monkeypatch, place) -> None:
    viewer, result = make(np.zeros((700, 600)))
    result.labels.paint((5, 6), 2)
    result.labels.paint((600, 500), 2)
    do = getattr(SaveJob, place)
    calls: list[str] = []

    def do_or_fail(self, key):
        calls.append(key)
        if len(calls) == 1:
            raise MemoryError
        return do(self, key)

    monkeypatch.setattr(SaveJob, place, do_or_fail)
    said: list[str] = []
    saver = AutoSaver(viewer, interval=0.05)
    saver.told.connect(said.append)
    saver.follow(result)
    qtbot.waitUntil(lambda: len(said) == 2, timeout=TIMEOUT)
    saver._timer.stop()
    assert 'no memory' in said[0]
    assert said[1].startswith('Edits saved')
    saver._jobs[0]._writer._held.release()
    (saved,) = find_saved(edits_folder())
    np.testing.assert_array_equal(saved.load()[0], result.labels.data)
    saved.close()


@pytest.mark.parametrize('shape', [(700, 600), (600, 700)])
def test_saved_edits_stay_until_there_are_newer_ones(qtbot, shape) -> None:
    viewer, result = make(np.zeros((700, 600)))
    saver = AutoSaver(viewer, interval=0.05)
    saver.follow(result)
    result.labels.paint((5, 6), 2)
    with qtbot.waitSignal(saver.told, timeout=TIMEOUT):
        pass
    saver._timer.stop()
    saver._timer.setInterval(600_000)
    # As after its image was removed.
    layer = result.labels
    if shape != layer.data.shape:
        layer.data = np.array(layer.data).reshape(shape)
    written = np.ones(shape, np.uint8)
    saver.follow(replace(result, image=None, written=written, listeners=[]))
    finish_writing()
    assert len(list(edits_folder().glob('*/edits.json'))) == 1
    layer.paint((9, 9), 3)
    with qtbot.waitSignal(saver.told, timeout=TIMEOUT):
        saver._begin()
    finish_writing()
    assert len(list(edits_folder().iterdir())) == 1
    saver._jobs[0]._writer._held.release()
    (saved,) = find_saved(edits_folder())
    np.testing.assert_array_equal(saved.load()[0], layer.data)
    saved.close()


def test_one_more_result_does_not_put_off_the_others(monkeypatch) -> None:
    viewer, result = make(np.zeros((30, 40)))
    saver = AutoSaver(viewer)
    saver.follow(result)
    started: list[int] = []
    monkeypatch.setattr(saver._timer, 'start', lambda: started.append(1))
    saver.follow(replace(result, image=None, listeners=[]))
    assert not started
    saver._timer.stop()


def finish_writing() -> None:
    """Wait until the thread has done all it was given."""
    is_done = threading.Event()
    EDIT_THREAD._do(is_done.set)
    assert is_done.wait(TIMEOUT / 1000)


def test_saved_in_batches_though_one_fails(qtbot, monkeypatch) -> None:
    monkeypatch.setattr(save_job, '_BATCH', 1)
    viewer, result = make(np.zeros((700, 600)))
    result.labels.paint((600, 500), 2)
    taken: list[int] = []
    take = EditWriter.take

    def take_or_fail(self, tiles) -> None:
        # Each comes with what the model says there.
        taken.append(sum(not key.startswith(UNDER_KEY) for key in tiles))
        if len(taken) == 2:
            raise RuntimeError('no room')
        take(self, tiles)

    monkeypatch.setattr(EditWriter, 'take', take_or_fail)
    said: list[str] = []
    saver = AutoSaver(viewer, interval=0.05)
    saver.told.connect(said.append)
    saver.follow(result)
    qtbot.waitUntil(lambda: len(said) == 2, timeout=TIMEOUT)
    assert 'no room' in said[0]
    assert said[1].startswith('Edits saved')
    # One of four fails, then the rest follows, and at last none.
    assert taken == [1, 1, 1, 1, 1, 0]
    saver._timer.stop()
    saver._jobs[0]._writer._held.release()
    (saved,) = find_saved(edits_folder())
    labels, written, _ = saved.load()
    saved.close()
    np.testing.assert_array_equal(labels, result.labels.data)
    assert (written == 1).all()


def test_what_was_accepted_is_saved_and_comes_back(picture, qtbot) -> None:
    viewer, result = make(picture)
    saver = AutoSaver(viewer, interval=0.05)
    saver.follow(result)
    plane = (slice(None), slice(None))
    mask = np.ones((3, 4), bool)
    # Without any edit: it is work of a person, too.
    with qtbot.waitSignal(saver.told, timeout=TIMEOUT):
        for _ in accept(result, plane, Region(5, 6, 8, 10), mask):
            pass
    saver._timer.stop()
    saver._jobs[0]._writer._held.release()
    (saved,) = find_saved(edits_folder())
    labels, written, accepted = saved.load()
    saved.close()
    assert accepted.sum() == 12
    assert accepted[5:8, 6:10].all()
    assert ((labels == 1) & (written == 1)).all()


def test_what_the_model_says_under_edits_is_saved(picture, qtbot) -> None:
    viewer, result = make(picture)
    saver = AutoSaver(viewer, interval=0.05)
    saver.follow(result)
    with qtbot.waitSignal(saver.told, timeout=TIMEOUT):
        result.labels.paint((5, 6), 2)
    # All of it is edited: no label changes with the answer.
    own = result.labels.data == 2
    with qtbot.waitSignal(saver.told, timeout=TIMEOUT):
        write_region(
            result,
            own_plane(result, (slice(None), slice(None))),
            np.full(own.shape, 3, np.uint8),
            mask=own,
        )
    saver._timer.stop()
    saver._jobs[0]._writer._held.release()
    (saved,) = find_saved(edits_folder())
    labels, written, _ = saved.load()
    under = saved.load_under(written)
    saved.close()
    np.testing.assert_array_equal(under, np.where(own, 3 + 1, 0))
    np.testing.assert_array_equal(labels, np.where(own, 2, 1))


def test_labels_saved_by_napari_alone_are_kept(
    picture, qtbot, tmp_path
) -> None:
    """Its TIFF does not tell which pixels the person edited."""
    viewer, result = make(picture)
    saver = AutoSaver(viewer, interval=0.05)
    saver.follow(result)
    result.labels.paint((5, 6), 2)
    with qtbot.waitSignal(saver.told, timeout=TIMEOUT):
        pass
    result.labels.save(str(tmp_path / 'b.tif'), plugin='napari')
    assert (tmp_path / 'b.tif').exists()
    qtbot.wait(200)
    assert list(edits_folder().glob('*/edits.json'))


def test_saved_layer_needs_no_other(picture, qtbot, tmp_path) -> None:
    viewer, result = make(picture)
    saver = AutoSaver(viewer, interval=0.05)
    saver.follow(result)
    result.labels.paint((5, 6), 2)
    with qtbot.waitSignal(saver.told, timeout=TIMEOUT):
        pass
    result.labels.save(str(tmp_path / 'a.naclip'))
    qtbot.waitUntil(lambda: not list(edits_folder().iterdir()))
    qtbot.wait(200)
    assert not list(edits_folder().iterdir())
    result.labels.paint((9, 9), 3)
    qtbot.waitUntil(
        lambda: bool(list(edits_folder().glob('*/edits.json'))),
        timeout=TIMEOUT,
    )


def test_one_message_where_nothing_can_be_saved(
    picture, qtbot, tmp_path, monkeypatch
) -> None:
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('NAPARI_NACLIP_STATE', str(tmp_path / 'file'))
    viewer, result = make(picture)
    said: list[str] = []
    saver = AutoSaver(viewer, interval=0.02)
    saver.told.connect(said.append)
    saver.follow(result)
    result.labels.paint((5, 6), 2)
    qtbot.waitUntil(lambda: bool(said), timeout=TIMEOUT)
    qtbot.wait(200)
    assert len(said) == 1
    assert 'not saved by themselves' in said[0]
    # Nothing is lost: as soon as there is a place all of it is saved.
    monkeypatch.setenv('NAPARI_NACLIP_STATE', str(tmp_path / 'state'))
    qtbot.waitUntil(
        lambda: bool(list(edits_folder().glob('*/edits.json'))),
        timeout=TIMEOUT,
    )


def test_what_other_plugins_write_elsewhere_is_saved_in_turn(
    qtbot, monkeypatch
) -> None:
    monkeypatch.setattr(changes, '_SOME', 3)
    viewer, result = make(np.zeros((8, 30, 40)))
    saver = AutoSaver(viewer, interval=0.02)
    saver.follow(result)
    viewer.dims.set_point(0, 0)
    result.labels.paint((0, 5, 6), 2)
    with qtbot.waitSignal(saver.told, timeout=TIMEOUT):
        pass
    (job,) = saver._jobs
    qtbot.waitUntil(lambda: not job.is_busy and job.marks.is_empty)
    # Where nobody looks, and nothing tells where.
    result.labels.data[6, 7, 8] = 3

    def is_saved() -> bool:
        result.labels.refresh()
        return '6,0,0' in job._writer._places

    assert not is_saved()
    qtbot.waitUntil(is_saved, timeout=TIMEOUT)
    saver._timer.stop()
    qtbot.waitUntil(lambda: not job.is_busy)
    job._writer._held.release()
    (saved,) = find_saved(edits_folder())
    np.testing.assert_array_equal(saved.load()[0], result.labels.data)
    saved.close()


def test_undo_on_another_plane_is_saved(qtbot) -> None:
    viewer, result = make(np.zeros((3, 30, 40)))
    saver = AutoSaver(viewer, interval=0.05)
    saver.follow(result)
    viewer.dims.set_point(0, 0)
    result.labels.paint((0, 5, 6), 2)
    result.labels.paint((0, 15, 16), 2)
    with qtbot.waitSignal(saver.told, timeout=TIMEOUT):
        pass
    viewer.dims.set_point(0, 2)
    qtbot.wait(300)
    result.labels.undo()
    started = time.time()
    path = next(edits_folder().glob('*/edits.json'))
    qtbot.waitUntil(lambda: path.stat().st_mtime > started, timeout=TIMEOUT)
    (job,) = saver._jobs
    qtbot.waitUntil(lambda: not job.is_busy and job.marks.is_empty)
    saver._timer.stop()
    job._writer._held.release()
    (saved,) = find_saved(edits_folder())
    np.testing.assert_array_equal(saved.load()[0], result.labels.data)
    saved.close()
