"""Towers of timm, against timm's own forward."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from open_clip.timm_model import TimmModel
from timm.layers import SwiGLU, SwiGLUPacked
from torch.nn import functional
from torch.nn.functional import normalize, scaled_dot_product_attention

from napari_naclip.engine.attention import neighborhood_bias
from napari_naclip.engine.beyond import Beyond
from timm_families import (
    CPU,
    FAMILIES,
    make_tower,
    random_pixels,
    small_visual,
)

#: What else timm's transformers may have; the plain one is ViT's.
VARIANTS: dict[str, dict[str, Any]] = {
    'registers': {'reg_tokens': 3},
    'registers_without_places': {'reg_tokens': 3, 'no_embed_class': True},
    'no_class_token': {'class_token': False, 'global_pool': 'avg'},
    'no_places': {'pos_embed': 'none'},
    'normalized_heads': {'qk_norm': True},
    'normalized_attention': {'scale_attn_norm': True},
    'normalized_mlp': {'scale_mlp_norm': True},
    'layer_scale': {'init_values': 0.3},
    'norm_before': {'pre_norm': True},
    'no_final_norm': {'final_norm': False},
    'no_bias': {'qkv_bias': False, 'proj_bias': False},
    'swiglu': {'mlp_layer': SwiGLU},
    'swiglu_packed': {'mlp_layer': SwiGLUPacked},
    'any_size': {'dynamic_img_size': True},
    'patch_dropout': {'patch_drop_rate': 0.5},
}
EVA_VARIANTS: dict[str, dict[str, Any]] = {
    'registers': {'num_reg_tokens': 2},
    'normalized_heads': {'qk_norm': True},
    'layer_scale': {'init_values': 0.3},
    'layer_scale_of_attention': {
        'init_values': 0.3,
        'attn_only_layer_scale': True,
    },
    'fused': {'qkv_fused': True},
    'half_turns': {'rope_rotate_half': True},
    'rotations_only': {'use_abs_pos_emb': False},
    'no_rotations': {'use_rot_pos_emb': False},
    'any_size': {'dynamic_img_size': True},
}
ALL = [
    *((arch, {}) for arch in FAMILIES),
    *(('BiomedCLIP', changes) for changes in VARIANTS.values()),
    *(('EVA02-B-16', changes) for changes in EVA_VARIANTS.values()),
]
NAMES = [
    *FAMILIES,
    *(f'vit_{name}' for name in VARIANTS),
    *(f'eva_{name}' for name in EVA_VARIANTS),
]


@pytest.mark.parametrize(('arch', 'changes'), ALL, ids=NAMES)
def test_standard_attention_reproduces_the_model(
    arch: str, changes: dict[str, Any]
) -> None:
    visual = small_visual(arch, **changes)
    tower = make_tower(visual)
    pixels = random_pixels(2, 3, *tower.native_size)
    torch.testing.assert_close(
        tower.window_embeddings(pixels),
        normalize(visual(pixels), dim=-1),
        atol=1e-5,
        rtol=0,
    )


@pytest.mark.parametrize('arch', FAMILIES)
def test_other_sizes_are_as_timm_runs_them(arch: str) -> None:
    visual = small_visual(arch)
    any_size = small_visual(arch, dynamic_img_size=True)
    any_size.load_state_dict(visual.state_dict())
    tower = make_tower(visual)
    height, width = tower.patch_size
    pixels = random_pixels(1, 3, 3 * height, 6 * width)
    torch.testing.assert_close(
        tower.window_embeddings(pixels),
        normalize(any_size(pixels), dim=-1),
        atol=1e-5,
        rtol=0,
    )
    before = tower.tokens(pixels)
    # More sizes than are kept.
    for count in range(1, 7):
        tower.tokens(random_pixels(1, 3, count * height, width))
    assert torch.equal(tower.tokens(pixels), before)


@pytest.mark.parametrize('arch', FAMILIES)
def test_pixels_beyond_the_last_patch_are_not_looked_at(arch: str) -> None:
    tower = make_tower(small_visual(arch))
    height, width = tower.patch_size
    pixels = random_pixels(1, 3, 3 * height + 5, 2 * width + 9)
    tokens = tower.tokens(pixels)
    assert tokens.shape == (1, 3, 2, tower.embedding_size)
    assert torch.equal(
        tokens, tower.tokens(pixels[:, :, : 3 * height, : 2 * width])
    )


def attended_alone(
    visual: TimmModel, pixels: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Return embeddings (B, N, D) of what the last attention gives.

    timm's own forward, whose last attention gets keys for queries and a bias;
    of each of its tokens timm's own head makes an embedding, one at a time.
    """
    trunk, found = visual.trunk, []
    last = trunk.blocks[-1].attn

    def attend(q: Any, k: Any, v: Any, **options: Any) -> torch.Tensor:
        return scaled_dot_product_attention(k, k, v, attn_mask=bias)

    def begin(*_: Any) -> None:
        context.setattr(functional, 'scaled_dot_product_attention', attend)

    def end(_: Any, __: Any, output: torch.Tensor) -> None:
        found.append(output)
        context.undo()

    with pytest.MonkeyPatch.context() as context:
        hooks = [
            last.register_forward_pre_hook(begin),
            last.register_forward_hook(end),
        ]
        visual(pixels)
    for hook in hooks:
        hook.remove()
    block = trunk.blocks[-1]
    (x,) = found
    if getattr(block, 'gamma_1', None) is not None:
        x = x * block.gamma_1
    elif hasattr(block, 'ls1'):
        x = block.ls1(x)
    x = trunk.norm(x[:, trunk.num_prefix_tokens :])
    alone = x.flatten(0, 1)[:, None]
    pooled = alone[:, 0] if trunk.attn_pool is None else trunk.attn_pool(alone)
    return visual.head(trunk.head(trunk.fc_norm(pooled))).unflatten(
        0, x.shape[:2]
    )


@pytest.mark.parametrize(('arch', 'changes'), ALL, ids=NAMES)
def test_the_last_block_is_naclip_s(
    arch: str, changes: dict[str, Any]
) -> None:
    visual = small_visual(arch, **changes)
    tower = make_tower(visual)
    pixels = random_pixels(2, 3, *tower.native_size)
    grid = tower.grid(*tower.native_size)
    prefix = visual.trunk.num_prefix_tokens
    bias = neighborhood_bias(
        grid, 1.5, prefix=prefix, device=CPU, dtype=torch.float32
    )
    expected = normalize(attended_alone(visual, pixels, bias), dim=-1)
    torch.testing.assert_close(
        tower.tokens(pixels, gaussian_std=1.5),
        expected.unflatten(1, grid),
        atol=1e-5,
        rtol=0,
    )


@pytest.mark.parametrize('strategy', ['naclip', 'nonly', 'csa'])
def test_a_batch_is_its_windows_one_by_one(strategy: Any) -> None:
    tower = make_tower(small_visual('EVA02-B-16'))
    pixels = random_pixels(3, 3, 48, 80)
    pixels[1] *= 5
    options = {'strategy': strategy, 'architecture': 'vanilla'}
    together = tower.tokens(pixels, **options)
    alone = [tower.tokens(each[None], **options) for each in pixels]
    torch.testing.assert_close(together, torch.cat(alone), atol=5e-6, rtol=0)


@pytest.mark.parametrize(
    'arch', ['EVA02-B-16', 'PE-Core-B-16', 'vit_medium_patch16_gap_256']
)
def test_the_window_s_embedding_can_be_mixed_in(arch: str) -> None:
    visual = small_visual(arch)
    tower = make_tower(visual)
    pixels = random_pixels(2, 3, 64, 64)
    whole = normalize(visual(pixels), dim=-1)[:, None, None]
    torch.testing.assert_close(
        tower.tokens(pixels, beyond=Beyond(cls_share=-0.3)),
        normalize(tower.tokens(pixels) - 0.3 * whole, dim=-1),
        atol=1e-5,
        rtol=0,
    )


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    'arch', ['EVA02-B-16', 'ViT-B-16-SigLIP', 'PE-Core-B-16', 'MobileCLIP2-B']
)
def test_half_precision_is_near(arch: str, dtype: torch.dtype) -> None:
    visual = small_visual(arch)
    pixels = random_pixels(2, 3, 64, 48)
    exact = make_tower(visual).tokens(pixels)
    tower = make_tower(visual, dtype)
    half = tower.tokens(pixels)
    assert half.dtype == torch.float32
    assert not torch.equal(half, exact)
    assert (exact * half).sum(-1).min() > 0.999


def test_only_matrix_products_run_in_half_precision() -> None:
    tower = make_tower(small_visual('EVA02-B-16'), torch.bfloat16)
    halves = {
        name.split('.')[-2]
        for name, tensor in tower._visual.named_parameters()
        if tensor.dtype == torch.bfloat16
    }
    assert halves == {
        *('q_proj', 'k_proj', 'v_proj', 'proj'),
        *('fc1_g', 'fc1_x', 'fc2'),
    }


@pytest.mark.parametrize('changes', [{}, {'qkv_fused': True}])
def test_moving_to_and_fro_keeps_every_bit(changes: dict[str, Any]) -> None:
    tower = make_tower(small_visual('EVA02-B-16', **changes))
    pixels = random_pixels(2, 3, 64, 48)
    before = tower.tokens(pixels)
    tower.to(CPU, torch.float32)
    assert torch.equal(tower.tokens(pixels), before)


def test_the_model_is_not_changed() -> None:
    visual = small_visual('EVA02-B-16').train().double()
    before = copy.deepcopy(visual.state_dict())
    tower = make_tower(visual, torch.bfloat16)
    tower.tokens(random_pixels(1, 3, 80, 48))
    tower.to(CPU, torch.float32)
    assert visual.training
    for name, tensor in visual.state_dict().items():
        assert tensor.dtype == torch.float64
        assert torch.equal(tensor, before[name])
