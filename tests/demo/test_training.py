"""A training in miniature: it learns, it repeats, its export loads."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from napari_naclip.demo import training
from napari_naclip.demo.data import draw_training_data
from napari_naclip.demo.materials import names_of
from napari_naclip.demo.recipe import embed_texts
from napari_naclip.demo.scenes import HELD_OUT, MATERIALS, VOCABULARY
from napari_naclip.demo.training import (
    TrainingSettings,
    export,
    model_config,
    train,
)
from napari_naclip.engine.clip.load import build_clip, expand_token_embedding
from napari_naclip.engine.clip.text import clip_tokenizer

SMALL = TrainingSettings(
    seed=3,
    steps=40,
    scenes=300,
    batch=32,
    image_size=32,
    patch_size=8,
    width=32,
    text_width=32,
    embed_dim=32,
    layers=2,
    text_layers=1,
    head_width=16,
    warm_up=5,
)
TEMPLATES = ('a photo of the {}.', 'a {} in a game.')


@pytest.fixture(scope='module')
def data():
    return draw_training_data(
        SMALL.seed, SMALL.scenes, 32, TEMPLATES, variants=2
    )


@pytest.fixture(scope='module')
def trained(data):
    losses: list[float] = []
    state = train(SMALL, data, lambda _, loss: losses.append(loss))
    return state, losses


def test_data_have_one_caption_and_key_a_picture(data):
    assert data.images.shape == (300, 3, 32, 32)
    assert data.images.dtype == torch.uint8
    assert len(data.captions) == len(data.keys) == 300
    assert 1 < len(data.keys.unique()) < 300


def test_no_held_out_name_is_in_a_training_caption():
    data = draw_training_data(0, 1500, 8, TEMPLATES, variants=1)
    text = ' | '.join(data.captions)
    assert not [name for name in HELD_OUT if name in text]
    # The search finds what is there: every other material but a few.
    rest = [name for name in MATERIALS if name not in HELD_OUT]
    found = [m for m in rest if any(name in text for name in names_of(m))]
    assert len(found) == len(rest)


def test_same_key_means_the_same_materials(data):
    owners = {name: each for each in MATERIALS for name in names_of(each)}
    by_length = sorted(owners, key=len, reverse=True)

    def read(caption: str) -> frozenset[str]:
        found = set()
        for name in by_length:
            if name in caption:
                found.add(owners[name])
                caption = caption.replace(name, '')
        return frozenset(found)

    sets: dict[int, set[frozenset[str]]] = {}
    for caption, key in zip(data.captions, data.keys.tolist(), strict=True):
        sets.setdefault(key, set()).add(read(caption))
    assert all(len(each) == 1 for each in sets.values())
    assert len(set().union(*sets.values())) == len(sets)


def test_data_repeat_with_the_seed():
    first, again, other = (
        draw_training_data(seed, 20, 16, TEMPLATES, variants=1)
        for seed in (1, 1, 2)
    )
    assert torch.equal(first.images, again.images)
    assert first.captions == again.captions
    assert not torch.equal(first.images, other.images)


def test_loss_falls(trained):
    _, losses = trained
    assert len(losses) == SMALL.steps
    assert np.isfinite(losses).all()
    assert np.mean(losses[-8:]) < np.mean(losses[:8]) - 0.3


def test_same_seed_gives_the_same_weights_and_another_does_not(data):
    short = dataclasses.replace(SMALL, steps=4)
    first, again = train(short, data), train(short, data)
    assert first.keys() == again.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = train(dataclasses.replace(short, seed=4), data)
    assert not torch.equal(first['visual.proj'], other['visual.proj'])


def test_training_leaves_the_callers_random_state_alone(data):
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    train(dataclasses.replace(SMALL, steps=1), data)
    assert torch.equal(torch.rand(3), expected)


def test_rate_rises_then_falls_to_nothing():
    settings = dataclasses.replace(SMALL, steps=105, warm_up=5)
    rates = [training._rate(step, settings) for step in range(106)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[55] == pytest.approx(0.5)
    assert rates[105] == pytest.approx(0.0, abs=1e-9)
    assert rates[5:] == sorted(rates[5:], reverse=True)


def test_export_loads_back_and_reads_captions_alike(trained, data, tmp_path):
    state, _ = trained
    file = tmp_path / 'new' / 'model.safetensors'
    export(state, SMALL, file)

    config = json.loads(file.with_name('config.json').read_text())
    assert config['model_cfg']['text_cfg']['vocab_size'] == 49408
    assert (config['window'], config['stride']) == (112, 56)
    assert config['training'] == {'seed': 3, 'steps': 40}
    assert tuple(config['vocabulary']) == VOCABULARY

    stored = load_file(file)
    assert stored['token_embedding.rows'].dtype == torch.int64
    assert stored['visual.proj'].dtype == torch.float16
    whole = expand_token_embedding(stored, 49408)
    loaded = build_clip(config['model_cfg'])
    loaded.load_state_dict(whole, strict=True)

    compact = build_clip(
        model_config(SMALL, len(state['token_embedding.rows']))
    )
    values = dict(state)
    rows = values.pop('token_embedding.rows')
    values['token_embedding.weight'] = values.pop('token_embedding.values')
    compact.load_state_dict(values, strict=True)

    tokens = clip_tokenizer()(list(data.captions[:20]))
    with torch.no_grad():
        torch.testing.assert_close(
            loaded.encode_text(tokens, normalize=True),
            embed_texts(compact, torch.searchsorted(rows, tokens)),
            atol=5e-3,
            rtol=0,
        )


def test_positions_behind_the_longest_caption_are_zero(trained, data):
    state, _ = trained
    tokens = clip_tokenizer()(list(data.captions))
    longest = int(tokens.argmax(dim=-1).max()) + 1
    positions = state['positional_embedding']
    assert positions.shape[0] == 77
    assert not positions[longest:].any()
    assert positions[:longest].abs().sum(dim=-1).min() > 0


def test_command_writes_both_files(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(training.torch, 'set_num_threads', lambda _: None)
    file = tmp_path / 'model.safetensors'
    training.main(
        [
            '--seed',
            '1',
            '--steps',
            '2',
            '--scenes',
            '16',
            '--output',
            str(file),
        ]
    )
    assert file.stat().st_size < 4_000_000
    assert json.loads(file.with_name('config.json').read_text())['mean']
    assert 'step 2 of 2' in capsys.readouterr().out
