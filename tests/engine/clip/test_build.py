"""Models from configurations: what is refused, and what files must fit."""

from __future__ import annotations

import copy
import json
import socket
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from napari_naclip.engine.clip import load
from napari_naclip.engine.clip.build import (
    adapt_state,
    build_clip,
    check_config,
    make_tokenizer,
)
from napari_naclip.engine.clip.vision import Vision
from napari_naclip.engine.entry import CONFIG_FILE
from napari_naclip.engine.errors import ModelError, WeightsError
from napari_naclip.engine.models import load_model
from napari_naclip.engine.registry import REGISTRY
from napari_naclip.engine.segment import segment

TEXT = {'vocab_size': 49408, 'width': 32, 'heads': 2, 'layers': 2}
VISION = {'image_size': 32, 'layers': 2, 'width': 32, 'patch_size': 8}
CONFIG: dict[str, Any] = {
    'embed_dim': 16,
    'vision_cfg': VISION | {'head_width': 16},
    'text_cfg': TEXT,
    'custom_text': True,
    'init_logit_bias': -10,
}
#: Models of the kinds that cannot work, and why.
REFUSED = {
    'RN50': 'ModifiedResNet, not a plain vision transformer',
    'convnext_tiny': 'ConvNeXt, not a plain vision transformer',
    'MobileCLIP-S1': 'FastVit, not a plain vision transformer',
    'swin_base_patch4_window7_224': 'SwinTransformer, not a plain',
    'vit_relpos_medium_patch16_cls_224': 'VisionTransformerRelPos, not',
    'coca_ViT-B-32': r'by attention \(CoCa\)',
    'ViTamin-S': 'layers of the kind GeGluMlp',
    'EVA02-E-14': 'blocks of the kind EvaBlockPostNorm',
}
#: Large members of families whose small ones are run elsewhere.
ACCEPTED = [
    'ViT-H-14',
    'EVA02-L-14-336',
    'ViT-SO400M-14-SigLIP2-378',
    'PE-Core-L-14-336',
    'MobileCLIP2-L-14',
]


def no_network(*_: object) -> None:
    raise AssertionError('nothing may be asked')


def arch_config(arch: str) -> dict[str, Any]:
    config: dict[str, Any] = open_clip.get_model_config(arch)
    return config


@pytest.mark.parametrize(('arch', 'reason'), REFUSED.items(), ids=REFUSED)
def test_what_cannot_work_is_refused_with_the_reason(
    arch: str, reason: str
) -> None:
    with pytest.raises(ModelError, match=f'{reason}.*Choose one of'):
        check_config(arch_config(arch), arch)


@pytest.mark.parametrize('arch', ACCEPTED)
def test_large_members_are_accepted(arch: str) -> None:
    check_config(arch_config(arch), arch)


def test_the_table_of_models_tells_the_truth() -> None:
    visions: dict[str, Vision] = {}
    for entry in REGISTRY.values():
        if not entry.arch:
            continue
        if entry.arch not in visions:
            config = arch_config(entry.arch)
            visions[entry.arch] = check_config(config, entry.name)
        vision = visions[entry.arch]
        assert vision.native_size == (entry.native,) * 2
        assert entry.is_experimental == (vision.pooling != 'token'), entry


@pytest.mark.slow
def test_every_plain_transformer_of_open_clip_is_accepted() -> None:
    kinds = ('RN', 'convnext', 'coca', 'ViTamin', 'swin', 'vit_relpos')
    names = [
        name
        for name in open_clip.list_models()
        if not name.startswith((*kinds, 'EVA02-E'))
        and 'MobileCLIP-S' not in name
        and 'MobileCLIP2-S' not in name
    ]
    assert len(names) > 90
    for name in names:
        check_config(arch_config(name), name)


def test_nothing_is_downloaded_of_what_cannot_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    monkeypatch.setattr(socket, 'getaddrinfo', no_network)
    for download in (False, True):
        with pytest.raises(ModelError, match='CoCa'):
            load_model('coca_ViT-B-32/laion2b_s13b_b90k', download=download)


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'timm_model_name': 'vit_of_tomorrow'}, 'Unknown model'),
        ({'depth_of_tomorrow': 3}, 'depth_of_tomorrow'),
        ({'head_width': 0}, 'zero'),
    ],
)
def test_a_configuration_that_cannot_be_built_is_said(
    change: dict[str, Any], reason: str
) -> None:
    config = CONFIG | {'vision_cfg': VISION | change}
    with pytest.raises(ModelError, match=f'of Tomorrow cannot.*{reason}'):
        check_config(config, 'Tomorrow')


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'text_cfg': TEXT | {'thinks': True}}, 'thinks'),
        ({'text_cfg': TEXT | {'width': 0}}, 'greater than 0'),
        ({'text_cfg': TEXT | {'heads': 0}}, 'zero|heads'),
        ({'third_tower': {}}, 'third_tower'),
        ({'text_cfg': {'hf_model_name': 'a/b', 'thinks': 1}}, 'thinks'),
    ],
)
def test_a_text_tower_that_cannot_be_built_is_said(
    change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ModelError, match=f'text tower.*cannot.*{reason}'):
        check_config(CONFIG | change, 'Tomorrow')


def test_no_parts_are_downloaded_while_building(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    monkeypatch.setattr(socket, 'getaddrinfo', no_network)
    vision = {
        'timm_model_name': 'vit_tiny_patch16_224',
        'timm_model_pretrained': True,
        'image_size': 224,
    }
    check_config(CONFIG | {'vision_cfg': vision}, 'a model')
    build_clip(CONFIG | {'vision_cfg': vision})


@pytest.mark.parametrize(
    'place',
    [
        'hf-hub:somebody/model',
        'hf_hub:somebody/model',
        'local-dir:models',
        'somebody/model',
        'https://example.org/model',
        'vit_tiny_patch16_224\n',
        ['vit_tiny_patch16_224'],
    ],
)
def test_a_configuration_leads_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, place: object
) -> None:
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    monkeypatch.setattr(socket, 'getaddrinfo', no_network)
    vision = {'timm_model_name': place, 'image_size': 224}
    for build in (build_clip, lambda config: check_config(config, 'it')):
        with pytest.raises(ModelError, match='leads out of the package timm'):
            build(CONFIG | {'vision_cfg': vision})


@pytest.fixture(scope='module')
def custom() -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return build_clip(CONFIG)


def test_a_text_half_of_its_own_is_loaded(
    custom: torch.nn.Module, tmp_path: Path
) -> None:
    assert type(custom) is open_clip.model.CustomTextCLIP
    save_file(custom.state_dict(), tmp_path / 'w.safetensors')
    model, _ = load.load_config(CONFIG, tmp_path / 'w.safetensors', name='it')
    assert not model.training
    for name, tensor in custom.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)


def test_a_folder_with_a_tower_of_timm_labels_an_image(
    tmp_path: Path,
) -> None:
    config = CONFIG | {
        'vision_cfg': {
            'timm_model_name': 'vit_tiny_patch16_224',
            'timm_pool': '',
            'timm_proj': 'linear',
            'image_size': 224,
        }
    }
    (tmp_path / CONFIG_FILE).write_text(json.dumps({'model_cfg': config}))
    save_file(
        build_clip(config).state_dict(),
        tmp_path / 'open_clip_model.safetensors',
    )
    model = load_model(
        f'local-dir:{tmp_path}', device='cpu', precision='float32'
    )
    assert (model.window, model.stride) == (224, 112)
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    result = segment(image, 'sky; tree', model=model)
    assert result.labels.shape == (60, 90)
    assert result.recipe['model']['pooling'] == 'token'


def test_older_names_of_the_text_half_are_understood(
    custom: torch.nn.Module, tmp_path: Path
) -> None:
    state = {
        name.removeprefix('text.'): tensor.clone()
        for name, tensor in custom.state_dict().items()
    }
    state['logit_scale'] = state['logit_scale'].reshape(1)
    save_file(state, tmp_path / 'w.safetensors')
    model, _ = load.load_config(CONFIG, tmp_path / 'w.safetensors', name='it')
    for name, tensor in custom.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)


def test_counted_places_are_left_out(custom: torch.nn.Module) -> None:
    counted = 'text.transformer.embeddings.position_ids'
    state = custom.state_dict() | {counted: torch.arange(9)}
    assert counted not in adapt_state(custom, state)


def test_weights_without_a_text_half_are_refused(
    custom: torch.nn.Module, tmp_path: Path
) -> None:
    state = copy.copy(custom.state_dict())
    del state['text.ln_final.weight']
    save_file(state, tmp_path / 'w.safetensors')
    with pytest.raises(WeightsError, match=r'missing.*text\.ln_final'):
        load.load_config(CONFIG, tmp_path / 'w.safetensors', name='it')


def test_what_only_looks_like_apple_s_is_refused(
    custom: torch.nn.Module, tmp_path: Path
) -> None:
    name = 'image_encoder.model.patch_emb.0.block.conv.weight'
    save_file({name: torch.zeros(2)}, tmp_path / 'w.safetensors')
    with pytest.raises(WeightsError, match=r'are missing.*unknown'):
        load.load_config(CONFIG, tmp_path / 'w.safetensors', name='it')


@pytest.mark.parametrize(
    'arch', ['ViT-B-16-SigLIP', 'roberta-ViT-B-32', 'ViT-L-14-CLIPA']
)
def test_a_missing_package_is_named(
    arch: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(util, 'find_spec', lambda name: None)
    with pytest.raises(ModelError, match=r'napari-naclip\[transformers\]'):
        make_tokenizer(arch_config(arch))


def test_a_missing_package_is_named_before_a_download(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    real = util.find_spec
    monkeypatch.setattr(
        util,
        'find_spec',
        lambda name: None if name == 'transformers' else real(name),
    )
    with pytest.raises(ModelError, match=r'SigLIP.*\[transformers\]'):
        load_model('ViT-B-16-SigLIP/webli', download=True)


def test_a_tower_without_end_is_refused() -> None:
    for part, facts in (('vision_cfg', VISION), ('text_cfg', TEXT)):
        config = CONFIG | {part: facts | {'layers': 10**9}}
        with pytest.raises(ModelError, match='1000000000 layers'):
            check_config(config, 'it')


def test_no_memory_is_taken_for_more_weights_than_there_are(
    custom: torch.nn.Module, tmp_path: Path
) -> None:
    save_file(custom.state_dict(), tmp_path / 'w.safetensors')
    # Some hundred petabytes.
    config = CONFIG | {'text_cfg': TEXT | {'width': 10**8}}
    with pytest.raises(WeightsError, match='have another shape'):
        load.load_config(config, tmp_path / 'w.safetensors', name='it')


def test_clip_s_own_tokenizer_is_changed_as_asked() -> None:
    texts = ['A cat.', 'a cat']
    cut = {
        clean: make_tokenizer(
            CONFIG
            | {'text_cfg': TEXT | {'tokenizer_kwargs': {'clean': clean}}}
        )(texts)
        for clean in ('lower', 'whitespace', 'canonicalize')
    }
    plain = make_tokenizer(CONFIG)(texts)
    assert torch.equal(cut['lower'], plain)
    assert not torch.equal(cut['whitespace'], plain)
    assert torch.equal(cut['canonicalize'][0], plain[1])


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'tokenizer_kwargs': {'reduction_mask': 'syntax'}}, 'reduction_mask'),
        ({'tokenizer_kwargs': {'clean': 'soap'}}, "clean 'soap'"),
        ({'tokenizer_kwargs': ['clean']}, r"options \['clean'\]"),
        ({'context_length': 1}, '1 tokens'),
        ({'context_length': 'abc'}, "'abc' tokens"),
        ({'vocab_size': 100}, '100 words'),
        ({'hf_model_name': 'a/b', 'context_length': 'abc'}, "'abc'"),
        ({'hf_tokenizer_name': 'a/b', 'context_length': True}, 'True tokens'),
    ],
)
def test_words_that_cannot_be_read_are_told_before_a_download(
    change: dict[str, Any], reason: str
) -> None:
    config = CONFIG | {'text_cfg': TEXT | change}
    with pytest.raises(ModelError, match=reason):
        check_config(config, 'it')


def test_a_tokenizer_s_code_is_never_run() -> None:
    text = TEXT | {
        'hf_tokenizer_name': 'somebody/words',
        'tokenizer_kwargs': {'trust_remote_code': True},
    }
    with pytest.raises(ModelError, match='with trust_remote_code'):
        make_tokenizer(CONFIG | {'text_cfg': text})
