"""What is kept to answer later questions, and the thread that answers."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_naclip.engine.types import Progress, Region, Settings
from napari_naclip.layers.picture import Picture
from napari_naclip.layers.read import take_snapshots
from napari_naclip.ui import kept_live
from napari_naclip.ui.kept_live import LiveBook, has_channels
from napari_naclip.ui.live_thread import LiveThread, Question, Wish


class Owner:
    """A panel."""


class Live:
    """Answers nothing, but remembers that its memory was wanted back."""

    is_freed = False

    def free(self) -> None:
        self.is_freed = True


@pytest.fixture
def owner() -> Owner:
    return Owner()


def add_all(book: LiveBook, snapshots, result, owner: Owner) -> None:
    """Keep all jobs of a run."""
    request = SimpleNamespace(
        image=result.image,
        model=None,
        classes=None,
        settings=Settings(),
        snapshots=snapshots,
        snapshot=snapshots[0],
    )
    for snapshot in snapshots:
        finished = SimpleNamespace(live=Live(), snapshot=snapshot)
        book.add(request, finished, result, frozenset(), owner)


def make_stack(planes: int) -> tuple[ViewerModel, SimpleNamespace]:
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((planes, 8, 8)))
    labels = viewer.add_labels(np.zeros((planes, 8, 8), int))
    return viewer, SimpleNamespace(image=image, labels=labels)


def test_the_plane_on_the_screen_is_kept(owner: Owner) -> None:
    viewer, result = make_stack(12)
    viewer.dims.set_point(0, 5)
    snapshots = take_snapshots(result.image, viewer, Settings(), scope='all')
    book = LiveBook(viewer)
    add_all(book, snapshots, result, owner)
    assert len(book) == kept_live._MOST_KEPT
    answering = [
        snapshot.plane_key
        for snapshot in snapshots
        if book.find(result, snapshot.index)
    ]
    # The others are those that came last.
    planes = [plane for plane in range(12) if plane != 5][-7:]
    assert answering == [(5,), *((plane,) for plane in planes)]


@pytest.mark.parametrize(('regions', 'kept'), [(32, 32), (33, 0)])
def test_all_regions_of_a_plane_answer_or_none(
    owner: Owner, regions: int, kept: int
) -> None:
    viewer, result = make_stack(1)
    viewer.dims.set_point(0, 0)
    (plane,) = take_snapshots(result.image, viewer, Settings())
    snapshots = tuple(
        replace(plane, region=Region(0, 0, 1 + number % 8, 8))
        for number in range(regions)
    )
    book = LiveBook(viewer)
    add_all(book, snapshots, result, owner)
    assert len(book.find(result, plane.index)) == kept


def test_memory_is_given_back(owner: Owner) -> None:
    viewer, result = make_stack(2)
    snapshots = take_snapshots(result.image, viewer, Settings(), scope='all')
    book = LiveBook(viewer)
    add_all(book, snapshots, result, owner)
    kept_live.free_all()
    assert all(each.live.is_freed for each in book._kept)


@pytest.mark.parametrize('change', ['removed', 'replaced'])
def test_a_channel_that_is_gone_is_noticed(owner: Owner, change: str) -> None:
    viewer, result = make_stack(1)
    other = viewer.add_image(np.ones((1, 8, 8)))
    snapshots = take_snapshots(
        result.image,
        viewer,
        Settings(),
        picture=Picture(channels='composite'),
    )
    book = LiveBook(viewer)
    add_all(book, snapshots, result, owner)
    (kept,) = book.find(result, snapshots[0].index)
    assert has_channels(kept, viewer)
    if change == 'removed':
        viewer.layers.remove(other)
    else:
        other.data = np.zeros((1, 8, 8))
    assert not has_channels(kept, viewer)


def test_stopping_stops_what_was_replaced_too() -> None:
    is_asked, go_on, is_idle = (threading.Event() for _ in range(3))

    class Slow:
        def answer(self, *_arguments: object, **_options: object):
            yield Progress('windows', 0, 1)
            is_asked.set()
            go_on.wait(20)
            return 'labels'

    class Last:
        def answer(self, *_arguments: object, **_options: object):
            is_idle.set()
            return 'last'
            yield

    def wish(owner: object, live: object) -> Wish:
        kept = SimpleNamespace(live=live, snapshot=None, shown=None)
        wanted = SimpleNamespace(classes=None, settings=Settings())
        return Wish(owner, (Question(kept, wanted, None),))

    told = []
    thread = LiveThread(told.append, lambda *_: None)
    mine, others = object(), object()
    first, second = wish(mine, Slow()), wish(mine, Slow())
    thread.submit(first)
    assert is_asked.wait(20)
    thread.submit(second)
    thread.stop(second)
    thread.submit(wish(others, Last()))
    go_on.set()
    assert is_idle.wait(20)
    thread.close()
    assert not [each for each in told if each.wish.owner is mine]
