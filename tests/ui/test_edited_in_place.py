"""An image that a script edits in place: its labels follow settings, too."""

from __future__ import annotations

import numpy as np
import pytest

from napari_naclip.engine.segmenter import Segmenter
from napari_naclip.engine.stream import ResizedImage


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count who looks whether pixels changed, and who begins anew."""
    counts = {'checked': 0, 'opened': 0}
    check, begin = ResizedImage.is_unchanged, Segmenter.iter_open

    def is_unchanged(self):
        counts['checked'] += 1
        return (yield from check(self))

    def iter_open(self, *args):
        counts['opened'] += 1
        return (yield from begin(self, *args))

    monkeypatch.setattr(ResizedImage, 'is_unchanged', is_unchanged)
    monkeypatch.setattr(Segmenter, 'iter_open', iter_open)
    return counts


@pytest.fixture
def edit_and_compare(run, settle, type_more, looks):
    """Return a function that edits, and compares labels with a new run's."""

    def compare(widget, image, labels, edit) -> None:
        before = labels.data.copy()
        edit()
        image.refresh()
        type_more(widget, 'brick; road')
        settle(widget)
        followed = labels.data.copy()
        assert looks['opened'] > 0
        assert (followed != before).mean() > 0.01
        run(widget)
        np.testing.assert_array_equal(followed, labels.data)

    return compare


def begin(viewer, open_widget, run, looks, limits: str = 'displayed'):
    """Return the widget and the labels after a run on the image."""
    widget = open_widget(viewer, 'sand; water; grass')
    box = widget.image.limits_box
    box.setCurrentIndex(box.findData(limits))
    run(widget)
    looks.update(checked=0, opened=0)
    return widget, viewer.layers[-1]


def test_labels_are_of_the_new_pixels(
    make_napari_viewer, open_widget, run, picture, looks, edit_and_compare
) -> None:
    viewer = make_napari_viewer()
    image = viewer.add_image(picture.copy())
    widget, labels = begin(viewer, open_widget, run, looks)

    def edit() -> None:
        image.data[:] = image.data[::-1].copy()

    edit_and_compare(widget, image, labels, edit)


def test_limits_that_depend_on_the_data_follow(
    make_napari_viewer, open_widget, run, picture, looks, edit_and_compare
) -> None:
    viewer = make_napari_viewer()
    image = viewer.add_image(picture[..., 0].astype(np.uint16))
    widget, labels = begin(viewer, open_widget, run, looks, 'range')

    def edit() -> None:
        image.data[:5, :5] = 2000

    edit_and_compare(widget, image, labels, edit)


def test_what_is_not_in_memory_is_read_anew(
    make_napari_viewer, open_widget, run, picture, looks, edit_and_compare
) -> None:
    zarr = pytest.importorskip('zarr')
    viewer = make_napari_viewer()
    grey = np.ascontiguousarray(picture[..., 0])
    image = viewer.add_image(zarr.array(grey, chunks=(40, 40)))
    widget, labels = begin(viewer, open_widget, run, looks)

    def edit() -> None:
        image.data[:] = grey[::-1]

    edit_and_compare(widget, image, labels, edit)
    assert looks['checked'] == 0


def test_one_of_a_composite_counts(
    make_napari_viewer, open_widget, run, picture, looks, edit_and_compare
) -> None:
    viewer = make_napari_viewer()
    other = viewer.add_image(picture[..., 1].copy(), blending='additive')
    viewer.add_image(picture[..., 0].copy(), colormap='red')
    widget = open_widget(viewer, 'sand; water; grass')
    box = widget.image.channels_box
    box.setCurrentIndex(box.findData('composite'))
    run(widget)
    looks.update(checked=0, opened=0)

    def edit() -> None:
        other.data[:] = other.data[::-1].copy()

    edit_and_compare(widget, other, viewer.layers[-1], edit)


def test_edited_while_hidden(
    make_napari_viewer, open_widget, run, picture, looks, edit_and_compare
) -> None:
    viewer = make_napari_viewer()
    image = viewer.add_image(picture.copy())
    widget, labels = begin(viewer, open_widget, run, looks)

    def edit() -> None:
        image.visible = False
        image.data[:] = image.data[::-1].copy()
        image.visible = True

    edit_and_compare(widget, image, labels, edit)


def test_a_refresh_without_an_edit_begins_nothing_anew(
    make_napari_viewer, open_widget, run, picture, looks, settle, type_more
) -> None:
    viewer = make_napari_viewer()
    image = viewer.add_image(picture.copy())
    widget, _ = begin(viewer, open_widget, run, looks)
    image.refresh()
    type_more(widget, 'brick')
    settle(widget)
    type_more(widget, 'road')
    settle(widget)
    assert looks == {'checked': 1, 'opened': 0}


def test_moving_about_is_no_refresh(
    make_napari_viewer,
    open_widget,
    run,
    picture,
    looks,
    settle,
    type_more,
    zoom_in,
    qtbot,
) -> None:
    viewer = make_napari_viewer(show=True)
    large = np.stack([picture, picture[::-1]]).repeat(20, 1).repeat(20, 2)
    image = viewer.add_image(
        [large, large[:, ::2, ::2]], multiscale=True, rgb=True
    )
    drawn: list[object] = []
    viewer.dims.set_point(0, 0)
    widget, _ = begin(viewer, open_widget, run, looks)
    image.events.set_data.connect(drawn.append)
    for _ in range(5):
        zoom_in(viewer)
        qtbot.wait(200)
    assert drawn
    drawn.clear()
    viewer.dims.set_point(0, 1)
    viewer.dims.set_point(0, 0)
    qtbot.wait(100)
    assert len(drawn) == 2
    type_more(widget, 'brick; road')
    settle(widget)
    (kept,) = widget._live.find()[1]
    assert kept.shown.classes == widget.classes.class_list()
    assert looks == {'checked': 0, 'opened': 0}
