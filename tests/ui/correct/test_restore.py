"""Edits that a crash left are offered, and restored."""

from __future__ import annotations

import numpy as np

from edited_layers import leave_edits
from napari_naclip.io.folders import edits_folder
from napari_naclip.io.saved_edits import SavedEdits
from napari_naclip.ui.correct import edit_messages as messages
from napari_naclip.ui.correct import restore

TIMEOUT = 60_000


def test_offered_and_restored_by_a_click(
    make_napari_viewer, open_widget, picture, run, press, qtbot
) -> None:
    left = leave_edits(picture, qtbot)
    viewer = make_napari_viewer()
    viewer.add_image(picture, name='photo')
    widget = open_widget(viewer)
    offer = widget.restore_offer
    assert offer.isVisibleTo(widget)
    assert 'photo labels' in offer.note.text()
    assert 'not open' not in offer.note.text()
    before = set(viewer.layers)
    press(offer.restore)
    qtbot.waitUntil(lambda: len(viewer.layers) > len(before), timeout=TIMEOUT)
    (layer,) = set(viewer.layers) - before
    np.testing.assert_array_equal(layer.data, left)
    assert not offer.isVisibleTo(widget)
    assert widget.panel.status.text() == messages.RESTORED
    # Its edits are edits, and the rest is the model's.
    pixels = int((left != 1).sum())
    qtbot.waitUntil(
        lambda: widget.correct.edits.count.text() == f'{pixels} px edited',
        timeout=TIMEOUT,
    )
    # Not needed any more when the program ends, but until then.
    assert list(edits_folder().glob('*/edits.json'))


def test_offer_says_that_the_image_is_not_open(
    make_napari_viewer, open_widget, picture, press, qtbot
) -> None:
    leave_edits(picture, qtbot)
    viewer = make_napari_viewer()
    widget = open_widget(viewer)
    assert 'not open' in widget.restore_offer.note.text()
    viewer.add_image(picture)
    assert 'not open' not in widget.restore_offer.note.text()
    press(widget.restore_offer.discard)
    assert not widget.restore_offer.isVisibleTo(widget)
    assert not list(edits_folder().iterdir())


def fail(*_args: object, **_options: object) -> None:
    raise RuntimeError('the decoder gave up')


def test_failed_restoring_is_told_and_offered_again(
    make_napari_viewer, open_widget, picture, press, qtbot, monkeypatch
) -> None:
    left = leave_edits(picture, qtbot)
    viewer = make_napari_viewer()
    widget = open_widget(viewer)
    offer = widget.restore_offer
    status = widget.panel.status
    for holder, name in ((SavedEdits, 'load'), (restore, 'layer_attributes')):
        with monkeypatch.context() as patch:
            patch.setattr(holder, name, fail)
            press(offer.restore)
            qtbot.waitUntil(
                lambda: 'gave up' in status.text(), timeout=TIMEOUT
            )
        assert offer.isVisibleTo(widget)
        assert offer.isEnabled()
        assert not viewer.layers
        widget.panel.show_rest('')
    press(offer.restore)
    qtbot.waitUntil(lambda: len(viewer.layers) == 1, timeout=TIMEOUT)
    np.testing.assert_array_equal(viewer.layers[0].data, left)
    assert not offer.isVisibleTo(widget)


def test_offer_is_noted_and_says_that_much_is_saved(
    make_napari_viewer, open_widget, picture, press, qtbot, monkeypatch
) -> None:
    leave_edits(picture, qtbot)
    assert not list(edits_folder().glob('*/offered'))
    monkeypatch.setattr(restore, 'MANY_BYTES', 10)
    widget = open_widget(make_napari_viewer())
    assert list(edits_folder().glob('*/offered'))
    assert str(edits_folder()) in widget.restore_offer.note.text()
    press(widget.restore_offer.discard)
    assert not widget.restore_offer.isVisibleTo(widget)
