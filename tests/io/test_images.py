from __future__ import annotations

import os

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_naclip.engine.errors import InputError, NaclipError, StorageError
from napari_naclip.io.images import read_image


@pytest.fixture
def picture() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize('compression', [None, 'zlib'])
def test_tiff(tmp_path, dtype, compression):
    image = np.arange(600).reshape(20, 30).astype(dtype)
    tifffile.imwrite(tmp_path / 'a.tif', image, compression=compression)
    read = read_image(tmp_path / 'a.tif')
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, image)


@pytest.mark.parametrize('name', ['a.png', 'a.bmp', 'a.PNG', 'a.tif'])
def test_color(tmp_path, picture, name):
    Image.fromarray(picture).save(tmp_path / name)
    np.testing.assert_array_equal(read_image(tmp_path / name), picture)


def test_lzw_without_a_further_package(tmp_path, picture):
    path = tmp_path / 'a.tif'
    Image.fromarray(picture).save(path, compression='tiff_lzw')
    np.testing.assert_array_equal(read_image(path), picture)


def test_opacity(tmp_path, picture):
    rgba = np.dstack([picture, picture[..., 0]])
    Image.fromarray(rgba).save(tmp_path / 'a.png')
    np.testing.assert_array_equal(read_image(tmp_path / 'a.png'), rgba)
    Image.fromarray(rgba).convert('LA').save(tmp_path / 'b.png')
    grey = read_image(tmp_path / 'b.png')
    assert grey.shape == (20, 30, 4)
    np.testing.assert_array_equal(grey[..., 3], rgba[..., 3])
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])


def test_planar_tiff(tmp_path, picture):
    tifffile.imwrite(
        tmp_path / 'a.tif',
        np.moveaxis(picture, -1, 0),
        photometric='rgb',
        planarconfig='separate',
    )
    np.testing.assert_array_equal(read_image(tmp_path / 'a.tif'), picture)


def test_pyramid_is_read_at_full_size(tmp_path, picture):
    with tifffile.TiffWriter(tmp_path / 'a.tif') as tiff:
        tiff.write(picture, subifds=1, photometric='rgb')
        tiff.write(picture[::2, ::2], subfiletype=1, photometric='rgb')
    np.testing.assert_array_equal(read_image(tmp_path / 'a.tif'), picture)


def test_reduced_copy_is_no_second_picture(tmp_path, picture):
    with tifffile.TiffWriter(tmp_path / 'a.tif') as tiff:
        tiff.write(picture, photometric='rgb', metadata=None)
        tiff.write(
            picture[::3, ::3],
            photometric='rgb',
            subfiletype=1,
            metadata=None,
        )
    np.testing.assert_array_equal(read_image(tmp_path / 'a.tif'), picture)


def test_cmyk_jpeg_becomes_color(tmp_path, picture):
    Image.fromarray(picture).convert('CMYK').save(tmp_path / 'a.jpg')
    assert read_image(tmp_path / 'a.jpg').shape == (20, 30, 3)


def test_cmyk_tiff_is_refused(tmp_path, picture):
    Image.fromarray(picture).convert('CMYK').save(tmp_path / 'a.tif')
    with pytest.raises(InputError, match=r'inks.*Convert it to RGB'):
        read_image(tmp_path / 'a.tif')


def test_gif_of_one_frame(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / 'a.gif')
    assert read_image(tmp_path / 'a.gif').shape == (20, 30, 3)


def test_orientation_is_that_of_napari(tmp_path, picture):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / 'a.jpg'
    Image.fromarray(picture).save(path, exif=exif)
    io = pytest.importorskip('napari_builtins.io')
    shown = io.imread(str(path))
    assert shown.shape == (20, 30, 3)
    np.testing.assert_array_equal(read_image(path), shown)


@pytest.mark.parametrize('shape', [(4, 20, 30), (2, 3, 20, 30), (20, 30, 5)])
def test_stack_is_refused_with_its_shape(tmp_path, shape):
    tifffile.imwrite(
        tmp_path / 'a.tif',
        np.zeros(shape, np.uint8),
        photometric='minisblack',
    )
    with pytest.raises(InputError) as caught:
        read_image(tmp_path / 'a.tif')
    assert str(shape) in str(caught.value)
    assert 'Save the plane' in str(caught.value)


def test_animation_is_refused(tmp_path, picture):
    first = Image.fromarray(picture)
    other = Image.fromarray(picture[::-1])
    first.save(tmp_path / 'a.gif', save_all=True, append_images=[other])
    with pytest.raises(InputError, match=r'\(2, 20, 30, 3\)'):
        read_image(tmp_path / 'a.gif')


def test_pages_of_different_sizes_are_refused(tmp_path, picture):
    with tifffile.TiffWriter(tmp_path / 'a.tif') as tiff:
        tiff.write(picture, photometric='rgb', metadata=None)
        tiff.write(picture[:5], photometric='rgb', metadata=None)
    with pytest.raises(InputError, match='2 different pictures'):
        read_image(tmp_path / 'a.tif')


@pytest.mark.parametrize('name', ['a.png', 'a.jpg', 'a.tif', 'z.tif', 'a.bmp'])
@pytest.mark.parametrize('share', [0.01, 0.5, 0.9])
def test_cut_file(tmp_path, name, share):
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (100, 150, 3), dtype=np.uint8)
    path = tmp_path / name
    if name.endswith('.tif'):
        packing = 'zlib' if name == 'z.tif' else None
        tifffile.imwrite(path, picture, photometric='rgb', compression=packing)
    else:
        Image.fromarray(picture).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=r'cut|damaged'):
        read_image(path)


@pytest.mark.parametrize('name', ['a.png', 'a.tif', 'a.txt', 'a.mp4', 'a'])
def test_file_that_is_no_image(tmp_path, name):
    (tmp_path / name).write_text('Dear reader, this is a letter.\n' * 20)
    with pytest.raises(InputError, match='no image') as caught:
        read_image(tmp_path / name)
    assert '\n' not in str(caught.value)


def test_missing_empty_folder(tmp_path):
    with pytest.raises(StorageError, match='There is no file'):
        read_image(tmp_path / 'a.png')
    with pytest.raises(StorageError, match='is a folder'):
        read_image(tmp_path)
    (tmp_path / 'a.png').write_bytes(b'')
    with pytest.raises(InputError, match='is empty'):
        read_image(tmp_path / 'a.png')


def test_file_without_the_right_to_read(tmp_path):
    path = tmp_path / 'a.png'
    path.write_bytes(b'x')
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip('this user may read everything')
    with pytest.raises(StorageError, match='may not be read'):
        read_image(path)


def test_address_is_never_fetched(monkeypatch):
    monkeypatch.setattr(iio, 'imread', lambda *_, **__: pytest.fail('read'))
    with pytest.raises(NaclipError, match='There is no file'):
        read_image('https://example.org/a.png')


def test_too_many_pixels(tmp_path, picture, monkeypatch):
    Image.fromarray(picture).save(tmp_path / 'a.png')
    # Between the limit and its double Pillow only warns.
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 400)
    assert read_image(tmp_path / 'a.png').shape == (20, 30, 3)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    with pytest.raises(InputError, match='more pixels than its reader'):
        read_image(tmp_path / 'a.png')
