"""``napari-naclip evaluate``: equal to the demo's own measure, and resumed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_sets import SAMPLES, VOC, write_sample
from napari_naclip.demo.evaluation import (
    demo_settings,
    draw_scene_set,
    load_checkpoint,
    measure,
)
from napari_naclip.evaluate import count


def read_result(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob('result-*.json')
    content: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    return content


OWN = ('--images', 'photos', '--labels', 'masks', '--classes', 'list.txt')
SMALL = ('--model', 'demo', '--detail', '112', '--refine', 'off')


@pytest.fixture
def own(workplace: Path) -> Path:
    """Write four small images with labels and a list into the folder."""
    rng = np.random.default_rng(0)
    for name in ('photos', 'masks'):
        (workplace / name).mkdir()
    for name in 'abcd':
        blocks = rng.integers(0, 256, (7, 8, 3), np.uint8)
        picture = blocks.repeat(16, axis=0).repeat(16, axis=1)
        Image.fromarray(picture).save(workplace / 'photos' / f'{name}.png')
        labels = rng.integers(0, 4, (112, 128), np.uint8)
        Image.fromarray(labels).save(workplace / 'masks' / f'{name}.png')
    (workplace / 'list.txt').write_text('sand\nwater, lake\ngrass\n')
    return workplace


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list of the images that are segmented from here on."""
    done: list[str] = []
    count_pair = count.count_pair

    def count_and_note(pair: Any, *rest: Any) -> Any:
        done.append(pair.name)
        if os.environ.get('STOP_AT') == pair.name:
            raise KeyboardInterrupt
        return count_pair(pair, *rest)

    monkeypatch.setattr(count, 'count_pair', count_and_note)
    return done


def test_held_out_scenes_in_voc_layout_score_what_the_demo_says(
    run, workplace: Path
) -> None:
    scenes = draw_scene_set('held8', 2)
    voc = workplace / VOC
    for name in ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation'):
        (voc / name).mkdir(parents=True)
    for index, scene in enumerate(scenes.scenes):
        Image.fromarray(scene.image).save(voc / f'JPEGImages/{index}.png')
        labels = Image.fromarray(scene.labels.astype(np.uint8) + 1)
        labels.save(voc / f'SegmentationClass/{index}.png')
    (voc / 'ImageSets/Segmentation/val.txt').write_text('0\n1\n')
    (workplace / 'list.txt').write_text('\n'.join(scenes.materials))
    done = run(
        *('evaluate', '--dataset', 'voc21', '--root', 'VOCdevkit'),
        *('--classes', 'list.txt', '--model', 'demo', '--device', 'cpu'),
        *('--precision', 'float32', '--detail', 'full', '--refine', 'off'),
        *('--window', '112', '--stride', '56', '-o', 'out'),
    )
    assert done.status == 0, done.err
    settings = demo_settings('reduced', 'naclip', 112, 56)
    iou, accuracy = measure(load_checkpoint(None), scenes, settings)
    content = read_result(workplace / 'out')
    assert (content['mean_iou'], content['accuracy']) == (iou, accuracy)
    assert iou > 0.5
    assert f'mean IoU {100 * iou:.2f} %' in done.out
    assert 'published' not in done.out


def test_published_figure_stands_beside_ours_with_what_differs(
    run, workplace: Path
) -> None:
    write_sample(workplace, SAMPLES['voc20'])
    done = run(
        *('evaluate', '--dataset', 'voc20', '--root', '.', '--model', 'demo'),
        *('--limit', '2'),
    )
    assert done.status == 0, done.err
    content = read_result(workplace / 'evaluation-voc20')
    assert content['published_mean_iou'] == pytest.approx(0.8303)
    assert content['settings']['refine'] == 'fast'
    last = done.out.splitlines()[-2]
    assert last.startswith('published: mean IoU 83.03 % (but here the model')
    assert 'only 2 of 3 images' in last


def test_run_that_was_stopped_goes_on_and_gives_the_same(
    run, own: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run('evaluate', *OWN, *SMALL, '-o', 'whole').status == 0
    calls.clear()
    monkeypatch.setenv('STOP_AT', 'c')
    command = ('evaluate', *OWN, *SMALL, '-o', 'parts')
    assert run(*command).status == 130
    assert not list((own / 'parts').glob('result-*'))
    monkeypatch.delenv('STOP_AT')
    calls.clear()
    done = run(*command)
    assert calls == ['c', 'd']
    assert 'counted earlier, with the same settings: 2 of 4.' in done.err
    assert read_result(own / 'parts') == read_result(own / 'whole')


@pytest.mark.slow
def test_run_that_was_killed_goes_on_and_gives_the_same(
    run, own: Path, calls: list[str]
) -> None:
    for index in range(8):
        for folder in ('photos', 'masks'):
            shutil.copy(own / folder / 'a.png', own / folder / f'{index}.png')
    assert run('evaluate', *OWN, *SMALL, '-o', 'whole').status == 0
    command = ('evaluate', *OWN, *SMALL, '-o', 'parts')
    with subprocess.Popen(
        [sys.executable, '-m', 'napari_naclip.cli', *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while not list((own / 'parts').glob('*/*.counts.json')):
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
    kept = {
        path.name.removesuffix('.counts.json')
        for path in (own / 'parts').glob('*/*.counts.json')
    }
    calls.clear()
    assert run(*command).status == 0
    names = sorted(path.stem for path in (own / 'photos').iterdir())
    assert calls == [name for name in names if name not in kept]
    assert read_result(own / 'parts') == read_result(own / 'whole')


def test_only_what_changed_is_counted_again(
    run, own: Path, calls: list[str]
) -> None:
    command = ('evaluate', *OWN, *SMALL)
    assert run(*command).status == 0
    kept = next((own / 'evaluation-photos').glob('counts-*'))
    (kept / 'a.counts.json').write_text('{"files": [[')
    (kept / 'b.counts.json').write_text('{"counts": [[9, 0, 1]]}')
    (own / 'masks' / 'd.png').touch()
    calls.clear()
    assert run(*command).status == 0
    assert calls == ['a', 'b', 'd']
    calls.clear()
    # Another setting begins anew, and leaves what was counted.
    assert run(*command, '--window', '64').status == 0
    assert calls == ['a', 'b', 'c', 'd']
    calls.clear()
    assert run(*command).status == 0
    assert calls == []


def test_broken_file_is_named_and_fails_the_command(run, own: Path) -> None:
    (own / 'photos' / 'b.png').write_bytes(b'no picture')
    (own / 'photos' / 'e.png').write_bytes(b'')
    done = run('evaluate', *OWN, *SMALL)
    assert done.status == 1
    assert 'b.png cannot be read' in done.err
    assert 'are left out: 1.' in done.err
    assert read_result(own / 'evaluation-photos')['images'] == 3
    assert '3 of 4 images' in done.out


@pytest.mark.parametrize(
    ('arguments', 'match'),
    [
        ((), 'either a data set'),
        (('--dataset', 'voc21'), 'either a data set'),
        (('--dataset', 'voc21', '--root', '.', *OWN), 'either a data set'),
        (OWN[:4], 'The classes are missing'),
        (
            ('--dataset', 'voc21', '--root', '.', '--ignore', '3'),
            'go with --classes',
        ),
        (('--dataset', 'voc21', '--root', '.'), 'files of voc21 are not in'),
        ((*OWN, '--ignore', '2'), "class 'water'"),
        ((*OWN, '--window', '-1'), 'window is -1'),
        ((*OWN, '--limit', '0'), 'least is 1'),
    ],
)
def test_mistakes_are_told_before_a_model_is_loaded(
    arguments: tuple[str, ...], match: str, run, own: Path, no_model: None
) -> None:
    assert match in run('evaluate', *arguments).error
    assert not list(own.glob('evaluation-*'))
