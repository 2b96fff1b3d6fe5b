"""The image tower, against open_clip's own forward."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import open_clip
import pytest
import torch
from torch.nn.functional import interpolate, normalize

from napari_naclip.engine.clip.tower import ImageTower
from napari_naclip.engine.errors import ModelError

CPU = torch.device('cpu')
CONFIGS: dict[str, dict[str, Any]] = {
    'patch8': {},
    'patch14': {'patch_size': 14, 'image_size': 42},
    'patch16': {'patch_size': 16, 'image_size': 48},
    'patch32': {'patch_size': 32, 'image_size': 96},
    'gelu': {'quick_gelu': False},
    'heads_of_8': {'head_width': 8},
    'one_head': {'head_width': 32},
    'layer_scale': {'ls_init_value': 0.1},
    'no_ln_pre': {'no_ln_pre': True},
    'wide_mlp': {'mlp_ratio': 6.0},
    'oblong': {'image_size': (24, 40)},
    'mean_pooled': {'pool_type': 'avg'},
}
#: CLIPA's towers normalize what is left after the mean.
OWN: dict[str, dict[str, Any]] = CONFIGS | {
    'clipa': {
        'no_ln_pre': True,
        'pool_type': 'avg',
        'final_ln_after_pool': True,
    },
}


def make_tower(
    visual: torch.nn.Module, dtype: torch.dtype = torch.float32
) -> ImageTower:
    return ImageTower(visual, device=CPU, dtype=dtype)


def random_pixels(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize('config', CONFIGS.values(), ids=CONFIGS)
def test_standard_attention_reproduces_open_clip(
    make_clip: Callable[..., torch.nn.Module], config: dict[str, Any]
) -> None:
    visual = make_clip(**config).visual
    pixels = random_pixels(2, 3, *visual.image_size)
    with torch.no_grad():
        layers = visual.forward_intermediates(
            pixels, indices=1, normalize_intermediates=True, output_fmt='NLC'
        )
        expected = normalize(
            layers['image_intermediates'][-1] @ visual.proj, dim=-1
        )
    tokens = make_tower(visual).tokens(
        pixels, strategy='vanilla', architecture='vanilla'
    )
    torch.testing.assert_close(
        tokens.flatten(1, 2), expected, atol=1e-5, rtol=0
    )


@pytest.mark.parametrize('config', OWN.values(), ids=OWN)
def test_a_window_s_embedding_is_open_clip_s_own(
    make_clip: Callable[..., torch.nn.Module], config: dict[str, Any]
) -> None:
    visual = make_clip(**config).visual
    pixels = random_pixels(2, 3, *visual.image_size)
    with torch.no_grad():
        expected = normalize(visual(pixels), dim=-1)
    torch.testing.assert_close(
        make_tower(visual).window_embeddings(pixels),
        expected,
        atol=1e-5,
        rtol=0,
    )


def test_the_reduced_block_has_no_residual_and_no_mlp(
    tiny_clip: torch.nn.Module,
) -> None:
    visual = tiny_clip.visual
    pixels = random_pixels(1, 3, 32, 32)
    block = visual.transformer.resblocks[-1]
    with torch.no_grad():
        x = visual._embeds(pixels)
        for each in visual.transformer.resblocks[:-1]:
            x = each(x)
        x = block.ln_1(x)
        x = block.attn(x, x, x, need_weights=False)[0]
        expected = normalize(visual.ln_post(x)[:, 1:] @ visual.proj, dim=-1)
    tokens = make_tower(visual).tokens(
        pixels, strategy='vanilla', architecture='reduced'
    )
    torch.testing.assert_close(
        tokens.flatten(1, 2), expected, atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(
    ('size', 'grid'),
    [
        ((32, 32), (4, 4)),
        ((16, 64), (2, 8)),
        ((43, 8), (5, 1)),
        ((8, 8), (1, 1)),
    ],
)
def test_other_sizes_run(
    tiny_clip: torch.nn.Module, size: tuple[int, int], grid: tuple[int, int]
) -> None:
    tower = make_tower(tiny_clip.visual)
    tokens = tower.tokens(random_pixels(2, 3, *size))
    assert tower.grid(*size) == grid
    assert tokens.shape == (2, *grid, tower.embedding_size)
    torch.testing.assert_close(tokens.norm(dim=-1), torch.ones(2, *grid))


def test_pixels_beyond_the_last_patch_are_not_looked_at(
    tiny_clip: torch.nn.Module,
) -> None:
    tower = make_tower(tiny_clip.visual)
    pixels = random_pixels(1, 3, 43, 37)
    torch.testing.assert_close(
        tower.tokens(pixels), tower.tokens(pixels[:, :, :40, :32])
    )


@pytest.mark.parametrize('strategy', ['naclip', 'nonly', 'csa'])
def test_a_batch_is_its_windows_one_by_one(
    tiny_clip: torch.nn.Module, strategy: Any
) -> None:
    tower = make_tower(tiny_clip.visual)
    pixels = random_pixels(3, 3, 24, 40)
    pixels[1] *= 5
    options = {'strategy': strategy, 'architecture': 'vanilla'}
    together = tower.tokens(pixels, **options)
    alone = [tower.tokens(each[None], **options) for each in pixels]
    torch.testing.assert_close(together, torch.cat(alone), atol=2e-6, rtol=0)


@pytest.mark.parametrize('grid', [(6, 6), (2, 8), (8, 2), (3, 5), (1, 1)])
def test_positions_are_resized_as_published(
    tiny_clip: torch.nn.Module, grid: tuple[int, int]
) -> None:
    tower = make_tower(tiny_clip.visual)
    table = tiny_clip.visual.positional_embedding.detach()
    patches = table[1:].reshape(1, 4, 4, -1).permute(0, 3, 1, 2)
    resized = interpolate(
        patches,
        scale_factor=((grid[0] + 0.1) / 4, (grid[1] + 0.1) / 4),
        mode='bicubic',
        align_corners=False,
        recompute_scale_factor=False,
        antialias=False,
    )
    assert resized.shape[2:] == grid
    positions = tower._vision._position_embedding(grid)
    torch.testing.assert_close(positions[0], table[0])
    torch.testing.assert_close(
        positions[1:], resized[0].permute(1, 2, 0).flatten(0, 1)
    )
    # The near miss: sizes instead of factors.
    by_size = interpolate(patches, grid, mode='bicubic')
    difference = (by_size[0].flatten(1).T - positions[1:]).abs().max()
    assert difference > 1e-3


def test_native_positions_are_the_parameter_itself(
    tiny_clip: torch.nn.Module,
) -> None:
    positions = make_tower(tiny_clip.visual)._vision._position_embedding(
        (4, 4)
    )
    assert torch.equal(positions, tiny_clip.visual.positional_embedding)


def test_other_sizes_leave_the_native_one_as_it_was(
    tiny_clip: torch.nn.Module,
) -> None:
    tower = make_tower(tiny_clip.visual)
    pixels = random_pixels(1, 3, 32, 32)
    before = tower.tokens(pixels)
    tower.tokens(random_pixels(1, 3, 48, 16))
    assert torch.equal(tower.tokens(pixels), before)


def test_a_new_width_of_the_window_is_used(tiny_clip: torch.nn.Module) -> None:
    pixels = random_pixels(1, 3, 32, 32)
    tower = make_tower(tiny_clip.visual)
    tower.tokens(pixels, gaussian_std=5.0)
    fresh = make_tower(tiny_clip.visual)
    assert torch.equal(
        tower.tokens(pixels, gaussian_std=1.0),
        fresh.tokens(pixels, gaussian_std=1.0),
    )


def test_the_model_is_not_changed(
    make_clip: Callable[..., torch.nn.Module],
) -> None:
    clip = make_clip().train().double()
    before = copy.deepcopy(clip.state_dict())
    tower = make_tower(clip.visual, torch.bfloat16)
    tower.tokens(random_pixels(1, 3, 40, 24))
    tower.to(CPU, torch.float32)
    assert clip.training
    assert clip.visual.training
    assert all(each.requires_grad for each in clip.visual.parameters())
    for name, tensor in clip.state_dict().items():
        assert tensor.dtype == torch.float64
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_a_model_in_half_precision_runs_in_float32(
    make_clip: Callable[..., torch.nn.Module], dtype: torch.dtype
) -> None:
    visual = make_clip().visual.to(dtype)
    pixels = random_pixels(1, 3, 32, 32)
    tokens = make_tower(visual).tokens(pixels)
    assert torch.equal(tokens, make_tower(visual.float()).tokens(pixels))


def test_dropout_of_patches_is_off(
    make_clip: Callable[..., torch.nn.Module],
) -> None:
    visual = make_clip(patch_dropout=0.5).train().visual
    tower = make_tower(visual)
    pixels = random_pixels(1, 3, 32, 32)
    assert torch.equal(tower.tokens(pixels), tower.tokens(pixels))


def test_only_matrix_products_run_in_half_precision(
    tiny_clip: torch.nn.Module,
) -> None:
    tower = make_tower(tiny_clip.visual, torch.bfloat16)
    halves = {
        name.split('.')[-2]
        for name, tensor in tower._visual.named_parameters()
        if tensor.dtype == torch.bfloat16
    }
    assert halves == {'conv1', 'attn', 'out_proj', 'c_fc', 'c_proj'}


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_near(
    tiny_clip: torch.nn.Module, dtype: torch.dtype
) -> None:
    pixels = random_pixels(2, 3, 32, 48)
    exact = make_tower(tiny_clip.visual).tokens(pixels)
    half = make_tower(tiny_clip.visual, dtype).tokens(pixels)
    assert half.dtype == torch.float32
    cosines = (exact * half).sum(-1)
    assert cosines.min() > 0.999


@pytest.mark.slow
def test_cosines_of_a_real_vit_in_bfloat16() -> None:
    torch.manual_seed(0)
    visual = open_clip.create_model(
        'ViT-B-16-quickgelu', pretrained=None
    ).visual
    pixels = random_pixels(2, 3, 224, 224)
    queries = normalize(random_pixels(64, 512), dim=-1)
    exact = make_tower(visual).tokens(pixels) @ queries.T
    half = make_tower(visual, torch.bfloat16).tokens(pixels) @ queries.T
    assert (exact - half).abs().max() <= 3e-3


@pytest.mark.parametrize(
    ('vision', 'kind'),
    [
        ({'layers': [1, 1, 1, 1], 'width': 8}, 'ModifiedResNet'),
        (
            {'timm_model_name': 'resnet10t', 'timm_pool': 'avg'},
            'ResNet, not a plain vision transformer',
        ),
        ({'attentional_pool': True}, 'CoCa'),
        ({'qk_norm': True}, 'CustomResidualAttentionBlock'),
        ({'scale_heads': True}, 'CustomResidualAttentionBlock'),
    ],
)
def test_other_towers_are_refused(
    make_clip: Callable[..., torch.nn.Module],
    vision: dict[str, Any],
    kind: str,
) -> None:
    visual = make_clip(**vision).visual
    with pytest.raises(ModelError, match=kind):
        make_tower(visual)
