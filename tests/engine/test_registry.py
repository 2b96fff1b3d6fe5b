"""What is known of a model before it is loaded."""

from __future__ import annotations

import subprocess
import sys

import open_clip
import pytest
import torch

from napari_naclip.engine import architectures
from napari_naclip.engine.clip import load
from napari_naclip.engine.entry import RegistryEntry
from napari_naclip.engine.errors import ModelError
from napari_naclip.engine.models import load_model
from napari_naclip.engine.registry import (
    REGISTRY,
    find_model,
    sliding_window,
)
from napari_naclip.engine.tokenizer_files import text_sources


def test_the_sliding_window_is_the_loaded_model_s() -> None:
    model = load_model('demo', device='cpu')
    assert sliding_window('demo') == (model.window, model.stride)
    assert sliding_window('ViT-B-16') == (224, 112)
    with pytest.raises(ModelError, match="no model 'ViT'"):
        sliding_window('ViT')


def test_a_run_is_planned_without_torch() -> None:
    code = """
import sys
from napari_naclip.engine.registry import sliding_window
from napari_naclip.engine.types import Region, Settings
from napari_naclip.engine.windows import count_windows, plan_image

window, stride = sliding_window('demo')
plan = plan_image(448, 560, Settings(), window=window, stride=stride)
assert count_windows(plan, (448, 560)) == len(plan) == 5 * 7
assert count_windows(plan, (448, 560), Region(0, 0, 9, 9)) == 1
assert 'torch' not in sys.modules
"""
    subprocess.run([sys.executable, '-c', code], check=True, timeout=120)


@pytest.mark.parametrize('entry', REGISTRY.values(), ids=REGISTRY)
def test_the_table_is_true_to_open_clip(entry: RegistryEntry) -> None:
    assert (entry.window, entry.stride) == (entry.native, entry.native // 2)
    assert entry.title
    assert entry.domain
    assert entry.license
    assert entry.source.startswith('https://')
    if not entry.arch:  # the hub has its configuration
        assert not entry.activation
        return
    config = architectures.model_config(entry.arch)
    assert config == open_clip.get_model_config(entry.arch)
    assert config is not None
    assert architectures.image_size(config) == entry.native
    is_quick = entry.activation == 'quickgelu'
    assert bool(config.get('quick_gelu')) == is_quick
    needs = bool(text_sources(config))
    assert needs == entry.needs_transformers
    pooled = config['vision_cfg'].get('timm_pool') == 'map' or (
        config['vision_cfg'].get('pool_type') == 'avg'
    )
    assert entry.is_experimental == pooled
    if entry.tag:
        tag = open_clip.get_pretrained_cfg(entry.arch, entry.tag)
        assert tag['hf_hub'].rstrip('/') == entry.repo
        assert (entry.mean, entry.std) == (tag['mean'], tag['std'])
        assert tag.get('quick_gelu', False) == is_quick


@pytest.mark.parametrize(
    'entry',
    [each for each in REGISTRY.values() if each.arch],
    ids=lambda entry: entry.name,
)
def test_the_number_of_weights_is_true(entry: RegistryEntry) -> None:
    with torch.device('meta'):
        model = load.build_clip(open_clip.get_model_config(entry.arch))
    count = sum(each.numel() for each in model.parameters())
    assert entry.parameters == count


def test_licenses_without_commerce_are_marked() -> None:
    marked = {e.license for e in REGISTRY.values() if e.forbids_commercial}
    assert marked == {'CC-BY-NC-4.0', 'Apple ML Research Model License'}
    for entry in REGISTRY.values():
        assert entry.forbids_commercial == (entry.license in marked)
    assert 'no commercial use' in REGISTRY['MetaCLIP-B-16'].terms


def test_a_name_that_is_nearly_right_is_suggested() -> None:
    with pytest.raises(ModelError, match=r'did you mean .*RemoteCLIP-L-14'):
        find_model('remoteclip-l14')
