from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_naclip import ClassList, Settings, load_model, segment
from napari_naclip.engine import models
from napari_naclip.engine import segment as segment_module
from napari_naclip.engine.types import Progress

CLASSES = 'sand; water, sea; grass; forest; road'
DEMO = ('--classes', CLASSES, '--model', 'demo')


@pytest.fixture(scope='module')
def expected(scene):
    """Return what the Python interface makes of the scene."""
    model = load_model('demo', device='cpu')
    return segment(scene.image, CLASSES, model=model)


def test_labels_are_those_of_the_interface(run, photo, names, expected, scene):
    done = run('segment', photo, *DEMO, '--device', 'cpu', '-o', 'out.tif')
    assert (done.status, done.err) == (0, '')
    assert names() == ['out.json', 'out.tif', 'photo.png']
    labels = tifffile.imread('out.tif')
    np.testing.assert_array_equal(labels, expected.labels)
    # And they mean what they say.
    assert (labels == scene.labels.astype(int) + 1).mean() > 0.7
    share = (labels == 1).mean()
    assert done.out.startswith(f'out.tif: sand {100 * share:.1f} %, water ')
    assert done.out.count('\n') == 1


def test_recipe_says_everything_and_no_path(
    run, photo, tmp_path, expected, monkeypatch
):
    run('segment', photo.absolute(), *DEMO, '--device', 'cpu', '-o', 'a.tif')
    text = Path('a.json').read_text(encoding='utf-8')
    content = json.loads(text)
    assert content['recipe'] == json.loads(json.dumps(expected.recipe))
    assert [row['name'] for row in content['classes']] == [
        'sand',
        'water',
        'grass',
        'forest',
        'road',
    ]
    for trace in (str(tmp_path), 'photo', str(Path.home()) + '/'):
        assert trace not in text


def test_palette_png(run, photo, expected):
    done = run('segment', photo, *DEMO, '--device', 'cpu', '-o', 'out.png')
    assert done.status == 0
    with Image.open('out.png') as image:
        assert image.mode == 'P'
        np.testing.assert_array_equal(np.asarray(image), expected.labels)


def test_options_reach_the_engine(run, photo, scene):
    Path('classes.txt').write_text('sand\nroad\n', encoding='utf-8')
    done = run(
        *('segment', photo, '--model', 'demo', '--device', 'cpu'),
        *('--classes-file', 'classes.txt', '--background', 'water, grass'),
        *('--precision', 'float32', '--detail', '90', '--window', '56'),
        *('--stride', '28', '--strategy', 'csa', '--architecture', 'vanilla'),
        *('--threshold', '0.4', '--refine', 'fast'),
        *('--resampling', 'published', '-o', 'out.tif'),
    )
    assert done.status == 0
    settings = Settings(
        strategy='csa',
        architecture='vanilla',
        detail=90,
        window=56,
        stride=28,
        threshold=0.4,
        refine='fast',
        resampling='published',
    )
    expected = segment(
        scene.image,
        ClassList.from_text('sand; road', background='water, grass'),
        model=load_model('demo', device='cpu', precision='float32'),
        settings=settings,
    )
    np.testing.assert_array_equal(tifffile.imread('out.tif'), expected.labels)
    recipe = json.loads(Path('out.json').read_bytes())['recipe']
    assert recipe['settings'] == json.loads(json.dumps(settings.to_dict()))


def test_full_detail(run, photo):
    run('segment', photo, *DEMO, '--detail', 'full', '-o', 'out.tif')
    recipe = json.loads(Path('out.json').read_bytes())['recipe']
    assert recipe['image']['seen_at'] == [112, 160]


def test_reduction(run, photo):
    run('segment', photo, *DEMO, '--reduction', '0.8', '-o', 'out.tif')
    recipe = json.loads(Path('out.json').read_text(encoding='utf-8'))['recipe']
    assert recipe['settings']['reduction'] == 0.8
    assert recipe['image']['seen_at'] == [140, 200]


@pytest.mark.parametrize(
    ('resampling', 'averaged'), [('auto', True), ('published', False)]
)
def test_resampling(run, photo, resampling, averaged):
    run(
        *('segment', photo, *DEMO, '--resampling', resampling),
        *('--reduction', '2.5', '--window', '32', '-o', 'out.tif'),
    )
    recipe = json.loads(Path('out.json').read_text(encoding='utf-8'))['recipe']
    assert recipe['settings']['resampling'] == resampling
    assert recipe['image']['area_averaged'] == averaged


def test_background_without_prompts_is_for_the_threshold(run, photo):
    run(
        *('segment', photo, *DEMO, '--background', ''),
        *('--threshold', '0.9999', '-o', 'out.tif'),
    )
    labels = tifffile.imread('out.tif')
    assert (labels == 0).any()


def test_notices_are_notes(run, photo):
    done = run(
        *('segment', photo, '--classes', 'unicorn', '--model', 'demo'),
        *('--no-contrast', '-o', 'out.tif'),
    )
    assert done.status == 0
    lines = done.err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith('note: ') for line in lines)
    assert 'covers everything' in lines[0]
    assert "does not know 'unicorn'" in lines[1]


def test_several_images_into_a_folder(run, photo, names):
    shutil.copy(photo, 'other.png')
    done = run('segment', photo, 'other.png', *DEMO, '-o', 'new')
    assert done.status == 0
    assert [line.split(':')[0] for line in done.out.splitlines()] == [
        str(Path('new', 'photo.tif')),
        str(Path('new', 'other.tif')),
    ]
    assert sorted(path.name for path in Path('new').iterdir()) == [
        'other.json',
        'other.tif',
        'photo.json',
        'photo.tif',
    ]


@pytest.mark.parametrize('output', ['there', 'new/'])
def test_one_image_into_a_folder(run, photo, output):
    Path('there').mkdir()
    assert run('segment', photo, *DEMO, '-o', output).status == 0
    assert Path(output, 'photo.tif').is_file()


def test_one_failure_does_not_stop_the_others(run, photo):
    Path('broken.png').write_bytes(photo.read_bytes()[:2000])
    Image.new('L', (1, 1)).save('dot.png')
    done = run(
        *('segment', 'missing.png', 'broken.png', 'dot.png', photo),
        *(*DEMO, '-o', 'out/'),
    )
    assert done.status == 1
    assert done.out.startswith(str(Path('out', 'photo.tif')))
    assert done.out.count('\n') == 1
    lines = done.err.splitlines()
    assert len(lines) == 3
    for line, name in zip(
        lines, ['missing.png', 'broken.png', 'dot.png'], strict=True
    ):
        assert line.startswith('napari-naclip: error: ')
        assert line.count(name) == 1
    assert sorted(path.name for path in Path('out').iterdir()) == [
        'photo.json',
        'photo.tif',
    ]


@pytest.mark.parametrize('existing', ['out.tif', 'out.json'])
def test_existing_output_is_kept(run, photo, no_model, names, existing):
    Path(existing).write_text('mine')
    done = run('segment', photo, *DEMO, '-o', 'out.tif')
    assert f'{existing} is there already and was kept' in done.error
    assert Path(existing).read_text() == 'mine'
    assert names() == sorted([existing, 'photo.png'])


def test_overwrite(run, photo, expected):
    for name in ('out.tif', 'out.json'):
        Path(name).write_text('old')
    done = run(
        *('segment', photo, *DEMO, '--device', 'cpu', '--overwrite'),
        *('-o', 'out.tif'),
    )
    assert done.status == 0
    np.testing.assert_array_equal(tifffile.imread('out.tif'), expected.labels)


def test_existing_output_of_a_batch_does_not_stop_the_rest(run, photo):
    shutil.copy(photo, 'other.png')
    Path('out').mkdir()
    Path('out', 'photo.tif').write_text('mine')
    done = run('segment', photo, 'other.png', *DEMO, '-o', 'out')
    assert done.status == 1
    assert len(done.err.splitlines()) == 1
    assert Path('out', 'photo.tif').read_text() == 'mine'
    assert Path('out', 'other.tif').is_file()


def test_progress_on_request_only(run, photo):
    quiet = run('segment', photo, *DEMO, '-o', 'a.tif')
    assert quiet.err == ''
    shown = run('segment', photo, *DEMO, '--progress', '-o', 'b.tif')
    for stage in ('loading model', 'looking at windows'):
        assert stage in shown.err
    # The bar is taken away; results are not mixed with it.
    assert shown.out.startswith('b.tif: ')
    assert shown.out.count('\n') == 1


def test_stop_by_keyboard_leaves_nothing(run, photo, names, monkeypatch):
    original = segment_module.segment

    def interrupt(progress: Progress) -> None:
        if progress.stage == 'windows':
            raise KeyboardInterrupt

    def interrupted(*arguments, **options):
        return original(*arguments, **{**options, 'progress': interrupt})

    monkeypatch.setattr(segment_module, 'segment', interrupted)
    done = run('segment', photo, *DEMO, '-o', 'out.tif')
    assert done.status == 130
    assert done.out == ''
    assert len(done.err.splitlines()) == 1
    assert names() == ['photo.png']


def test_text_cache_is_used(run, photo, tmp_path, monkeypatch):
    run('segment', photo, *DEMO, '-o', 'a.tif')
    assert list((tmp_path / 'cache' / 'text').rglob('*.npy'))
    load = models.load_model

    def load_without_text(*arguments, **options):
        model = load(*arguments, **options)
        monkeypatch.setattr(
            type(model.text), 'encode', lambda *_: pytest.fail('encoded')
        )
        return model

    monkeypatch.setattr(models, 'load_model', load_without_text)
    assert run('segment', photo, *DEMO, '-o', 'b.tif').status == 0


@pytest.mark.slow
def test_a_later_process_does_not_look_again(run_process, photo):
    first = run_process('segment', photo, *DEMO, '--progress', '-o', 'a.tif')
    later = run_process('segment', photo, *DEMO, '--progress', '-o', 'b.tif')
    # All of the windows were looked at once, and were kept.
    assert re.search(r'looking at windows.*\b(\d+)/\1 ', first.err)
    assert 'kept' not in first.err
    assert re.search(r'\b(\d+)/\1 .*\b\1 kept', later.err)
    assert Path('a.tif').read_bytes() == Path('b.tif').read_bytes()
