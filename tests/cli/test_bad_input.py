"""Each bad input gets one line, and leaves nothing behind."""

from __future__ import annotations

import errno
import os
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from safetensors.torch import save_file

from napari_naclip.engine import models
from napari_naclip.io import images
from napari_naclip.io import labels as labels_module

TWO = ('--classes', 'sand; road')
DEMO = (*TWO, '--model', 'demo')


class Bomb:
    """Pickles into a call that makes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self):
        return os.mkdir, (str(self._path),)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'There is no file a.png'),
        (b'', 'a.png is empty'),
        (b'Dear reader, this is a letter.', 'a.png cannot be read'),
    ],
)
def test_file(run, no_model, names, content, message):
    if content is not None:
        Path('a.png').write_bytes(content)
    before = names()
    assert message in run('segment', 'a.png', *DEMO, '-o', 'o.tif').error
    assert names() == before


def test_cut_file(run, no_model, photo):
    Path('cut.png').write_bytes(photo.read_bytes()[:3000])
    error = run('segment', 'cut.png', *DEMO, '-o', 'o.tif').error
    assert error.startswith('cut.png cannot be read: it is cut')


@pytest.mark.parametrize(
    ('array', 'message'),
    [
        (np.zeros((1, 1), np.uint16), '1 x 1 pixels'),
        (np.full((9, 9), np.nan, np.float32), 'no finite value'),
        (np.full((9, 9), 7, np.uint16), 'constant'),
        (np.ones((9, 9), np.complex64), 'complex64'),
    ],
)
def test_image(run, golden_model, names, monkeypatch, array, message):
    monkeypatch.setattr(models, 'load_model', lambda *_, **__: golden_model)
    tifffile.imwrite('a.tif', array, photometric='minisblack')
    error = run('segment', 'a.tif', *TWO, '-o', 'o.tif').error
    # The engine knows no file, the line does.
    assert error.startswith('a.tif: ')
    assert message in error
    assert names() == ['a.tif']


def test_image_of_no_pixels(run, no_model, monkeypatch, photo):
    # No writer at hand makes such a file.
    empty = np.zeros((0, 4), np.uint8)
    monkeypatch.setattr(images, '_read_other', lambda _: empty)
    error = run('segment', photo, *DEMO, '-o', 'o.tif').error
    assert error.startswith('photo.png holds an image of no pixels')


def test_array_of_objects_in_a_file_is_not_unpickled(run, no_model, tmp_path):
    made = tmp_path / 'made'
    with Path('a.npy').open('wb') as file:
        np.save(file, np.array([[Bomb(made)]], object), allow_pickle=True)
    assert 'no image' in run('segment', 'a.npy', *DEMO, '-o', 'o.tif').error
    assert not made.exists()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('--classes', ''), 'There is no class'),
        (('--classes', '  '), 'There is no class'),
        (('--classes', 'sky;  ; tree'), 'Class 2 is empty'),
        (('--classes', 'sky; Sky'), "'Sky' is there twice"),
        (('--classes', 'background'), 'no class to look for'),
        (('--classes', '"sky'), 'quotation mark'),
        (('--classes-file', 'none.txt'), 'none.txt cannot be read'),
        (('--classes-file', 'latin.txt'), 'latin.txt is no text in UTF-8'),
        (('--classes-file', 'empty.txt'), 'There is no class'),
        ((*TWO, '--threshold', '1.5'), 'The threshold is 1.5'),
        ((*TWO, '--threshold', '-0.1'), 'The threshold is -0.1'),
        ((*TWO, '--threshold', 'nan'), 'The threshold is nan'),
        ((*TWO, '--threshold', '0.5'), 'needs a background row'),
        ((*TWO, '--detail', '0'), 'detail is 0'),
        ((*TWO, '--reduction', '0'), 'The reduction is 0.0 image pixels'),
        ((*TWO, '--reduction', 'inf'), 'The reduction is inf image pixels'),
        ((*TWO, '--window', '-1'), 'window is -1'),
        ((*TWO, '--strategy', 'csa'), "'csa' is defined for"),
        ((*TWO, '--model', 'gpt'), "There is no model 'gpt'"),
        ((*TWO, '--model', 'demo', '--weights', 'w'), 'its own weights'),
    ],
)
def test_words_and_settings(run, no_model, photo, names, options, message):
    Path('latin.txt').write_bytes('Bäume'.encode('latin-1'))
    Path('empty.txt').write_text('\n \n')
    before = names()
    error = run('segment', photo, *options, '-o', 'o.tif').error
    assert message in error
    assert names() == before


@pytest.mark.parametrize(
    ('output', 'message'),
    [
        ('o.jpg', 'does not end in'),
        ('o', 'does not end in'),
        ('none/o.tif', 'there is no folder none'),
        ('none/none/', 'there is no folder none'),
        ('photo.png/o.tif', 'not a folder'),
        ('photo.png', 'would replace the image'),
    ],
)
def test_output(run, no_model, photo, names, output, message):
    error = run('segment', photo, *DEMO, '--overwrite', '-o', output).error
    assert message in error
    assert names() == ['photo.png']


def test_output_that_is_one_of_the_images(run, no_model, photo, scene):
    tifffile.imwrite('a.tif', scene.image)
    before = Path('a.tif').read_bytes()
    done = run('segment', 'a.tif', *DEMO, '--overwrite', '-o', '.')
    assert 'would replace the image' in done.error
    assert Path('a.tif').read_bytes() == before


def test_two_images_of_one_name(run, no_model, photo, names):
    Image.open(photo).save('Photo.bmp')
    before = names()
    done = run('segment', photo, 'Photo.bmp', *DEMO, '-o', 'out')
    assert 'would both become' in done.error
    assert names() == before


def test_png_with_too_many_classes(run, no_model, photo):
    many = '; '.join(f'c{index}' for index in range(300))
    done = run(
        *('segment', photo, '--classes', many, '--model', 'demo'),
        *('-o', 'o.png'),
    )
    assert 'Choose a TIFF' in done.error


def test_no_room_for_the_output(run, photo, names, monkeypatch):
    def fill(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(labels_module, 'dump_tiff', fill)
    done = run('segment', photo, *DEMO, '-o', 'o.tif')
    assert 'o.tif cannot be written: there is no room' in done.error
    assert names() == ['photo.png']


def test_no_room_for_the_text_cache(run, photo, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('NAPARI_NACLIP_CACHE', str(tmp_path / 'file' / 'c'))
    done = run('segment', photo, *DEMO, '-o', 'o.tif')
    assert done.status == 0
    assert done.err.startswith('note: Texts could not be kept on the disk')
    assert str(tmp_path) not in Path('o.json').read_text(encoding='utf-8')


@pytest.mark.parametrize(
    'device', [f'cuda:{torch.cuda.device_count()}', 'abacus', 'meta']
)
def test_device_that_is_not_there(run, photo, names, device):
    done = run('segment', photo, *DEMO, '--device', device, '-o', 'o.tif')
    assert done.error
    assert names() == ['photo.png']


def test_weights_missing_and_no_download(run, photo, names):
    done = run('segment', photo, *TWO, '-o', 'o.tif')
    for way_out in ('--download', '--weights', '--model demo'):
        assert way_out in done.error
    assert names() == ['photo.png']


def make_weights(kind: str, made: Path) -> None:
    path = Path('w.pt')
    if kind == 'empty':
        path.write_bytes(b'')
    elif kind == 'cut':
        torch.save({'a': torch.zeros(1000)}, path)
        path.write_bytes(path.read_bytes()[:1000])
    elif kind == 'foreign':
        save_file({'conv.weight': torch.zeros(3)}, path)
        path.rename('w.safetensors')
    elif kind == 'cut safetensors':
        save_file({'conv.weight': torch.zeros(300)}, path)
        Path('w.safetensors').write_bytes(path.read_bytes()[:500])
    elif kind == 'pickle':
        path.write_bytes(pickle.dumps(Bomb(made)))
    elif kind == 'torch pickle':
        torch.save({'a': Bomb(made)}, path)


@pytest.mark.parametrize(
    ('kind', 'message'),
    [
        ('missing', 'There is no weights file'),
        ('empty', 'is empty'),
        ('cut', 'cut or not'),
        ('foreign', 'w.safetensors'),
        ('cut safetensors', 'is cut or not a safetensors file'),
        ('pickle', 'was refused'),
        ('torch pickle', 'was refused'),
    ],
)
def test_weights(run, photo, tmp_path, kind, message):
    made = tmp_path / 'made'
    make_weights(kind, made)
    name = 'w.safetensors' if 'w.safe' in message else 'w.pt'
    name = 'w.safetensors' if kind == 'cut safetensors' else name
    done = run('segment', photo, *TWO, '--weights', name, '-o', 'o.tif')
    assert message in done.error
    assert not made.exists()
    assert not Path('o.tif').exists()


def test_bomb_would_go_off(tmp_path):
    # Shows that the tests above can fail.
    pickle.loads(pickle.dumps(Bomb(tmp_path / 'made')))
    assert (tmp_path / 'made').exists()


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
@pytest.mark.filterwarnings('ignore::FutureWarning')
def test_torchscript(run, photo):
    torch.jit.script(torch.nn.Linear(2, 2)).save('w.pt')
    done = run('segment', photo, *TWO, '--weights', 'w.pt', '-o', 'o.tif')
    assert 'TorchScript archive, which holds code' in done.error


def test_no_network(run_process, photo, names):
    start = time.monotonic()
    done = run_process(
        *('segment', photo, *TWO, '--download', '-o', 'o.tif'),
        HF_ENDPOINT='http://127.0.0.1:9',
    )
    assert 'could not be downloaded' in done.error
    assert time.monotonic() - start < 60
    assert names() == ['photo.png']
