"""Towers of timm as models: what is told, what is refused, real sizes."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from open_clip.timm_model import TimmModel
from torch.nn.functional import normalize

from napari_naclip.engine.clip import vision_timm
from napari_naclip.engine.clip.build import build_clip
from napari_naclip.engine.clip.load import fingerprint
from napari_naclip.engine.clip.text import clip_tokenizer
from napari_naclip.engine.errors import ModelError
from napari_naclip.engine.models import load_model
from napari_naclip.engine.types import ClassList
from timm_families import (
    FAMILIES,
    disturb,
    make_tower,
    random_pixels,
    small_visual,
    vision_config,
)


@pytest.mark.parametrize(
    ('arch', 'pooling'),
    [
        ('EVA02-B-16', 'token'),
        ('BiomedCLIP', 'token'),
        ('vit_medium_patch16_gap_256', 'average'),
        ('ViT-B-16-SigLIP', 'attention'),
        ('PE-Core-B-16', 'attention'),
    ],
)
def test_how_tokens_are_pooled_is_told(arch: str, pooling: str) -> None:
    assert make_tower(small_visual(arch)).pooling == pooling


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'global_pool': 'max', 'num_classes': 16}, r'to compare.*\(max\)'),
        ({'attn_layer': 'diff'}, 'attention of the kind DiffAttention'),
        ({'mlp_layer': timm.layers.GatedMlp}, 'layers of the kind GatedMlp'),
        (
            {'block_fn': timm.models.vision_transformer.ResPostBlock},
            'blocks of the kind ResPostBlock',
        ),
        ({'embed_norm_layer': torch.nn.LayerNorm}, None),
    ],
)
def test_what_is_not_known_is_refused(
    changes: dict[str, Any], reason: str | None
) -> None:
    trunk = timm.create_model(
        'vit_tiny_patch16_224', **FAMILIES['BiomedCLIP'] | changes
    )
    visual = small_visual('BiomedCLIP')
    visual.trunk = trunk
    if reason is None:
        disturb(visual)
        make_tower(visual)
        return
    with pytest.raises(ModelError, match=reason):
        make_tower(visual)


def test_a_new_part_is_refused() -> None:
    visual = small_visual('BiomedCLIP')
    visual.trunk.blocks[1].attn.gate = torch.nn.Linear(48, 48)
    with pytest.raises(ModelError, match='have gate that this program'):
        make_tower(visual)
    visual = small_visual('BiomedCLIP')
    visual.trunk.blocks[0].temperature = torch.nn.Parameter(torch.ones(1))
    with pytest.raises(ModelError, match='have temperature that this'):
        make_tower(visual)


def test_a_model_that_pools_by_attention_says_so() -> None:
    clip = build_clip(
        {
            'embed_dim': 16,
            'vision_cfg': {'image_size': 32, 'layers': 1, 'patch_size': 8},
            'text_cfg': {
                'vocab_size': 49408,
                'width': 32,
                'heads': 2,
                'layers': 1,
            },
        }
    )
    classes = ClassList.from_text('sky; tree')
    said = {}
    for arch in ('ViT-B-16-SigLIP', 'EVA02-B-16'):
        clip.visual = small_visual(arch)
        model = load_model(
            (clip, clip_tokenizer()), device='cpu', precision='float32'
        )
        said[arch] = model.notices(classes, ('{}',))
        assert model.to_dict()['pooling'] == model.tower.pooling
    assert said['EVA02-B-16'] == []
    (notice,) = said['ViT-B-16-SigLIP']
    assert 'pools its tokens by attention' in notice
    assert 'experimental' in notice


def test_what_no_weight_tells_makes_another_model() -> None:
    towers = [
        small_visual('EVA02-B-16', **changes)
        for changes in ({}, {'rope_temperature': 100.0}, {'num_heads': 4})
    ]
    for tower in towers[1:]:
        tower.load_state_dict(towers[0].state_dict())
    assert len({fingerprint(each, clip_tokenizer()) for each in towers}) == 3


@pytest.mark.parametrize(
    'arch',
    [
        'PE-Core-T-16-384',
        *(
            pytest.param(arch, marks=pytest.mark.slow)
            for arch in (
                'EVA02-B-16',
                'ViT-B-16-SigLIP',
                'ViT-B-32-SigLIP2-256',
                'MobileCLIP-B',
                'MobileCLIP2-L-14',
                'BiomedCLIP',
            )
        ),
    ],
)
def test_the_smallest_member_reproduces_its_embedding(
    arch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = vision_config(arch)
    vision = config['vision_cfg']
    with torch.random.fork_rng():
        torch.manual_seed(0)
        visual = TimmModel(
            vision['timm_model_name'],
            embed_dim=config['embed_dim'],
            pool=vision['timm_pool'],
            proj=vision['timm_proj'],
            image_size=vision['image_size'],
        ).eval()
    disturb(visual)
    tower = make_tower(visual)
    assert tower.native_size == (vision['image_size'],) * 2
    assert tower.embedding_size == config['embed_dim']
    with monkeypatch.context() as patch:
        patch.setattr(vision_timm, 'can_pack', lambda _dtype: False)
        plain = make_tower(visual)
    pixels = random_pixels(1, 3, *tower.native_size)
    with torch.no_grad():
        expected = normalize(visual(pixels), dim=-1)
        exact = normalize(visual.double()(pixels.double()), dim=-1)
    torch.testing.assert_close(
        plain.window_embeddings(pixels), expected, atol=1e-6, rtol=0
    )
    # Other products round otherwise, by what timm's own are off at most.
    error = max(1e-5, float((expected - exact).abs().max()))
    torch.testing.assert_close(
        tower.window_embeddings(pixels), expected, atol=error, rtol=0
    )
    other = tower.tokens(pixels[:, :, 40:200, :130])
    assert other.shape[1:3] == tower.grid(160, 130)
    assert torch.isfinite(other).all()
