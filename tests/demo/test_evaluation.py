"""The measure itself: known answers, and scenes apart from training's."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_naclip.demo import evaluation
from napari_naclip.demo.data import POOL_SEED
from napari_naclip.demo.evaluation import (
    Score,
    draw_scene_set,
    format_table,
)
from napari_naclip.demo.scenes import CLASS_SETS, HELD_OUT


def test_scene_sets_repeat_and_differ_between_seeds():
    first, again = (draw_scene_set('held8', 2) for _ in range(2))
    other = draw_scene_set('held8', 2, evaluation.DEVELOPMENT_SEED)
    assert first.materials == HELD_OUT
    for one, two in zip(first.scenes, again.scenes, strict=True):
        np.testing.assert_array_equal(one.image, two.image)
        assert one.image.shape == (224, 320, 3)
    assert not np.array_equal(first.scenes[0].image, other.scenes[0].image)


@pytest.mark.parametrize('seed', [-1, POOL_SEED, POOL_SEED + 2])
def test_seeds_of_training_textures_are_refused(seed):
    with pytest.raises(ValueError, match=str(POOL_SEED - 1)):
        draw_scene_set('held8', 1, seed)


@pytest.mark.parametrize('name', CLASS_SETS)
def test_class_values_follow_the_scenes_labels(name):
    classes = draw_scene_set(name, 0).classes
    values = {each.name: each.value for each in classes.classes}
    for index, material in enumerate(CLASS_SETS[name]):
        assert values[material] == index + 1


def test_table_has_a_row_for_each_setting_and_a_column_for_each_set():
    scores = [
        Score(name, 112, 56, 'reduced', strategy, value, 0.5)
        for name, value in (('a', 0.25), ('b', 0.75))
        for strategy in ('kk', 'naclip')
    ]
    assert format_table(scores).splitlines() == [
        '| window | setting | a | b |',
        '| --- | --- | --- | --- |',
        '| 112/56 | reduced + kk | 0.250 / 0.500 | 0.750 / 0.500 |',
        '| 112/56 | reduced + naclip | 0.250 / 0.500 | 0.750 / 0.500 |',
    ]


def test_command_writes_what_it_prints(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(evaluation, 'load_checkpoint', lambda _: None)
    monkeypatch.setattr(evaluation, 'measure', lambda *_: (0.125, 0.5))
    file = tmp_path / 'scores.json'
    evaluation.main(
        ['--scenes', '1', '--sets', 'nature8', '--json', str(file)]
    )
    written = json.loads(file.read_text())
    assert written['scenes'] == 1
    assert len(written['scores']) == 10
    assert {score['mean_iou'] for score in written['scores']} == {0.125}
    assert capsys.readouterr().out.count('0.125 / 0.500') == 10
