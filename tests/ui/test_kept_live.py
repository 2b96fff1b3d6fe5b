"""What is kept to answer later questions, and the thread that answers."""

from __future__ import annotations

import threading
import tracemalloc
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_naclip.engine import segmenter
from napari_naclip.engine.types import Progress, Region, Settings
from napari_naclip.layers.picture import Picture
from napari_naclip.layers.read import take_snapshots
from napari_naclip.ui import kept_live, kept_parts
from napari_naclip.ui.compute import ModelRequest
from napari_naclip.ui.kept_image import has_channels
from napari_naclip.ui.kept_live import LiveBook
from napari_naclip.ui.live_thread import LiveThread, Question, Wish

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


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


def add_all(
    book: LiveBook, snapshots, result, owner: Owner, model: object = None
) -> None:
    """Keep all jobs of a run."""
    request = SimpleNamespace(
        image=result.image,
        model=model,
        classes=None,
        settings=Settings(),
        snapshots=snapshots,
        snapshot=snapshots[0],
    )
    for snapshot in snapshots:
        finished = SimpleNamespace(live=Live(), snapshot=snapshot)
        book.add(request, finished, result, frozenset(), owner)


def awake(book: LiveBook, result, snapshots) -> list[tuple[int, ...]]:
    """Return the planes that answer at once."""
    return [
        kept.snapshot.plane_key
        for snapshot in snapshots
        for kept in book.find(result, snapshot.index)
        if kept.live is not None
    ]


def make_stack(planes: int) -> tuple[ViewerModel, SimpleNamespace]:
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((planes, 8, 8)))
    labels = viewer.add_labels(np.zeros((planes, 8, 8), int))
    return viewer, SimpleNamespace(image=image, labels=labels)


def test_the_plane_on_the_screen_stays_awake(owner: Owner) -> None:
    viewer, result = make_stack(12)
    viewer.dims.set_point(0, 5)
    snapshots = take_snapshots(result.image, viewer, Settings(), scope='all')
    book = LiveBook(viewer)
    add_all(book, snapshots, result, owner)
    # All can answer; some must be made again before.
    assert len(book) == 12
    answering = awake(book, result, snapshots)
    # The others are those that came last.
    planes = [plane for plane in range(12) if plane != 5][-7:]
    assert answering == [(5,), *((plane,) for plane in planes)]


def test_what_answered_last_stays_awake(owner: Owner) -> None:
    viewer, result = make_stack(12)
    snapshots = take_snapshots(result.image, viewer, Settings(), scope='all')
    book = LiveBook(viewer)
    add_all(book, snapshots, result, owner)
    (asleep,) = (
        kept
        for kept in book.find(result, snapshots[1].index)
        if kept.live is None
    )
    asleep.live = Live()
    book.use(asleep)
    assert len(book) == 12
    keys = awake(book, result, snapshots)
    assert len(keys) == kept_parts._MOST_KEPT
    assert asleep.snapshot.plane_key in keys
    # Of two that were made one after the other, the older one sleeps first.
    assert (11,) in keys


def test_what_an_aside_wakes_counts_too(owner: Owner, monkeypatch) -> None:
    viewer, result = make_stack(12)
    snapshots = take_snapshots(result.image, viewer, Settings(), scope='all')
    book = LiveBook(viewer)
    add_all(book, snapshots, result, owner)

    def load(_model: object) -> Iterator[Progress]:
        yield Progress('load')

    class Segmenter:
        def __init__(self, *_args: object) -> None:
            """Has no model."""

        def iter_open(self, *_args: object) -> Generator[Progress, None, Live]:
            yield Progress('read')
            return Live()

    monkeypatch.setattr(kept_live.SLOT, 'load', load)
    monkeypatch.setattr(segmenter, 'Segmenter', Segmenter)
    for snapshot in snapshots[1:4]:
        (kept,) = book.find(result, snapshot.index)
        assert kept.live is None
        for _ in kept.wake():
            pass
    keys = awake(book, result, snapshots)
    assert len(keys) == kept_parts._MOST_KEPT
    # None of them let another one sleep.
    assert {each.plane_key for each in snapshots[1:4]} < set(keys)


def test_what_keeps_another_model_sleeps(owner: Owner) -> None:
    viewer, result = make_stack(2)
    snapshots = take_snapshots(result.image, viewer, Settings(), scope='all')
    book = LiveBook(viewer)
    add_all(book, snapshots, result, owner)
    book.keep_model(None)
    assert len(awake(book, result, snapshots)) == 2
    book.keep_model(SimpleNamespace())
    assert not awake(book, result, snapshots)
    assert len(book) == 2


@pytest.mark.parametrize('regions', [32, 33])
def test_all_regions_of_a_plane_answer(owner: Owner, regions: int) -> None:
    viewer, result = make_stack(1)
    viewer.dims.set_point(0, 0)
    (plane,) = take_snapshots(result.image, viewer, Settings())
    snapshots = tuple(
        replace(plane, region=Region(0, 0, 1 + number % 8, 8))
        for number in range(regions)
    )
    book = LiveBook(viewer)
    add_all(book, snapshots, result, owner)
    found = book.find(result, plane.index)
    assert len(found) == regions
    assert sum(kept.live is not None for kept in found) == 32


def test_what_is_replaced_sleeps_though_others_hold_it(owner: Owner) -> None:
    viewer, result = make_stack(1)
    snapshots = take_snapshots(result.image, viewer, Settings(), scope='all')
    book = LiveBook(viewer)
    add_all(book, snapshots, result, owner)
    (old,) = book.find(result, snapshots[0].index)
    add_all(book, snapshots, result, owner)
    assert old.live is None
    (new,) = book.find(result, snapshots[0].index)
    assert new.live is not None
    # Nor does it stay awake once it was asked again.
    old.live = Live()
    book.use(old)
    assert old.live is None
    viewer.layers.remove(result.labels)
    assert new.live is None


@pytest.fixture
def parts():
    """Return viewer, result, and the left and right part of its plane."""
    viewer, result = make_stack(1)
    (plane,) = take_snapshots(result.image, viewer, Settings())
    return (
        viewer,
        result,
        replace(plane, region=Region(0, 0, 8, 4)),
        replace(plane, region=Region(0, 4, 8, 8)),
    )


def test_parts_of_several_runs_are_kept(parts, owner: Owner) -> None:
    viewer, result, left, right = parts
    book = LiveBook(viewer)
    add_all(book, (left,), result, owner)
    add_all(book, (right,), result, owner)
    found = book.find(result, left.index)
    assert [each.snapshot for each in found] == [left, right]
    # Two columns of both are those of a third run.
    middle = replace(left, region=Region(0, 3, 8, 5))
    add_all(book, (middle,), result, owner)
    found = book.find(result, left.index)
    assert [each.snapshot.region for each in found] == [
        Region(0, 0, 8, 3),
        Region(0, 5, 8, 8),
        middle.region,
    ]
    # What is left of a region is another one for what answers.
    assert [each.live is None for each in found] == [True, True, False]
    add_all(book, (replace(left, region=None),), result, owner)
    assert len(book) == 1


@pytest.mark.parametrize(
    'change', ['model', 'level', 'axes', 'picture', 'nothing']
)
def test_only_parts_that_were_seen_alike_stay(
    parts, owner: Owner, change: str
) -> None:
    viewer, result, left, right = parts
    changes = {
        'level': {'level': 1},
        'axes': {'is_transposed': True, 'region': Region(4, 0, 8, 8)},
        'picture': {'data': np.ones((1, 8, 8))},
    }
    book = LiveBook(viewer)
    old, new = ModelRequest('demo'), ModelRequest('demo', may_download=True)
    if change == 'model':
        new = ModelRequest('demo', precision='float32')
    add_all(book, (left,), result, owner, old)
    right = replace(right, **changes.get(change, {}))
    add_all(book, (right,), result, owner, new)
    assert len(book) == (2 if change == 'nothing' else 1)


def test_all_parts_follow_the_panel_that_ran_last(parts, owner: Owner) -> None:
    viewer, result, left, right = parts
    book = LiveBook(viewer)
    add_all(book, (left,), result, owner)
    other = Owner()
    add_all(book, (right,), result, other)
    assert [k.owner() for k in book.find(result, left.index)] == [other] * 2


def test_older_parts_sleep_where_room_is_short(
    parts, owner: Owner, monkeypatch
) -> None:
    viewer, result, left, right = parts
    monkeypatch.setattr(kept_parts, '_MOST_PIXELS', 40)
    book = LiveBook(viewer)
    add_all(book, (left,), result, owner)
    add_all(book, (right,), result, owner)
    found = book.find(result, left.index)
    assert [each.live is None for each in found] == [True, False]
    # Who answers in turn is not the one of the last run.
    found[0].live = Live()
    book.use(found[0])
    assert [each.live is None for each in found] == [True, False]
    # All of one run stay, as many as they are.
    add_all(book, (left, right), result, owner)
    found = book.find(result, left.index)
    assert [each.live is None for each in found] == [False, False]


@pytest.mark.parametrize('change', ['none', 'model'])
def test_a_run_is_to_change_what_it_covers(
    parts, owner: Owner, change: str
) -> None:
    viewer, result, left, right = parts
    book = LiveBook(viewer)
    add_all(book, (left,), result, owner)
    add_all(book, (right,), result, owner)
    request = SimpleNamespace(
        target=result,
        model='other' if change == 'model' else None,
        snapshots=(replace(left, region=Region(0, 0, 2, 2)),),
    )
    found = [kept.snapshot for kept in book.find_before(request)]
    assert found == ([left, right] if change == 'model' else [left])
    request.target = None
    assert not book.find_before(request)


def test_cancel_takes_no_mask_of_a_large_region(parts, owner: Owner) -> None:
    viewer, result, left, _ = parts
    large = replace(left, region=Region(0, 0, 10_000, 10_000))
    book = LiveBook(viewer)
    add_all(book, (large,), result, owner)
    inner = replace(left, region=Region(0, 0, 9_000, 9_000))
    request = SimpleNamespace(target=result, model=None, snapshots=(inner,))
    tracemalloc.start()
    try:
        assert len(book.find_before(request)) == 1
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


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
        def wake():
            return live
            yield

        kept = SimpleNamespace(wake=wake, snapshot=None, shown=None)
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
