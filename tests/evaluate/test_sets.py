"""The eight sets in their true layouts against a plain confusion matrix."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_sets import (
    SAMPLES,
    SIZE,
    STREET,
    STUFF,
    Sample,
    write_picture,
    write_sample,
    write_values,
)
from napari_naclip.engine.errors import InputError, StorageError
from napari_naclip.evaluate import count
from napari_naclip.evaluate.count import iter_counts
from napari_naclip.evaluate.kept_counts import KeptCounts
from napari_naclip.evaluate.layouts import LAYOUTS, find_dataset
from napari_naclip.evaluate.report import Tally, report
from napari_naclip.evaluate.task import Task, plan_published

#: Stands in for a model where the answers are made up.
NO_MODEL: Any = SimpleNamespace(
    name='none', fingerprint='0', device='cpu', dtype='torch.float32'
)


def oracle(root: Path, sample: Sample, count: int) -> list[float | None]:
    """Return the IoU of each class, pixel by pixel in plain Python."""
    matrix = [[0] * count for _ in range(count)]
    for name in sample.names:
        image = root / sample.images / f'{name}{sample.image_suffix}'
        labels = root / sample.labels / f'{name}{sample.label_suffix}'
        pixels = np.asarray(Image.open(image)).reshape(-1, 3).tolist()
        values = np.asarray(Image.open(labels)).ravel().tolist()
        for pixel, value in zip(pixels, values, strict=True):
            row = sample.row(value)
            if row is not None:
                matrix[row][sum(pixel) % count] += 1
    ious: list[float | None] = []
    for each in range(count):
        hits = matrix[each][each]
        union = sum(matrix[each]) + sum(row[each] for row in matrix) - hits
        ious.append(hits / union if union else None)
    return ious


def evaluate(task: Task, folder: Path) -> dict[str, Any]:
    count = len(task.classes.rows)
    tally = Tally.of_classes(count)
    for counted in iter_counts(task, NO_MODEL, KeptCounts(folder, count)):
        tally.add(counted)
    return report(task, tally, NO_MODEL)


@pytest.mark.parametrize('key', SAMPLES)
def test_set_scores_what_a_plain_matrix_says(
    key: str, tmp_path: Path, made_up: list[int]
) -> None:
    sample = SAMPLES[key]
    write_sample(tmp_path / 'data', sample)
    task = plan_published(key, tmp_path / 'data')
    content = evaluate(task, tmp_path / 'counts')
    expected = oracle(tmp_path / 'data', sample, len(task.classes.rows))
    assert [each['iou'] for each in content['classes']] == expected
    found = [iou for iou in expected if iou is not None]
    assert content['mean_iou'] == pytest.approx(sum(found) / len(found))
    assert content['images'] == len(made_up) == 3
    assert content['problems'] == []
    sizes = ' or '.join(map(str, LAYOUTS[key].sizes))
    assert content['differences'] == [
        f'the number of images is 3, not {sizes}'
    ]


def test_all_eight_are_there() -> None:
    assert LAYOUTS.keys() == SAMPLES.keys()


@pytest.mark.parametrize('key', SAMPLES)
def test_settings_are_the_published_ones(key: str, tmp_path: Path) -> None:
    write_sample(tmp_path, SAMPLES[key])
    task = plan_published(key, tmp_path)
    settings = task.settings
    assert settings.refine == 'fast'
    assert settings.resampling == 'published'
    assert settings.token_precision == 'float32'
    assert settings.detail == (560 if key == 'cityscapes' else 336)
    assert settings.window == (0 if key in ('voc20', 'voc21') else 224)
    has_background = key in ('voc21', 'context60', 'coco_object')
    assert settings.threshold == (0.1 if has_background else 0)
    assert (task.classes.background is not None) == has_background
    assert task.published is not None
    assert 0.19 < task.published < 0.84


@pytest.mark.parametrize(
    ('key', 'images', 'labels', 'suffixes', 'known', 'ignored'),
    [
        (
            'coco_stuff',
            'val2017',
            'stuffthingmaps/val2017',
            ('.jpg', '.png'),
            STUFF,
            255,
        ),
        (
            'cityscapes',
            'leftImg8bit/val/munster',
            'gtFine/val/munster',
            ('_leftImg8bit.png', '_gtFine_labelIds.png'),
            STREET,
            4,
        ),
    ],
)
def test_stored_ids_are_translated(
    key: str,
    images: str,
    labels: str,
    suffixes: tuple[str, str],
    known: dict[int, str],
    ignored: int,
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    write_picture(tmp_path / images / f'a{suffixes[0]}', rng)
    path = tmp_path / labels / f'a{suffixes[1]}'
    write_values(path, np.zeros(SIZE, np.uint8))
    task = plan_published(key, tmp_path)
    values = np.array([[*known, ignored]], np.uint8)
    rows = task.rule.apply(values, path)[0].tolist()
    assert rows.pop() == -1
    assert [task.classes.rows[row].name for row in rows] == [*known.values()]
    assert sorted(task.rule.rows.values()) == [*range(len(task.classes.rows))]


def test_converted_files_win_over_stored_ids(tmp_path: Path) -> None:
    sample = SAMPLES['coco_stuff']
    write_sample(tmp_path, sample)
    for name in sample.names:
        path = tmp_path / sample.labels / f'{name}.png'
        write_values(path, np.zeros(SIZE, np.uint8))
    found = find_dataset('coco_stuff', tmp_path)
    assert found.values is None
    assert {pair.labels.name for pair in found.pairs} == {
        f'{name}_labelTrainIds.png' for name in sample.names
    }


@pytest.mark.parametrize('below', ['', 'VOCdevkit', 'VOCdevkit/VOC2012'])
def test_any_folder_on_the_way_can_be_named(
    below: str, tmp_path: Path
) -> None:
    write_sample(tmp_path, SAMPLES['voc21'])
    assert len(find_dataset('voc21', tmp_path / below).pairs) == 3


def test_other_set_is_refused_with_what_is_looked_for(tmp_path: Path) -> None:
    write_sample(tmp_path, SAMPLES['voc21'])
    with pytest.raises(InputError, match=r'ade20k are not in .*validation'):
        find_dataset('ade20k', tmp_path)
    with pytest.raises(StorageError, match='no folder'):
        find_dataset('voc21', tmp_path / 'nowhere')


def test_files_of_another_conversion_are_not_taken(tmp_path: Path) -> None:
    write_sample(tmp_path, SAMPLES['coco_object'])
    with pytest.raises(InputError, match='files of coco_stuff are not in'):
        find_dataset('coco_stuff', tmp_path)


def test_missing_file_is_named_before_anything_is_counted(
    tmp_path: Path,
) -> None:
    sample = SAMPLES['voc21']
    write_sample(tmp_path, sample)
    path = tmp_path / sample.labels / f'{sample.names[1]}.png'
    path.unlink()
    with pytest.raises(StorageError, match=path.name):
        plan_published('voc21', tmp_path)


def test_broken_files_are_named_and_the_rest_is_counted(
    tmp_path: Path, made_up: list[int]
) -> None:
    sample = SAMPLES['ade20k']
    write_sample(tmp_path / 'data', sample)
    images = tmp_path / 'data' / sample.images
    labels = tmp_path / 'data' / sample.labels
    first, second, _ = sample.names
    (images / f'{first}.jpg').write_bytes(b'\xff\xd8\xff cut')
    path = labels / f'{second}.png'
    path.write_bytes(path.read_bytes()[:60])
    task = plan_published('ade20k', tmp_path / 'data')
    content = evaluate(task, tmp_path / 'counts')
    assert content['images'] == 1
    assert [
        name in problem
        for name, problem in zip(
            (f'{first}.jpg', f'{second}.png'), content['problems'], strict=True
        )
    ] == [True, True]
    assert content['differences'][-1] == 'images that could not be counted: 2'


@pytest.mark.parametrize(
    ('array', 'match'),
    [
        (np.full(SIZE, 151, np.uint8), 'holds the value 151'),
        (np.zeros((*SIZE, 3), np.uint8), 'holds colors'),
        (np.zeros((5, 6), np.uint8), '5 rows and 6 columns'),
    ],
)
def test_labels_that_do_not_fit_are_named(
    array: Any, match: str, tmp_path: Path, made_up: list[int]
) -> None:
    sample = SAMPLES['ade20k']
    write_sample(tmp_path / 'data', sample)
    path = tmp_path / 'data' / sample.labels / f'{sample.names[0]}.png'
    Image.fromarray(array).save(path)
    task = plan_published('ade20k', tmp_path / 'data')
    (problem,) = evaluate(task, tmp_path / 'counts')['problems']
    assert match in problem
    assert str(path) in problem


def test_files_that_go_or_change_on_the_way_do_not_end_the_run(
    tmp_path: Path, made_up: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sample(tmp_path / 'data', SAMPLES['ade20k'])
    task = plan_published('ade20k', tmp_path / 'data')
    first, second, _ = task.pairs
    answer = count.segment

    def meddle(*arguments: Any, **options: Any) -> Any:
        first.image.unlink(missing_ok=True)
        if len(made_up) == 1:
            os.utime(second.labels, ns=(0, 0))
        return answer(*arguments, **options)

    monkeypatch.setattr(count, 'segment', meddle)
    kept = KeptCounts(tmp_path / 'counts', len(task.classes.rows))
    assert not any(each.problem for each in iter_counts(task, NO_MODEL, kept))
    # What was counted may be of the file before or after.
    assert kept.read(second) is None
    (problem,) = [
        each.problem
        for each in iter_counts(task, NO_MODEL, kept)
        if each.problem
    ]
    assert f'{first.image} cannot be read' in problem


def test_counts_that_cannot_be_kept_end_the_run(
    tmp_path: Path, made_up: list[int]
) -> None:
    write_sample(tmp_path / 'data', SAMPLES['ade20k'])
    (tmp_path / 'counts').write_text('in the way')
    task = plan_published('ade20k', tmp_path / 'data')
    with pytest.raises(StorageError, match='counts cannot be made'):
        evaluate(task, tmp_path / 'counts')
    assert len(made_up) == 1
