"""A second run: what was painted survives, values stay."""

from __future__ import annotations

import numpy as np


def test_painted_pixels_survive(
    make_napari_viewer, open_widget, run, type_classes, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer, 'sand; water; grass')
    run(widget)
    labels = viewer.layers[-1]
    model = labels.data.copy()
    labels.brush_size = 5
    label = 1 + int(model[40, 40]) % 3
    labels.paint((40, 40), label)
    painted = labels.data != model
    assert painted.any()

    type_classes(widget, 'sand; water; forest')
    status = run(widget)

    assert len(viewer.layers) == 2
    assert viewer.layers[-1] is labels
    assert (labels.data[painted] == label).all()
    assert 'edited pixels were kept' in status


def test_erased_and_undone_pixels(
    make_napari_viewer, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    run(widget)
    labels = viewer.layers[-1]
    model = labels.data.copy()
    labels.paint((20, 20), 0)
    labels.paint((70, 70), 0)
    labels.undo()
    run(widget)
    assert labels.data[20, 20] == 0
    assert labels.data[70, 70] == model[70, 70]


def test_values_stay_with_their_names(
    make_napari_viewer, open_widget, run, type_classes, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer, 'sand; water')
    run(widget)
    labels = viewer.layers[-1]
    colors = {v: tuple(labels.colormap.color_dict[v]) for v in (1, 2)}

    type_classes(widget, 'grass; water; sand')
    run(widget)
    assert list(labels.features['class']) == [
        'unlabeled',
        'sand',
        'water',
        'grass',
    ]
    # A removed class keeps its row: it may have painted pixels.
    type_classes(widget, 'forest; sand')
    run(widget)
    assert dict(
        zip(labels.features['index'], labels.features['class'], strict=True)
    ) == {0: 'unlabeled', 1: 'sand', 2: 'water', 3: 'grass', 4: 'forest'}
    assert set(np.unique(labels.data)) <= {1, 4}
    for value, color in colors.items():
        assert tuple(labels.colormap.color_dict[value]) == color


def test_changed_color_stays(
    make_napari_viewer, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    run(widget)
    labels = viewer.layers[-1]
    labels.colormap = {**labels.colormap.color_dict, 1: '#123456'}
    run(widget)
    np.testing.assert_allclose(
        labels.colormap.color_dict[1][:3],
        np.array([0x12, 0x34, 0x56]) / 255,
        atol=1e-6,
    )


def test_renamed_layers_are_found(
    make_napari_viewer, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer()
    image = viewer.add_image(picture)
    widget = open_widget(viewer)
    run(widget)
    labels = viewer.layers[-1]
    image.name, labels.name = 'a', 'b'
    run(widget)
    assert list(viewer.layers) == [image, labels]


def test_deleted_labels_are_made_again(
    make_napari_viewer, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer)
    run(widget)
    first = viewer.layers.pop()
    run(widget)
    assert len(viewer.layers) == 2
    assert viewer.layers[-1] is not first


def test_other_image_gets_its_own_layer(
    make_napari_viewer, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture, name='one')
    widget = open_widget(viewer)
    run(widget)
    viewer.add_image(picture, name='two')
    run(widget)
    assert [layer.name for layer in viewer.layers] == [
        'one',
        'one labels',
        'two',
        'two labels',
    ]


def test_planes_share_a_layer(
    make_napari_viewer, open_widget, run, picture
) -> None:
    stack = np.stack([picture[..., 0], picture[::-1, :, 1], picture[..., 2]])
    viewer = make_napari_viewer()
    viewer.add_image(stack, scale=(4, 1, 1))
    widget = open_widget(viewer)
    viewer.dims.set_current_step(0, 1)
    run(widget)
    labels = viewer.layers[-1]
    assert labels.data.shape == stack.shape
    assert labels.data[1].all()
    assert not labels.data[[0, 2]].any()
    second = labels.data[1].copy()
    # Painted before that plane was ever run: kept as well.
    labels.data[2, 5, 5] = 2
    viewer.dims.set_current_step(0, 2)
    run(widget)
    assert len(viewer.layers) == 2
    assert labels.data[2].all()
    assert labels.data[2, 5, 5] == 2
    np.testing.assert_array_equal(labels.data[1], second)


def test_a_locked_class_is_told_as_left(
    make_napari_viewer, open_widget, run, picture
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(picture)
    widget = open_widget(viewer, 'sand; water; grass')
    run(widget)
    labels = viewer.layers[-1]
    before = labels.data == 2
    model = widget.classes.table.model()
    model.set_locked([2], is_locked=True)
    status = run(widget)
    np.testing.assert_array_equal(labels.data == 2, before)
    done, _, left = status.partition('Locked, so left as they were:')
    assert 'water' not in done
    assert 'sand' in done
    assert left == ' water.'
