"""Saving and opening through napari: ours keep their names, others' are left."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import npe2
import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from PIL import Image

from napari_naclip.correct.model_labels import WRITTEN_KEY
from napari_naclip.engine import outputs
from napari_naclip.engine.errors import InputError, StorageError
from napari_naclip.engine.types import ClassList, Region, Settings
from napari_naclip.io import layer_files
from napari_naclip.layers.adoption import adopt_result
from napari_naclip.layers.assign import accept
from napari_naclip.layers.edits import forget_edits
from napari_naclip.layers.labels import add_result, write_region
from napari_naclip.layers.read import take_snapshots
from napari_naclip.layers.sync import (
    METADATA_KEY,
    read_list,
    read_rows,
    shown_colors,
    store_list,
)
from napari_naclip.layers.written import saved_at

CLASSES = ClassList.from_text('sky, blue sky; tree', background='rest')


@pytest.fixture(autouse=True)
def plugins() -> None:
    """Find the plugins, as napari's window does when it opens."""
    npe2.PluginManager.instance().discover()


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def add_ours(viewer: ViewerModel, shape=(6, 8), **options):
    image = viewer.add_image(np.zeros(shape), name='photo', **options)
    snapshots = take_snapshots(image, viewer, Settings(), scope='all')
    result = add_result(viewer, image, snapshots[0], CLASSES, {'model': 'm'})
    for value, snapshot in enumerate(snapshots, start=1):
        part = Region(1, 2, 4, 6)
        ones = np.full(part.size, value, np.uint8)
        write_region(result, snapshot, ones, part)
    result.labels.colormap = {
        **result.labels.colormap.color_dict,
        2: '#123456',
    }
    store_list(result.labels, {'rows': [{'value': 1, 'name': 'sky'}]})
    return image, result


@pytest.mark.parametrize(
    ('shape', 'typed', 'opened', 'written'),
    [
        ((6, 8), 'a.png', 'a.png.naclip', {'a.png', 'a.png.naclip'}),
        ((6, 8), 'a.naclip', 'a.naclip', {'a.naclip.tif', 'a.naclip'}),
        ((3, 6, 8), 'a.naclip', 'a.naclip', {'a.naclip.tif', 'a.naclip'}),
    ],
)
def test_names_and_colors_come_back(
    viewer, tmp_path, shape, typed, opened, written
) -> None:
    ndim = len(shape)
    image, result = add_ours(
        viewer, shape, units='um', scale=(0.5,) * ndim, translate=(7,) * ndim
    )
    labels = result.labels
    saved = labels.save(str(tmp_path / typed))
    assert {Path(path).name for path in saved} == written
    assert {path.name for path in tmp_path.iterdir()} == written
    (again,) = viewer.open(tmp_path / opened, plugin=None)
    assert again.name.startswith('photo labels')
    np.testing.assert_array_equal(again.data, labels.data)
    assert again.data.dtype == labels.data.dtype
    assert read_rows(again) == read_rows(labels)
    assert shown_colors(again) == shown_colors(labels)
    assert again.metadata['napari-naclip'] == labels.metadata['napari-naclip']
    assert tuple(again.units) == tuple(labels.units)
    assert tuple(again.axis_labels) == tuple(labels.axis_labels)
    np.testing.assert_allclose(again.extent.world, labels.extent.world)
    adopted = adopt_result(image, again)
    assert adopted is not None
    assert read_list(again) == {'rows': [{'value': 1, 'name': 'sky'}]}
    assert [row.name for row in adopted.rows.values()] == [
        'background',
        'sky',
        'tree',
    ]
    again.data[..., 0, 0] = 2


@pytest.mark.parametrize('name', ['a.png', 'a.naclip'])
def test_edits_come_back(viewer, tmp_path, name) -> None:
    image, result = add_ours(viewer)
    labels = result.labels
    # One in the model's region, one outside, and one that was erased.
    labels.data[1, 2], labels.data[0, 0], labels.data[3, 5] = 2, 1, 0
    steps = accept(
        result, (slice(None),) * 2, Region(4, 1, 6, 4), np.ones((2, 3), bool)
    )
    assert len(list(steps)) == 1
    labels.save(str(tmp_path / name))
    opened = tmp_path / name
    if opened.suffix == '.png':
        opened = opened.with_name('a.png.naclip')
    (again,) = viewer.open(opened, plugin=None)
    adopted = adopt_result(image, again)
    np.testing.assert_array_equal(adopted.written, result.written)
    (snapshot,) = take_snapshots(image, viewer, Settings())
    np.testing.assert_array_equal(adopted.accepted, result.accepted)
    assert write_region(adopted, snapshot, np.full((6, 8), 3, np.uint8)) == 9
    assert (again.data != 3).sum() == 9
    assert (again.data[1, 2], again.data[0, 0], again.data[3, 5]) == (2, 1, 0)


def test_files_that_tell_nothing_of_accepted_pixels_open(
    viewer, tmp_path
) -> None:
    image, result = add_ours(viewer)
    result.labels.save(str(tmp_path / 'a.naclip'))
    content = json.loads((tmp_path / 'a.naclip').read_text())
    assert content.pop('accepted') is None
    (tmp_path / 'a.naclip').write_text(json.dumps(content))
    (again,) = viewer.open(tmp_path / 'a.naclip', plugin=None)
    assert adopt_result(image, again).accepted is None


@pytest.mark.parametrize('is_on_disk', [False, True])
def test_what_the_model_says_under_edits_comes_back(
    viewer, tmp_path, monkeypatch, is_on_disk: bool
) -> None:
    if is_on_disk:
        monkeypatch.setenv('NAPARI_NACLIP_CACHE', str(tmp_path / 'cache'))
        monkeypatch.setenv(outputs.OUTPUT_VARIABLE, '0')
    image, result = add_ours(viewer)
    result.labels.data[1:3, 2] = 7
    for _ in accept(
        result, (slice(None),) * 2, Region(4, 1, 6, 4), np.ones((2, 3), bool)
    ):
        pass
    # The model changes its mind, under an edit and what is right, too.
    (snapshot,) = take_snapshots(image, viewer, Settings())
    new = np.arange(6 * 8, dtype=np.uint16).reshape(6, 8) + 300
    write_region(result, snapshot, new)
    result.labels.save(str(tmp_path / 'a.naclip'))
    (again,) = viewer.open(tmp_path / 'a.naclip', plugin=None)
    adopted = adopt_result(image, again)
    assert (again.data[1:3, 2] == 7).all()
    assert (again.data != new).sum() == 2 + 6
    forget_edits(adopted, (slice(None),) * 2)
    np.testing.assert_array_equal(again.data, new)


def test_files_that_tell_nothing_of_what_is_under_edits_open(
    viewer, tmp_path
) -> None:
    image, result = add_ours(viewer)
    before = result.labels.data[1, 2]
    result.labels.data[1, 2] = 7
    result.labels.save(str(tmp_path / 'a.naclip'))
    content = json.loads((tmp_path / 'a.naclip').read_text())
    assert content.pop('under') is None
    (tmp_path / 'a.naclip').write_text(json.dumps(content))
    (again,) = viewer.open(tmp_path / 'a.naclip', plugin=None)
    adopted = adopt_result(image, again)
    forget_edits(adopted, (slice(None),) * 2)
    assert again.data[1, 2] == before


def test_a_duplicate_has_its_own_notes(viewer) -> None:
    image, result = add_ours(viewer)
    result.labels.data[1, 2] = 7
    (snapshot,) = take_snapshots(image, viewer, Settings())
    write_region(result, snapshot, np.full((6, 8), 3, np.uint8))
    metadata = copy.deepcopy(result.labels.metadata)
    other = viewer.add_labels(result.labels.data.copy(), metadata=metadata)
    write_region(result, snapshot, np.full((6, 8), 4, np.uint8))
    kept = other.metadata[WRITTEN_KEY]
    assert kept.under[1, 2] == 3 + 1
    assert pickle.loads(pickle.dumps(kept)).under[1, 2] == 3 + 1


def test_damaged_edits_are_told(viewer, tmp_path) -> None:
    _, result = add_ours(viewer)
    result.labels.save(str(tmp_path / 'a.naclip'))
    content = json.loads((tmp_path / 'a.naclip').read_text())
    content['edits']['mask'] = content['edits']['model']
    (tmp_path / 'a.naclip').write_text(json.dumps(content))
    with pytest.raises(InputError, match='do not belong together'):
        layer_files.read_layers(str(tmp_path / 'a.naclip'))


def test_png_has_the_colors(viewer, tmp_path) -> None:
    _, result = add_ours(viewer)
    result.labels.data[0, 0] = 2
    result.labels.save(str(tmp_path / 'a.png'))
    with Image.open(tmp_path / 'a.png') as image:
        assert image.mode == 'P'
        assert image.convert('RGB').getpixel((0, 0)) == (0x12, 0x34, 0x56)


@pytest.mark.parametrize(
    ('typed', 'written', 'writer'),
    [
        ('x', 'x.tif', 'napari'),
        ('x.tif', 'x.tif', 'napari'),
        ('x.npz', 'x.npz', 'napari'),
        ('x.png', 'x.png', 'napari-naclip'),
        ('x.naclip', 'x.naclip', 'napari-naclip'),
    ],
)
def test_saves_of_others_are_left_alone(
    viewer, tmp_path, typed, written, writer
) -> None:
    """Napari has no writer of labels for the last two."""
    manager = npe2.PluginManager.instance()
    found, path = manager.get_writer(str(tmp_path / typed), ['labels'])
    assert found.plugin_name == writer
    assert path == str(tmp_path / written)
    data = np.arange(12).reshape(3, 4)
    layer = viewer.add_labels(data, name='mine')
    saved = layer.save(str(tmp_path / typed))
    assert str(tmp_path / written) in saved
    if typed == 'x.png':
        with Image.open(tmp_path / typed) as image:
            np.testing.assert_array_equal(np.asarray(image), data)
            shown = np.array(image.convert('RGB').getpixel((3, 2)))
        expected = layer.get_color(11)[:3] * 255
        np.testing.assert_allclose(shown, expected, atol=1)
        (again,) = viewer.open(tmp_path / 'x.png.naclip', plugin=None)
        np.testing.assert_array_equal(again.data, data)
        assert again.metadata == {}


def test_labels_and_image_together_are_not_ours(viewer, tmp_path) -> None:
    add_ours(viewer)
    with pytest.raises(StorageError, match='one Labels layer only'):
        viewer.layers.save(str(tmp_path / 'a.png'))
    assert not list(tmp_path.iterdir())
    viewer.layers.save(str(tmp_path / 'both'))
    assert {path.suffix for path in (tmp_path / 'both').iterdir()} == {'.tif'}


@pytest.mark.parametrize('name', ['a.png', 'a.tif', 'a.json', 'a.npz'])
def test_reader_is_not_asked_about_other_files(tmp_path, name) -> None:
    manager = npe2.PluginManager.instance()
    readers = manager.iter_compatible_readers(str(tmp_path / name))
    assert 'napari-naclip' not in {each.plugin_name for each in readers}


@pytest.mark.parametrize(
    'content', ['', '{', '[]', '{"format": "other"}', '\x00\xff', '[' * 20000]
)
def test_reader_leaves_foreign_files(tmp_path, content) -> None:
    path = tmp_path / 'a.naclip'
    path.write_text(content, encoding='latin-1')
    assert layer_files.get_reader(str(path)) is None
    assert layer_files.get_reader([str(path)]) is None
    assert layer_files.get_reader(str(tmp_path / 'missing.naclip')) is None


def test_missing_or_wrong_labels_are_said(viewer, tmp_path) -> None:
    _, result = add_ours(viewer)
    result.labels.save(str(tmp_path / 'a.png'))
    sidecar = tmp_path / 'a.png.naclip'
    Image.new('L', (3, 3)).save(tmp_path / 'a.png')
    with pytest.raises(InputError, match='do not belong together'):
        layer_files.read_layers(str(sidecar))
    (tmp_path / 'a.png').unlink()
    with pytest.raises(StorageError, match='missing'):
        layer_files.read_layers(str(sidecar))
    content = json.loads(sidecar.read_text())
    outside = tmp_path.parent / 'outside.tif'
    tifffile.imwrite(outside, np.zeros((6, 8), np.uint8))
    sidecar.write_text(json.dumps({**content, 'labels': '../outside.tif'}))
    with pytest.raises(StorageError, match='missing'):
        layer_files.read_layers(str(sidecar))


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (np.full((4, 5), 256), '256'),
        (np.full((4, 5), -1), '-1'),
        (np.ones((2, 4, 5), int), '3 axes'),
    ],
)
def test_png_without_room_is_refused(viewer, tmp_path, data, message) -> None:
    layer = viewer.add_labels(data)
    with pytest.raises(StorageError, match=message):
        layer.save(str(tmp_path / 'a.png'))
    assert not list(tmp_path.iterdir())
    layer.save(str(tmp_path / 'a.naclip'))
    (again,) = viewer.open(tmp_path / 'a.naclip', plugin=None)
    np.testing.assert_array_equal(again.data, data)


def test_more_edits_than_are_read_again_are_refused(
    viewer, tmp_path, monkeypatch
) -> None:
    _, result = add_ours(viewer)
    path = tmp_path / 'a.naclip'
    result.labels.save(str(path))
    before = {each: each.read_bytes() for each in tmp_path.iterdir()}
    monkeypatch.setattr(layer_files, '_MAX_BYTES', path.stat().st_size)
    # As large as is read: no less.
    result.labels.save(str(path))
    assert layer_files.get_reader(str(path)) is not None
    since = saved_at(result)
    monkeypatch.setattr(layer_files, '_MAX_BYTES', path.stat().st_size - 1)
    with pytest.raises(StorageError, match='nothing was written'):
        result.labels.save(str(path))
    assert {each: each.read_bytes() for each in tmp_path.iterdir()} == before
    # Nothing is taken for saved: it goes on being saved by itself.
    assert saved_at(result) == since


def test_same_key_as_in_the_layers() -> None:
    assert layer_files._METADATA_KEY == METADATA_KEY


def test_writer_and_reader_stay_out_of_the_palette() -> None:
    manifest = npe2.PluginManifest.from_distribution('napari-naclip')
    commands = {each.id: each for each in manifest.contributions.commands}
    for name in ('write_labels', 'read_labels'):
        assert commands[f'napari-naclip.{name}'].enablement == 'False'
