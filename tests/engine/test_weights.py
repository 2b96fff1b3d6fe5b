"""Files of weights: what is read, what is refused, and that nothing runs."""

from __future__ import annotations

import copy
import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from napari_naclip.engine import sources
from napari_naclip.engine.clip import load
from napari_naclip.engine.clip.build import build_clip
from napari_naclip.engine.clip.text import clip_tokenizer
from napari_naclip.engine.errors import ModelError, WeightsError
from napari_naclip.engine.models import CLIP_MEAN, CLIP_STD, load_model
from napari_naclip.engine.weights import read_shapes, read_state

STATE = {'a.weight': torch.arange(6.0).reshape(2, 3), 'b': torch.tensor(2.0)}
SHAPES = {'a.weight': (2, 3), 'b': ()}


def assert_is_state(state: dict[str, torch.Tensor]) -> None:
    assert state.keys() == STATE.keys()
    for name, tensor in STATE.items():
        assert torch.equal(state[name], tensor)


def test_safetensors_are_read(tmp_path: Path) -> None:
    path = tmp_path / 'a.safetensors'
    save_file(STATE, path)
    assert_is_state(read_state(path))
    assert read_shapes(path) == SHAPES


@pytest.mark.parametrize('name', ['W.SAFETENSORS', 'w', '0a1b', 'w.bin'])
def test_safetensors_of_any_name_are_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    save_file(STATE, path)
    assert_is_state(read_state(path))
    assert read_shapes(path) == SHAPES
    # One that is cut is no longer known by its size, and refused.
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(WeightsError):
        read_state(path)


@pytest.mark.parametrize('new_format', [True, False])
@pytest.mark.parametrize(
    'wrap',
    [
        lambda state: state,
        lambda state: {'state_dict': state, 'epoch': 3, 'name': 'run'},
        lambda state: {'model': state},
        lambda state: {'model_state_dict': state, 'optimizer': {'lr': 0.1}},
        lambda state: {'ema': state, 'epoch': 3},
        lambda state: {'net': {'state_dict': state}},
        lambda state: {
            'model': state,
            'model_ema': {name: t + 1 for name, t in state.items()},
        },
        lambda state: {f'model.{name}': t for name, t in state.items()},
        lambda state: {
            f'module._orig_mod.{name}': t for name, t in state.items()
        },
        lambda state: {**state, 'input_resolution': torch.tensor(224)},
        lambda state: {f'module.{name}': t for name, t in state.items()},
        lambda state: {
            'state_dict': {f'module.{name}': t for name, t in state.items()}
        },
    ],
    ids=[
        'plain',
        'state_dict',
        'model',
        'model_state_dict',
        'ema',
        'net',
        'model and ema',
        'model.',
        'compiled',
        'openai',
        'module.',
        'both',
    ],
)
def test_state_dicts_of_torch_are_read(
    tmp_path: Path, wrap: Any, new_format: bool
) -> None:
    path = tmp_path / 'a.pt'
    torch.save(wrap(STATE), path, _use_new_zipfile_serialization=new_format)
    assert_is_state(read_state(path))
    shapes = read_shapes(path)
    shapes.pop('input_resolution', None)  # tells that it is OpenAI's
    assert shapes == SHAPES


def write_torch(path: Path, content: Any = STATE) -> bytes:
    torch.save(content, path)
    return path.read_bytes()


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match='There is no weights file'):
        read_state(tmp_path / 'a.pt')


@pytest.mark.parametrize('name', ['~nobody-of-this-name/w.pt', 'w' * 5000])
def test_a_name_that_leads_nowhere_is_told(name: str) -> None:
    with pytest.raises(WeightsError, match='There is no weights file'):
        load_model('ViT-B-16', weights=name)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match='There is no weights file'):
        read_state(tmp_path)


@pytest.mark.parametrize('suffix', ['.pt', '.safetensors', '.bin'])
def test_an_empty_file_is_told(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f'a{suffix}'
    path.touch()
    with pytest.raises(WeightsError, match='is empty'):
        read_state(path)


@pytest.mark.parametrize('share', [0.01, 0.3, 0.9, 0.99])
def test_a_cut_file_is_told(tmp_path: Path, share: float) -> None:
    path = tmp_path / 'a.pt'
    content = write_torch(path)
    path.write_bytes(content[: int(share * len(content)) + 1])
    with pytest.raises(WeightsError, match=r'Download|Convert'):
        read_state(path)
    path = tmp_path / 'a.safetensors'
    save_file(STATE, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content)) + 1])
    with pytest.raises(WeightsError, match='is cut or not'):
        read_state(path)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.binary(min_size=1, max_size=200))
def test_any_other_file_is_refused(tmp_path: Path, content: bytes) -> None:
    for name in ('a.pt', 'a.safetensors'):
        path = tmp_path / name
        path.write_bytes(content)
        for read in (read_state, read_shapes):
            with pytest.raises(WeightsError):
                read(path)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.integers(0, 10_000), st.integers(0, 255), st.booleans())
def test_a_damaged_file_is_read_or_refused(
    tmp_path: Path, place: int, byte: int, is_legacy: bool
) -> None:
    path = tmp_path / 'a.pt'
    torch.save(STATE, path, _use_new_zipfile_serialization=not is_legacy)
    content = bytearray(path.read_bytes())
    content[place % len(content)] = byte
    path.write_bytes(content)
    try:
        state = read_state(path)
    except WeightsError:
        return
    assert all(isinstance(each, torch.Tensor) for each in state.values())


@pytest.mark.parametrize(
    'content',
    [
        [torch.ones(2)],
        torch.ones(2),
        {'a': 1},
        {1: torch.ones(2)},
        {'state_dict': {'a': 'text'}},
    ],
)
def test_anything_but_named_tensors_is_refused(
    tmp_path: Path, content: Any
) -> None:
    path = tmp_path / 'a.pt'
    write_torch(path, content)
    with pytest.raises(WeightsError, match='no table of named tensors'):
        read_state(path)


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize('form', ['torch', 'legacy', 'pickle'])
def test_code_in_a_pickle_does_not_run(tmp_path: Path, form: str) -> None:
    trace = tmp_path / 'it ran'
    path = tmp_path / 'a.pt'
    content = {**STATE, 'c': Payload(trace)}
    if form == 'pickle':
        path.write_bytes(pickle.dumps(Payload(trace)))
    else:
        torch.save(
            content, path, _use_new_zipfile_serialization=form == 'torch'
        )
    for read in (read_state, read_shapes):
        with pytest.raises(WeightsError, match=r'could run code|cut or not'):
            read(path)
    assert not trace.exists()
    # The payload itself is real.
    pickle.loads(pickle.dumps(Payload(trace)))
    assert trace.exists()


@pytest.mark.parametrize('suffix', ['.pt', '.bin'])
def test_a_torchscript_archive_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f'ViT-B-16{suffix}'
    with warnings.catch_warnings():
        # torch.jit is deprecated, which is one reason to refuse its files.
        warnings.simplefilter('ignore', DeprecationWarning)
        warnings.simplefilter('ignore', FutureWarning)
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))
    with pytest.raises(WeightsError) as caught:
        read_state(path)
    assert 'TorchScript' in str(caught.value)
    assert 'open_clip_model.safetensors' in str(caught.value)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    path = tmp_path / 'other.safetensors'
    save_file(STATE, path)
    with pytest.raises(WeightsError) as caught:
        load.load_config(
            open_clip.get_model_config('ViT-S-32'), path, name='ViT-S-32'
        )
    text = str(caught.value)
    assert 'tensors are missing (such as positional_embedding)' in text
    assert '2 tensors are unknown (such as a.weight)' in text
    assert 'ViT-S-32' in text


def test_weights_of_another_shape_are_refused(
    tiny_clip: torch.nn.Module,
) -> None:
    state = tiny_clip.state_dict()
    state['visual.proj'] = state['visual.proj'][:, :3]
    with pytest.raises(WeightsError) as caught:
        load.fill(tiny_clip, state, source='F')
    assert 'F: 1 tensors have another shape (such as visual.proj)' in str(
        caught.value
    )


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(ModelError, match="no model 'ViT-X'"):
        load_model('ViT-X')


def test_a_local_file_gets_activation_and_statistics_of_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The smallest architecture with QuickGELU stands in for the ViT-B/16.
    config = open_clip.get_model_config('ViT-B-16-quickgelu')
    config['vision_cfg'] |= {'layers': 1, 'width': 64}
    config['text_cfg'] |= {'layers': 1, 'width': 64, 'heads': 1}
    monkeypatch.setattr(sources, 'model_config', lambda arch: config)
    path = tmp_path / 'w.safetensors'
    original = load.build_clip(config)
    save_file(original.half().state_dict(), path)
    model = load_model(
        'ViT-B-16', weights=path, device='cpu', precision='float32'
    )
    block = model.tower._visual.transformer.resblocks[0]
    assert isinstance(block.mlp.gelu, open_clip.transformer.QuickGELU)
    assert block.mlp.c_fc.weight.dtype == torch.float32
    assert not model.tower._visual.training
    assert not model.text._model.training
    assert (model.mean, model.std) == (CLIP_MEAN, CLIP_STD)
    assert (model.window, model.stride) == (224, 112)
    assert str(tmp_path) not in str(model.to_dict())


def test_a_model_in_memory_keeps_the_statistics_that_it_brings(
    tiny_clip: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:

    pair = (tiny_clip, clip_tokenizer())
    plain = load_model(pair, device='cpu', precision='float32')
    assert (plain.mean, plain.std) == (CLIP_MEAN, CLIP_STD)
    config = {'mean': (0.5, 0.5, 0.5), 'std': (0.4, 0.4, 0.4)}
    monkeypatch.setattr(
        tiny_clip.visual, 'preprocess_cfg', config, raising=False
    )
    own = load_model(pair, device='cpu', precision='float32')
    assert (own.mean, own.std) == (config['mean'], config['std'])


def _fingerprint(clip: torch.nn.Module) -> str:
    return load.fingerprint(clip, clip_tokenizer())


def test_another_tokenizer_is_another_model(make_clip: Any) -> None:
    clip = make_clip()
    assert load.fingerprint(clip, clip_tokenizer()) != load.fingerprint(
        clip, clip_tokenizer(64)
    )


def test_the_fingerprint_is_that_of_the_weights(
    make_clip: Any,
) -> None:
    assert _fingerprint(make_clip()) == _fingerprint(make_clip())
    other = make_clip()
    other.logit_scale.data += np.float32(1e-3)
    assert _fingerprint(other) != _fingerprint(make_clip())
    assert _fingerprint(make_clip().half()) != _fingerprint(make_clip())


def test_the_fingerprint_tells_how_the_weights_are_used() -> None:
    options = {
        'embed_dim': 16,
        'vision_cfg': {
            'layers': 2,
            'width': 64,
            'head_width': 16,
            'patch_size': 16,
            'image_size': 32,
        },
        'text_cfg': {
            'context_length': 8,
            'vocab_size': 32,
            'width': 16,
            'heads': 2,
            'layers': 1,
        },
    }
    plain = open_clip.model.CLIP(**options)
    quick = open_clip.model.CLIP(**options, quick_gelu=True)
    options['vision_cfg']['head_width'] = 32
    wide = open_clip.model.CLIP(**options)
    for each in (quick, wide):
        each.load_state_dict(plain.state_dict())
    found = {_fingerprint(each) for each in (plain, quick, wide)}
    assert len(found) == 3


@pytest.mark.parametrize('is_custom', [False, True])
def test_the_fingerprint_tells_how_texts_are_read(is_custom: bool) -> None:
    text = {'vocab_size': 32, 'width': 16, 'heads': 2, 'layers': 1}
    changes: list[dict[str, Any]] = [
        {},
        {'pool_type': 'last'},
        {'pool_type': 'eos'},
        {'pool_type': 'eos', 'eos_id': 7},
        {'no_causal_mask': True},
        {'heads': 4},
    ]
    models = [
        build_clip(
            {
                'embed_dim': 16,
                'vision_cfg': {
                    'layers': 1,
                    'width': 16,
                    'head_width': 16,
                    'patch_size': 16,
                    'image_size': 32,
                },
                'text_cfg': {**text, **change},
                'custom_text': is_custom,
            }
        )
        for change in changes
    ]
    for model in models[1:]:
        model.load_state_dict(models[0].state_dict())
    assert len({_fingerprint(each) for each in models}) == len(changes)
    assert _fingerprint(copy.deepcopy(models[0])) == _fingerprint(models[0])
