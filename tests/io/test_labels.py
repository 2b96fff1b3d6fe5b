from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_naclip.engine import outputs
from napari_naclip.engine.colors import hex_to_rgb
from napari_naclip.engine.errors import InputError, StorageError
from napari_naclip.engine.types import ClassList
from napari_naclip.io import labels as labels_module
from napari_naclip.io.labels import (
    check_palette,
    class_shares,
    write_labels,
    write_recipe,
    write_result,
)


@pytest.mark.parametrize('suffix', ['.tif', '.tiff', '.TIF'])
def test_tiff_reads_back_equal(tmp_path, make_result, suffix):
    result = make_result()
    path = tmp_path / f'out{suffix}'
    write_result(path, result)
    read = tifffile.imread(path)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, result.labels)


@pytest.mark.parametrize('height', [1, 16, 50])
@pytest.mark.parametrize('suffix', ['.tif', '.png'])
def test_labels_on_the_disk_are_written(tmp_path, monkeypatch, height, suffix):
    monkeypatch.setenv('NAPARI_NACLIP_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv(outputs.OUTPUT_VARIABLE, '0')
    monkeypatch.setattr(outputs, 'CHUNK', (16, 24))
    monkeypatch.setattr(labels_module, '_TILE', (16, 16))
    labels = outputs.zeros((height, 30), np.uint8)
    values = np.random.default_rng(0).integers(0, 9, labels.shape, np.uint8)
    labels[:] = values
    if suffix == '.tif':
        # Never all of them at once.
        real, rows = type(labels).__getitem__, []

        def take(self, at):
            part = real(self, at)
            rows.append(len(part))
            return part

        monkeypatch.setattr(type(labels), '__getitem__', take)
    path = tmp_path / f'a{suffix}'
    write_labels(path, labels, ClassList.from_text('sky'))
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), values)
    if suffix == '.tif':
        np.testing.assert_array_equal(tifffile.imread(path), values)
        assert max(rows) == min(16, height)


def test_tiff_holds_16_bits(tmp_path):
    labels = np.array([[1, 300], [65535, 0]], np.uint16)
    write_labels(tmp_path / 'a.tif', labels, ClassList.from_text('sky'))
    read = tifffile.imread(tmp_path / 'a.tif')
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, labels)


def test_png_reads_back_with_its_palette(tmp_path, make_result):
    result = make_result()
    write_result(tmp_path / 'out.png', result)
    with Image.open(tmp_path / 'out.png') as image:
        assert image.mode == 'P'
        np.testing.assert_array_equal(np.asarray(image), result.labels)
        colors = np.asarray(image.convert('RGB'))
    for row in result.classes.rows:
        found = colors[result.labels == row.value]
        assert (found == hex_to_rgb(row.color)).all()
    assert len(found)


def test_png_reads_back_for_every_value(tmp_path):
    labels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    write_labels(tmp_path / 'a.png', labels, ClassList.from_text('sky'))
    with Image.open(tmp_path / 'a.png') as image:
        np.testing.assert_array_equal(np.asarray(image), labels)


def test_png_refuses_values_that_a_palette_lacks(tmp_path):
    labels = np.array([[0, 256]], np.uint16)
    with pytest.raises(InputError, match=r'256.*Choose a TIFF'):
        write_labels(tmp_path / 'a.png', labels, ClassList.from_text('sky'))
    assert not list(tmp_path.iterdir())
    many = ClassList.from_text('; '.join(f'c{i}' for i in range(256)))
    with pytest.raises(InputError, match='Choose a TIFF'):
        check_palette(tmp_path / 'a.png', many)
    check_palette(tmp_path / 'a.tif', many)


def test_recipe_file(tmp_path, make_result):
    result = make_result()
    write_result(tmp_path / 'out.tif', result)
    text = (tmp_path / 'out.json').read_text(encoding='utf-8')
    content = json.loads(text)
    assert content['recipe'] == result.recipe
    assert content['notices'] == ['Something to know.']
    rows = {row['name']: row for row in content['classes']}
    assert list(rows) == ['background', 'sky', 'tree']
    assert rows['sky']['color'] == result.classes.classes[0].color
    assert rows['sky']['pixels'] == (result.labels == 1).sum()
    assert str(tmp_path) not in text


def test_shares_add_up(make_result):
    shares = class_shares(make_result())
    assert list(shares) == ['background', 'sky', 'tree']
    assert sum(shares.values()) == pytest.approx(1)
    assert shares['sky'] == pytest.approx(12 / 35)


def test_unknown_suffix(tmp_path, make_result):
    with pytest.raises(InputError, match=r'does not end in \.tif'):
        write_result(tmp_path / 'out.jpg', make_result())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('existing', ['out.tif', 'out.json'])
def test_either_existing_file_keeps_both_unwritten(
    tmp_path, make_result, existing
):
    (tmp_path / existing).write_text('old')
    with pytest.raises(StorageError, match=existing):
        write_result(tmp_path / 'out.tif', make_result())
    assert [path.name for path in tmp_path.iterdir()] == [existing]
    assert (tmp_path / existing).read_text() == 'old'
    write_result(tmp_path / 'out.tif', make_result(), overwrite=True)
    assert (tmp_path / existing).read_bytes() != b'old'


def test_full_disk_in_the_recipe_leaves_no_labels(
    tmp_path, make_result, monkeypatch
):
    def fill(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(labels_module, '_dump_recipe', fill)
    with pytest.raises(StorageError, match='no room on the disk'):
        write_result(tmp_path / 'out.tif', make_result())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('suffix', ['.tif', '.png'])
def test_really_full_disk(tmp_path, make_result, suffix):
    mount = shutil.which('mount')
    if not sys.platform.startswith('linux') or mount is None:
        pytest.skip('needs a file system in memory')
    done = subprocess.run(
        [mount, '-t', 'tmpfs', '-o', 'size=16k', 'none', str(tmp_path)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip('needs the right to mount a file system')
    try:
        noise = np.random.default_rng(0).integers(0, 200, (300, 300))
        target = tmp_path / f'out{suffix}'
        with pytest.raises(StorageError, match='no room on the disk'):
            write_labels(target, noise.astype(np.uint8), make_result().classes)
        assert not list(tmp_path.iterdir())
    finally:
        subprocess.run(['umount', str(tmp_path)], check=True)


def test_recipe_alone_is_kept(tmp_path: Path, make_result):
    path = tmp_path / 'a.json'
    write_recipe(path, make_result())
    with pytest.raises(StorageError, match='there already'):
        write_recipe(path, make_result())
    write_recipe(path, make_result('ü; "a, b"'), overwrite=True)
    names = [row['name'] for row in json.loads(path.read_bytes())['classes']]
    assert names == ['background', 'ü', 'a, b']
