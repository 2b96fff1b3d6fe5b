"""Cancel from every stage: answered while the stage goes on, nothing lost."""

from __future__ import annotations

import importlib
import time

import numpy as np
import pytest

from napari_naclip.engine.types import Progress
from napari_naclip.ui import messages
from napari_naclip.ui.compute import SLOT

#: For each stage a function that it calls, by module, class if any, and name.
STAGES = {
    'import': ('ui.compute', '_import_loader'),
    'load': ('engine.models', '_load_demo'),
    'hash': ('engine.clip.load', 'fingerprint'),
    'read': ('layers.read', 'PlaneSnapshot', 'read'),
    'text': ('engine.clip.text', 'TextTower', '_encode_tokens'),
    'write texts': ('engine.text_cache', 'TextCache', 'put'),
    'windows': ('engine.encoder', 'Encoder', 'fill'),
    'refine': ('engine.affinities', 'Affinities', 'rows'),
    'write labels': ('engine.live', 'make_recipe'),
}


def find_function(module: str, *names: str) -> tuple[object, str]:
    """Return who owns a function of the package, and its name there."""
    owner: object = importlib.import_module(f'napari_naclip.{module}')
    for name in names[:-1]:
        owner = getattr(owner, name)
    return owner, names[-1]


@pytest.mark.parametrize('stage', STAGES)
def test_cancel_in_every_stage(
    make_napari_viewer,
    open_widget,
    run,
    hold_at,
    press,
    qtbot,
    type_classes,
    wait_for_rest,
    picture,
    monkeypatch,
    stage,
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    assert run(widget).startswith('Done')
    labels = viewer.layers[-1]
    labels.paint((30, 30), 2)
    before = labels.data.copy()
    type_classes(widget, 'grass; forest; road')
    refinement = widget.options.refinement
    refinement.setCurrentIndex(refinement.findData('fast'))
    # Loaded anew.
    monkeypatch.setattr(SLOT, '_key', None)
    hold = hold_at(*find_function(*STAGES[stage]))

    press(widget.panel.run)
    qtbot.waitUntil(hold.reached.is_set, timeout=60_000)
    press(widget.panel.cancel)
    assert not widget.panel.cancel.isEnabled()
    assert widget.panel.status.text() == messages.CANCELLING
    # Though the stage still is under way:
    assert wait_for_rest(widget) == messages.CANCELLED
    assert SLOT.is_taken
    np.testing.assert_array_equal(labels.data, before)
    assert list(labels.features['class']) == ['unlabeled', 'sand', 'water']
    assert len(viewer.layers) == 2

    press(widget.panel.run)
    qtbot.waitUntil(
        lambda: 'another run' in widget.panel.status.text(), timeout=60_000
    )
    hold.go_on.set()
    assert wait_for_rest(widget).startswith('Done')
    assert 'forest' in list(labels.features['class'])


def test_cancel_while_waiting(
    make_napari_viewer, open_widget, run, press, qtbot, wait_for_rest, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    assert not list(SLOT.acquire())
    try:
        press(widget.panel.run)
        qtbot.waitUntil(
            lambda: 'another run' in widget.panel.status.text(),
            timeout=60_000,
        )
        press(widget.panel.cancel)
        assert wait_for_rest(widget) == messages.CANCELLED
    finally:
        SLOT.release()
    assert len(viewer.layers) == 1
    assert run(widget).startswith('Done')


def test_cancel_download(
    make_napari_viewer,
    open_widget,
    run,
    press,
    qtbot,
    wait_for_rest,
    picture,
    tmp_path,
    monkeypatch,
) -> None:
    """The transfer is closed, and the three ways on are offered again."""
    closed = []

    def download(entry, **kwargs):
        try:
            # More bytes than Qt's integers hold.
            for megabytes in range(3000, 10**6):
                time.sleep(0.01)
                yield Progress('download', megabytes * 10**6, 6 * 10**9)
        finally:
            closed.append(entry.name)

    monkeypatch.setattr(
        'huggingface_hub.constants.HF_HUB_CACHE', str(tmp_path)
    )
    monkeypatch.setattr('napari_naclip.engine.download.download', download)
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    widget.model.choose_model('ViT-B-16')
    run(widget)
    press(widget.offer.download)
    qtbot.waitUntil(
        lambda: 'of 6000 MB' in widget.panel.status.text(), timeout=60_000
    )
    press(widget.panel.cancel)
    assert wait_for_rest(widget) == messages.CANCELLED
    qtbot.waitUntil(lambda: closed == ['ViT-B-16'], timeout=60_000)
    assert len(viewer.layers) == 1
    widget.model.choose_model('demo')
    assert run(widget).startswith('Done')


def test_cancel_before_the_result_is_shown(
    make_napari_viewer, open_widget, start_held, press, wait_for_rest, picture
) -> None:
    """A result that is ready, but not yet in the window, is dropped."""
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    hold = start_held(widget)
    hold.go_on.set()
    # Without a look at the events: the result waits among them.
    while SLOT.is_taken:
        hold.go_on.wait(0.01)
    press(widget.panel.cancel)
    assert wait_for_rest(widget) == messages.CANCELLED
    assert len(viewer.layers) == 1


def test_escape_from_a_slow_array(
    make_napari_viewer, open_widget, run, press, qtbot, wait_for_rest
) -> None:
    """A read that blocks is left behind and ends by itself."""
    import threading

    import dask.array as da

    go_on, reading = threading.Event(), threading.Event()
    go_on.set()

    def load(block_info=None):
        reading.set()
        assert go_on.wait(60)
        rng = np.random.default_rng(0)
        return rng.integers(0, 255, (1, 64, 64)).astype(np.uint8)

    stack = da.map_blocks(load, chunks=((1, 1), (64,), (64,)), dtype=np.uint8)
    viewer = make_napari_viewer()
    viewer.add_image(stack, contrast_limits=(0, 255))
    widget = open_widget(viewer)
    go_on.clear()
    reading.clear()
    press(widget.panel.run)
    qtbot.waitUntil(reading.is_set, timeout=60_000)
    press(widget.panel.cancel)
    assert wait_for_rest(widget) == messages.CANCELLED
    go_on.set()
    qtbot.waitUntil(lambda: not SLOT.is_taken, timeout=60_000)
    qtbot.waitUntil(
        lambda: (
            not any(
                thread.name == 'napari-naclip run'
                for thread in threading.enumerate()
            )
        ),
        timeout=60_000,
    )
    assert len(viewer.layers) == 1
    assert run(widget).startswith('Done')
