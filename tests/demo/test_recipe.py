"""The towers in training are open_clip's own, less what is dropped."""

from __future__ import annotations

import math

import pytest
import torch

from napari_naclip.demo.recipe import (
    POSITION_AMPLITUDE,
    DropRates,
    FrozenStart,
    contrastive_loss,
    embed_images,
    embed_texts,
    position_table,
    start_mimetic,
)
from napari_naclip.demo.training import TrainingSettings, model_config
from napari_naclip.engine.clip.build import build_clip
from napari_naclip.engine.clip.text import clip_tokenizer

WIDTH = 32
NOTHING = DropRates(patches=0.0, attention=0.0, residual=0.0)
SETTINGS = TrainingSettings(
    image_size=32,
    patch_size=8,
    width=WIDTH,
    head_width=16,
    text_width=16,
    embed_dim=24,
    layers=3,
    text_layers=2,
)


@pytest.fixture
def model():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_clip(model_config(SETTINGS, 49408))
        start_mimetic(model)
        yield model


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 3, 32, 32, generator=generator)


@torch.no_grad()
def test_vision_tower_without_drops_is_open_clips(model, images):
    torch.testing.assert_close(
        embed_images(model, images, NOTHING),
        model.encode_image(images, normalize=True),
    )


@torch.no_grad()
def test_text_tower_is_open_clips_also_when_cut_short(model):
    tokens = clip_tokenizer()(['sand', 'a photo of red dots next to sea'])
    longest = int(tokens.argmax(dim=-1).max()) + 1
    expected = model.encode_text(tokens, normalize=True)
    for length in (longest, 77):
        torch.testing.assert_close(
            embed_texts(model, tokens[:, :length]), expected
        )


@torch.no_grad()
@pytest.mark.parametrize('name', ['patches', 'attention', 'residual'])
def test_each_drop_changes_the_result(model, images, name):
    rates = {'patches': 0.5, 'attention': 1.0, 'residual': 1.0}
    drop = DropRates(**{each: rates[each] * (each == name) for each in rates})
    dropped = embed_images(model, images, drop)
    kept = embed_images(model, images, NOTHING)
    assert (dropped - kept).abs().max() > 1e-3
    torch.testing.assert_close(dropped.norm(dim=-1), torch.ones(6))


@torch.no_grad()
def test_without_early_attention_only_positions_tell_the_order(model, images):
    # Nothing but the last block mixes patches then, so that without positions
    # the same patches in another order are the same picture.
    drop = DropRates(patches=0.0, attention=1.0, residual=1.0)
    other_order = images.unflatten(-1, (4, 8)).flip(-2).flatten(-2)

    def difference() -> float:
        first = embed_images(model, images, drop)
        second = embed_images(model, other_order, drop)
        return float((first - second).abs().max())

    assert difference() > 1e-3
    model.visual.positional_embedding.zero_()
    assert difference() < 1e-5


def test_start_gives_queries_and_keys_of_early_blocks_one_rotation(model):
    *early, last = model.visual.transformer.resblocks
    identity = torch.eye(WIDTH)
    for block in early:
        query, key, value = block.attn.in_proj_weight.split(WIDTH)
        torch.testing.assert_close(query, key)
        torch.testing.assert_close(query @ query.T, identity)
        assert not torch.allclose(value @ value.T, identity, atol=0.1)
    query, key, _ = last.attn.in_proj_weight.split(WIDTH)
    torch.testing.assert_close(key @ key.T, identity)
    assert not torch.allclose(query, key)
    first, *rest = model.visual.positional_embedding
    assert not first.any()
    torch.testing.assert_close(
        torch.stack(rest), POSITION_AMPLITUDE * position_table((4, 4), WIDTH)
    )


def test_position_table_tells_all_patches_apart():
    table = position_table((3, 5), 16)
    assert table.shape == (15, 16)
    distances = torch.cdist(table, table) + torch.eye(15)
    assert distances.min() > 0.1
    # The first and third quarter depend on rows and columns alone.
    grid = table.reshape(3, 5, 16)
    torch.testing.assert_close(grid[:, 0, :4], grid[:, 4, :4])
    torch.testing.assert_close(grid[0, :, 8:12], grid[2, :, 8:12])
    torch.testing.assert_close(grid[1, 0, 0], torch.tensor(math.sin(1.0)))


def test_frozen_start_comes_back_and_the_rest_stays_changed(model):
    frozen = FrozenStart(model)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1.0
    frozen.restore()
    after = model.state_dict()
    name = 'visual.positional_embedding'
    torch.testing.assert_close(after[name][1:], before[name][1:])
    torch.testing.assert_close(after[name][0], before[name][0] + 1)
    blocks = 'visual.transformer.resblocks'
    for block in (0, 1):
        name = f'{blocks}.{block}.attn.in_proj_weight'
        rows = slice(2 * WIDTH)
        torch.testing.assert_close(after[name][rows], before[name][rows])
        rest = slice(2 * WIDTH, None)
        torch.testing.assert_close(after[name][rest], before[name][rest] + 1)
    name = f'{blocks}.2.attn.in_proj_weight'
    torch.testing.assert_close(after[name], before[name] + 1)


def test_loss_of_orthogonal_pairs_is_as_computed_by_hand():
    unit = torch.eye(3)
    scale = torch.tensor(2.0)
    loss = contrastive_loss(unit, unit, scale, torch.tensor([0, 1, 2]))
    expected = math.log(1 + 2 * math.exp(-2))
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_pairs_that_say_the_same_are_no_negatives():
    unit = torch.eye(3)
    unit[1] = unit[0]
    scale = torch.tensor(2.0)
    loss = contrastive_loss(unit, unit, scale, torch.tensor([5, 5, 7]))
    first_two = math.log(1 + math.exp(-2))
    last = math.log(1 + 2 * math.exp(-2))
    assert loss.item() == pytest.approx((2 * first_two + last) / 3, rel=1e-6)
