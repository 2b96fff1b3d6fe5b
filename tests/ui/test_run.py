"""A run of several jobs without a window: what is told, and when."""

from __future__ import annotations

import dataclasses
import gc
import threading
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_naclip.engine.encoder import Encoder
from napari_naclip.engine.types import (
    ClassList,
    Partial,
    Progress,
    Region,
    Settings,
)
from napari_naclip.layers.read import PlaneSnapshot
from napari_naclip.ui import messages
from napari_naclip.ui.compute import (
    SLOT,
    ModelRequest,
    threads_left_for_window,
)
from napari_naclip.ui.jobs import Part
from napari_naclip.ui.parts import merge_partials
from napari_naclip.ui.run import (
    Cancelled,
    Done,
    Failed,
    RunController,
    RunProgress,
    RunRequest,
)

#: All that a run looks at of what the engine returns.
ANSWER = SimpleNamespace(labels=np.zeros((2, 2), np.uint8))


def make_request(planes: np.ndarray) -> RunRequest:
    """Return a request for every plane of (N, H, W)."""
    return RunRequest(
        image=None,
        snapshots=tuple(
            PlaneSnapshot(
                data=planes,
                index=(number, slice(None), slice(None)),
                is_transposed=False,
                shape=planes.shape,
                level=0,
                downsample_factors=(1.0,) * 3,
                contrast_limits=(0.0, 255.0),
                gamma=1.0,
            )
            for number in range(len(planes))
        ),
        classes=ClassList.from_text('sand; water'),
        settings=Settings(),
        model=ModelRequest('demo', device='cpu', precision='float32'),
        target=None,
    )


class Told:
    """What a controller says, in order."""

    def __init__(self, controller: RunController) -> None:
        self.progress: list[RunProgress] = []
        self.parts, self.finished, self.ends = [], [], []
        controller.progressed.connect(self.progress.append)
        controller.partial.connect(self.take_part)
        controller.plane_finished.connect(self.take_finished)
        controller.ended.connect(self.take_end)

    def take_part(self, request, part) -> None:
        self.parts.append(part)

    def take_finished(self, request, finished) -> None:
        self.finished.append(finished)

    def take_end(self, request, outcome) -> None:
        self.ends.append(outcome)


@pytest.fixture
def planes() -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (3, 6, 8)).astype(np.uint8)
    return coarse.repeat(16, axis=1).repeat(16, axis=2)


@pytest.fixture
def controller(qtbot) -> RunController:
    return RunController()


def test_planes_one_after_the_other(qtbot, controller, planes) -> None:
    told, request = Told(controller), make_request(planes)
    controller.start(request)
    qtbot.waitUntil(lambda: bool(told.ends), timeout=60_000)
    assert told.ends == [Done(3)]
    assert not controller.is_running
    assert [each.snapshot for each in told.finished] == list(request.snapshots)
    jobs = [each.job for each in told.progress if each.stage == 'windows']
    assert sorted(set(jobs)) == [1, 2, 3]
    assert jobs == sorted(jobs)
    assert {each.jobs for each in told.progress} == {3}
    assert told.progress[-1].run_left is not None
    alone = Told(controller)
    controller.start(make_request(planes[1:2]))
    qtbot.waitUntil(lambda: bool(alone.ends), timeout=60_000)
    np.testing.assert_array_equal(
        alone.finished[0].segmentation.labels,
        told.finished[1].segmentation.labels,
    )


def test_cancel_between_planes_keeps_count(
    qtbot, controller, planes, hold_at
) -> None:
    told = Told(controller)
    hold = hold_at(Encoder, '_tokens')
    hold.go_on.set()
    # In the GUI thread, after the first plane has arrived there.
    controller.plane_finished.connect(controller.cancel)
    controller.start(make_request(planes))
    qtbot.waitUntil(lambda: bool(told.ends), timeout=60_000)
    assert told.ends == [Cancelled(1)]
    assert len(told.finished) == 1


def test_all_planes_delivered_is_done(qtbot, controller, planes) -> None:
    told = Told(controller)
    controller.plane_finished.connect(controller.cancel)
    controller.start(make_request(planes[:1]))
    qtbot.waitUntil(lambda: bool(told.ends), timeout=60_000)
    assert told.ends == [Done(1)]


def test_read_error_of_a_later_plane(
    qtbot, controller, planes, monkeypatch
) -> None:
    real = PlaneSnapshot.read

    def read(self):
        if self.index[0] == 1:
            raise OSError('the disk is on fire')
        return real(self)

    monkeypatch.setattr(PlaneSnapshot, 'read', read)
    told = Told(controller)
    controller.start(make_request(planes))
    qtbot.waitUntil(lambda: bool(told.ends), timeout=60_000)
    (outcome,) = told.ends
    assert isinstance(outcome, Failed)
    assert outcome.finished == 1
    assert 'on fire' in str(outcome.error)
    assert not SLOT.is_taken


def test_errors_hold_no_image(qtbot, controller, monkeypatch) -> None:
    """A kept error (napari keeps all) must not keep what was computed."""

    class Pixels(np.ndarray):
        """Can be referred to weakly."""

    kept = []

    def read(self):
        pixels = np.zeros((32, 32), np.uint8).view(Pixels)
        kept.append(weakref.ref(pixels))
        return pixels

    def fail(self, batch):
        raise RuntimeError('no')

    monkeypatch.setattr(PlaneSnapshot, 'read', read)
    monkeypatch.setattr(Encoder, '_tokens', fail)
    told = Told(controller)
    controller.start(make_request(np.zeros((1, 32, 32), np.uint8)))
    qtbot.waitUntil(lambda: bool(told.ends), timeout=60_000)
    assert told.ends[0].error.__traceback__ is not None
    gc.collect()
    assert kept
    assert kept[0]() is None


def fake_engine(monkeypatch, steps) -> None:
    """Let the engine yield other steps."""
    monkeypatch.setattr('napari_naclip.engine.segment.iter_live', steps)


def test_parts_are_joined_and_come_seldom(
    qtbot, controller, planes, monkeypatch
) -> None:
    release = threading.Event()

    def steps(image, classes, *, model, settings, region=None, store):
        for top in range(96):
            yield Progress('windows', top + 1, 96)
            yield Partial(
                Region(top, 0, top + 1, 128), np.full((1, 128), top, np.uint8)
            )
        assert release.wait(60)
        return None, ANSWER

    fake_engine(monkeypatch, steps)
    told = Told(controller)
    controller.start(make_request(planes[:1]))

    def has_all() -> bool:
        return bool(told.parts) and told.parts[-1].partial.region.bottom == 96

    qtbot.waitUntil(has_all, timeout=60_000)
    assert len(told.parts) <= 10
    rows = np.concatenate([each.partial.labels for each in told.parts])
    np.testing.assert_array_equal(rows[:, 0], np.arange(96))
    release.set()
    qtbot.waitUntil(lambda: bool(told.ends), timeout=60_000)
    assert told.finished[0].segmentation is ANSWER


def test_region_goes_to_the_engine(
    qtbot, controller, planes, monkeypatch
) -> None:
    """Regions of one plane read it once, and say so."""
    seen, reads = [], []
    region = Region(0, 0, 20, 30)

    def steps(image, classes, *, model, settings, region, store):
        seen.append((image.shape, region))
        yield Progress('windows', 1, 1)
        return None, ANSWER

    real = PlaneSnapshot.read

    def read(self):
        reads.append(self.index)
        return real(self)

    fake_engine(monkeypatch, steps)
    monkeypatch.setattr(PlaneSnapshot, 'read', read)
    request = make_request(planes)
    first, second = (
        dataclasses.replace(each, region=region)
        for each in request.snapshots[:2]
    )
    controller.start(
        RunRequest(
            image=None,
            snapshots=(first, first, second),
            classes=request.classes,
            settings=request.settings,
            model=request.model,
            target=None,
        )
    )
    told = Told(controller)
    qtbot.waitUntil(lambda: bool(told.ends), timeout=60_000)
    assert seen == [((96, 128), region)] * 3
    assert [index[0] for index in reads] == [0, 1]
    assert told.progress[-1].unit == 'region'


@given(
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=8),
    gap=st.integers(0, 8),
)
def test_joined_parts_cover_the_same(cuts, gap) -> None:
    """Where a part is missing, nothing is joined across."""
    snapshot, parts, top = object(), [], 0
    for number, rows in enumerate(cuts):
        if number == gap:
            top += 1
        labels = np.full((rows, 4), number + 1, np.uint8)
        parts.append(
            Part(snapshot, Partial(Region(top, 2, top + rows, 6), labels))
        )
        top += rows
    merged = merge_partials(parts)
    assert len(merged) == 1 + (0 < gap < len(cuts))
    drawn, expected = (np.zeros((top, 8), np.uint8) for _ in range(2))
    for each in parts:
        expected[each.partial.region.slices] = each.partial.labels
    for each in merged:
        drawn[each.partial.region.slices] = each.partial.labels
    np.testing.assert_array_equal(drawn, expected)


def test_details_name_no_home_folder(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(Path, 'home', lambda: tmp_path)
    error = OSError(f'{tmp_path}/image.tif is gone')
    details = messages.describe_details(
        error, make_request(np.zeros((1, 8, 8), np.uint8))
    )
    assert str(tmp_path) not in details
    assert '~/image.tif is gone' in details


def test_cores_are_left_to_the_window(monkeypatch) -> None:
    import torch

    monkeypatch.setattr('os.cpu_count', lambda: 8)
    before = torch.get_num_threads()
    torch.set_num_threads(6)
    try:
        for reserved, threads in ((0, 6), (1, 6), (3, 5), (64, 1)):
            with threads_left_for_window(reserved):
                assert torch.get_num_threads() == threads
            assert torch.get_num_threads() == 6
    finally:
        torch.set_num_threads(before)
