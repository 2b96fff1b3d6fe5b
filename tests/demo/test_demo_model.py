"""The bundled checkpoint: small, complete, and good for what it is for."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pytest

from napari_naclip.demo.evaluation import (
    demo_settings,
    draw_scene_set,
    measure,
)
from napari_naclip.demo.scenes import VOCABULARY, demo_scene
from napari_naclip.engine.models import load_model
from napari_naclip.engine.segment import segment

FOLDER = resources.files('napari_naclip.demo')


@pytest.fixture(scope='module')
def model():
    return load_model('demo', device='cpu', precision='float32')


@pytest.fixture(scope='module')
def mean_ious(model):
    """Return a function: mean IoU of a setting, on scenes drawn once."""
    drawn = {}

    def get(name, count, architecture, strategy, window):
        key = name, count
        if key not in drawn:
            drawn[key] = draw_scene_set(name, count)
        settings = demo_settings(architecture, strategy, window, window // 2)
        return measure(model, drawn[key], settings)[0]

    return get


def test_checkpoint_is_small():
    assert len(FOLDER.joinpath('model.safetensors').read_bytes()) < 4_000_000


def test_config_says_what_the_checkpoint_is(model):
    config = json.loads(FOLDER.joinpath('config.json').read_text('utf-8'))
    assert set(config['model_cfg']) == {
        'embed_dim',
        'vision_cfg',
        'text_cfg',
        'quick_gelu',
    }
    assert (model.window, model.stride) == (112, 56)
    assert model.vocabulary == frozenset(VOCABULARY)
    assert set(config['training']) == {'seed', 'steps'}


def test_model_card_names_the_license_and_the_command():
    card = FOLDER.joinpath('MODEL_CARD.md').read_text('utf-8')
    config = json.loads(FOLDER.joinpath('config.json').read_text('utf-8'))
    training = config['training']
    assert 'CC0-1.0' in card
    assert f'--seed {training["seed"]} --steps {training["steps"]}' in card


def test_method_is_good_and_plain_attention_is_not(mean_ious):
    naclip = mean_ious('nature8', 10, 'reduced', 'naclip', 112)
    vanilla = mean_ious('nature8', 10, 'vanilla', 'vanilla', 112)
    assert naclip >= 0.80
    assert naclip >= vanilla + 0.25


@pytest.mark.slow
@pytest.mark.parametrize('name', ['nature8', 'seen8', 'held8'])
def test_difference_is_larger_in_large_windows(mean_ious, name):
    assert mean_ious(name, 50, 'reduced', 'naclip', 224) >= 0.80
    assert mean_ious(name, 50, 'vanilla', 'vanilla', 224) <= 0.35


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'least'), [('seen8', 0.85), ('held8', 0.83), ('all64', 0.45)]
)
def test_other_sets_are_good_at_the_models_own_window(mean_ious, name, least):
    assert mean_ious(name, 20, 'reduced', 'naclip', 112) >= least


def test_ready_made_scene_is_labeled_right(model):
    scene, classes = demo_scene()
    settings = demo_settings('reduced', 'naclip', model.window, model.stride)
    result = segment(scene.image, classes, model=model, settings=settings)
    right = result.labels == scene.labels.astype(int) + 1
    assert np.mean(right) >= 0.90
    assert not result.notices
