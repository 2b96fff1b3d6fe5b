"""What goes beyond the paper: its limits, the towers' part, and the keys."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from napari_naclip.engine.beyond import Beyond, middle_blocks
from napari_naclip.engine.clip.tower import ImageTower
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.types import Settings
from timm_families import FAMILIES, small_visual

CPU = torch.device('cpu')


def make_tower(visual: torch.nn.Module) -> ImageTower:
    return ImageTower(visual, device=CPU, dtype=torch.float32)


def random_pixels(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ('depth', 'blocks'),
    [
        (12, [5, 6, 7, 8]),
        (24, [10, 11, 12, 13, 14, 15, 16, 17]),
        (48, list(range(20, 36))),
        (4, [1, 2]),
        (3, [1]),
        (2, [0]),
        (1, []),
    ],
)
def test_the_middle_is_where_the_paper_has_it(
    depth: int, blocks: list[int]
) -> None:
    assert list(middle_blocks(depth)) == blocks


@pytest.mark.parametrize(
    ('given', 'text'),
    [
        ({'cross_share': 1.01}, 'cross_share is 1.01; it must be from 0 to 1'),
        ({'cross_share': -0.1}, 'from 0 to 1'),
        ({'cls_share': -1.5}, 'from -1 to 1'),
        ({'cls_share': math.nan}, 'cls_share is nan'),
        ({'second_scale': 0.4}, 'from 0.5 to 2'),
        ({'second_scale': 1.0}, 'the first one again'),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        Beyond(**given)


def test_a_recipe_holds_it() -> None:
    settings = Settings(beyond=Beyond(mirror=True, second_scale=0.5))
    assert Settings(**json.loads(json.dumps(settings.to_dict()))) == settings
    assert hash(settings) == hash(Settings(**settings.to_dict()))


def test_off_is_no_part_of_the_key_and_costs_nothing() -> None:
    assert Beyond().is_off
    assert Beyond().key_part() == []
    assert Beyond().cost == 1
    assert Beyond(mirror=True, second_scale=0.5).cost == 2.5
    assert Beyond(cls_share=0.1).key_part() != Beyond(mirror=True).key_part()


@pytest.mark.parametrize('architecture', ['reduced', 'vanilla'])
def test_attention_of_the_middle_blocks_is_mixed_in(
    make_clip: Callable[..., torch.nn.Module], architecture: Any
) -> None:
    visual = make_clip(layers=5).visual
    pixels = random_pixels(2, 3, 32, 32)
    blocks = visual.transformer.resblocks
    with torch.no_grad():
        x = visual._embeds(pixels)
        weights = []
        for number, block in enumerate(blocks[:-1]):
            if number == 2:
                h = block.ln_1(x)
                # Of each head: no mean.
                weights.append(
                    block.attn(h, h, h, average_attn_weights=False)[1]
                )
            x = block(x)
        last = blocks[-1]
        h = last.ln_1(x)
        weight = 0.6 * last.attn(h, h, h, average_attn_weights=False)[1]
        weight = weight + 0.4 * weights[0]
        size = h.shape[-1]
        value = torch.nn.functional.linear(
            h,
            last.attn.in_proj_weight[2 * size :],
            last.attn.in_proj_bias[2 * size :],
        )
        value = value.unflatten(-1, (last.attn.num_heads, -1)).transpose(1, 2)
        attended = last.attn.out_proj(
            (weight @ value).transpose(1, 2).flatten(2)
        )
        if architecture == 'vanilla':
            attended = x + last.ls_1(attended)
            attended = attended + last.ls_2(last.mlp(last.ln_2(attended)))
        expected = normalize(
            visual.ln_post(attended)[:, 1:] @ visual.proj, dim=-1
        )
    tokens = make_tower(visual).tokens(
        pixels,
        strategy='vanilla',
        architecture=architecture,
        beyond=Beyond(cross_share=0.4),
    )
    torch.testing.assert_close(
        tokens.flatten(1, 2), expected, atol=1e-5, rtol=0
    )


@pytest.mark.parametrize('share', [-0.3, 0.5])
@pytest.mark.parametrize('strategy', ['naclip', 'vanilla'])
def test_a_share_of_the_image_embedding_is_added(
    tiny_clip: torch.nn.Module, share: float, strategy: Any
) -> None:
    pixels = random_pixels(2, 3, 32, 32)
    with torch.no_grad():
        whole = tiny_clip.encode_image(pixels, normalize=True)
    tower = make_tower(tiny_clip.visual)
    plain = tower.tokens(pixels, strategy=strategy)
    mixed = tower.tokens(
        pixels, strategy=strategy, beyond=Beyond(cls_share=share)
    )
    torch.testing.assert_close(
        mixed,
        normalize(plain + share * whole[:, None, None], dim=-1),
        atol=1e-5,
        rtol=0,
    )


@pytest.mark.parametrize('arch', FAMILIES)
def test_towers_of_timm_give_their_attention_too(arch: str) -> None:
    tower = make_tower(small_visual(arch))
    height, width = tower.patch_size
    pixels = random_pixels(1, 3, 3 * height, 4 * width)
    plain = tower.tokens(pixels)
    nothing, everything = (
        tower.tokens(pixels, beyond=Beyond(cross_share=share))
        for share in (1e-30, 1.0)
    )
    torch.testing.assert_close(nothing, plain)
    assert not torch.allclose(everything, plain, atol=1e-4)
    # Nothing is left of the last block's own attention.
    other = tower.tokens(pixels, strategy='kk', beyond=Beyond(cross_share=1.0))
    torch.testing.assert_close(everything, other)
