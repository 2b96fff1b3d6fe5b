"""Devices and precision: by capability, each device tried."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from napari_naclip.engine import device
from napari_naclip.engine.clip.text import clip_tokenizer
from napari_naclip.engine.device import (
    DEVICE_TYPES,
    choose_compute,
    choose_device,
    choose_precision,
    describe_choice,
    empty_caches,
    report_devices,
)
from napari_naclip.engine.errors import DeviceError
from napari_naclip.engine.models import load_model

CPU = torch.device('cpu')


@pytest.fixture
def problems(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the problem of each device type: all but the CPU are missing."""
    found = {'cuda': 'no cuda', 'mps': 'no mps', 'xpu': 'no xpu', 'cpu': ''}
    monkeypatch.setattr(device, '_try_device', lambda d: found[d.type])
    monkeypatch.setattr(device, '_has_nvidia_card', lambda: False)
    for module in (torch.cuda, torch.backends.mps, torch.xpu):
        monkeypatch.setattr(module, 'is_available', lambda: False)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda: 'Card 9000')
    return found


def test_auto_is_the_cpu_where_there_is_no_more(
    problems: dict[str, str],
) -> None:
    assert choose_device('auto') == (CPU, '')


@pytest.mark.parametrize('kind', DEVICE_TYPES)
def test_auto_is_the_first_that_works(
    problems: dict[str, str], kind: str
) -> None:
    problems[kind] = ''
    assert choose_device('auto') == (torch.device(kind), '')


def test_auto_prefers_cuda(problems: dict[str, str]) -> None:
    problems.update(dict.fromkeys(DEVICE_TYPES, ''))
    assert choose_device('auto')[0].type == 'cuda'


def test_a_card_that_torch_cannot_use_is_told(
    problems: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, '_has_nvidia_card', lambda: True)
    assert choose_device('auto') == (CPU, 'no cuda')


def test_a_named_device_that_fails_is_refused(
    problems: dict[str, str],
) -> None:
    with pytest.raises(DeviceError, match='no cuda'):
        choose_device('cuda')


@pytest.mark.parametrize('name', ['gpu', '', 'cuda:x', 'meta', 'vulkan'])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(DeviceError, match='Choose auto, cuda, mps, xpu, cpu'):
        choose_device(name)


def test_the_cpu_works() -> None:
    assert choose_device('cpu') == (CPU, '')


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a card')
def test_a_missing_card_is_refused_with_a_remedy() -> None:
    with pytest.raises(DeviceError) as caught:
        choose_device('cuda')
    text = str(caught.value)
    assert 'card' in text
    assert text.endswith('.')
    assert '\n' not in text


def test_reports_name_every_type(problems: dict[str, str]) -> None:
    reports = report_devices()
    assert tuple(report.type for report in reports) == DEVICE_TYPES
    assert [bool(report.problem) for report in reports] == [1, 1, 1, 0]
    assert 'threads' in reports[-1].description


def test_a_report_has_the_card_s_name(
    problems: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    problems['cuda'] = ''
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    report = report_devices()[0]
    assert report.description == 'Card 9000'
    assert report.is_present


def test_each_device_is_tried_by_a_tiny_product(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []

    def ones(*size: int, device: torch.device) -> torch.Tensor:
        tried.append(device.type)
        if device.type != 'cpu':
            raise RuntimeError('CUDA error: no kernel image\nmore')
        return torch.full(size, 1.0)

    monkeypatch.setattr(torch, 'ones', ones)
    assert [not r.problem for r in report_devices()] == [False] * 3 + [True]
    assert tried == list(DEVICE_TYPES)


def test_wrong_results_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, 'ones', lambda *s, device: torch.full(s, 3.0))
    with pytest.raises(DeviceError, match='wrong results'):
        choose_device('cpu')


@pytest.mark.parametrize(
    ('build', 'card', 'reason', 'remedy'),
    [
        (None, True, 'not compiled', 'for the CPU only'),
        ('12.8', False, 'no driver', 'no NVIDIA card or no driver'),
        ('12.8', True, 'no kernel image', 'too old or too new'),
        ('12.8', True, 'driver too old', 'Update its driver'),
    ],
)
def test_what_is_wrong_with_a_card_comes_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch,
    build: str | None,
    card: bool,
    reason: str,
    remedy: str,
) -> None:
    def fail(*size: int, device: Any) -> torch.Tensor:
        raise RuntimeError(f'CUDA error: {reason}\nCompile with ...')

    monkeypatch.setattr(torch, 'ones', fail)
    monkeypatch.setattr(torch.version, 'cuda', build)
    monkeypatch.setattr(torch.version, 'hip', None)
    monkeypatch.setattr(device, '_has_nvidia_card', lambda: card)
    with pytest.raises(DeviceError, match=remedy) as caught:
        choose_device('cuda:0')
    assert 'Compile' not in str(caught.value)


def test_a_build_that_lacks_a_type_is_no_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*size: int, device: Any) -> torch.Tensor:
        raise AssertionError('Torch not compiled with XPU enabled')

    monkeypatch.setattr(torch, 'ones', fail)
    with pytest.raises(DeviceError, match='xpu cannot be used: Torch not'):
        choose_device('xpu')


@pytest.mark.parametrize(
    ('major', 'dtype'),
    [(7, torch.float16), (8, torch.bfloat16), (12, torch.bfloat16)],
)
def test_a_card_gets_what_its_capability_has(
    monkeypatch: pytest.MonkeyPatch, major: int, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(
        torch.cuda, 'get_device_capability', lambda device: (major, 5)
    )
    assert choose_precision(torch.device('cuda'), 'auto') == dtype


@pytest.mark.parametrize(
    ('capabilities', 'dtype'),
    [
        ({}, torch.float32),
        ({'avx512_bf16': False, 'amx_bf16': False}, torch.float32),
        ({'avx512_bf16': True}, torch.bfloat16),
        ({'amx_bf16': True}, torch.bfloat16),
        ({'bf16': True}, torch.bfloat16),
    ],
)
def test_a_cpu_gets_bfloat16_where_it_is_native(
    monkeypatch: pytest.MonkeyPatch,
    capabilities: dict[str, bool],
    dtype: torch.dtype,
) -> None:
    monkeypatch.setattr(
        torch.cpu, 'get_capabilities', lambda: capabilities, raising=False
    )
    assert choose_precision(CPU, 'auto') == dtype


def test_a_torch_that_cannot_tell_gets_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(torch.cpu, 'get_capabilities', raising=False)
    assert choose_precision(CPU, 'auto') == torch.float32


def test_other_accelerators_run_in_half_precision() -> None:
    assert choose_precision(torch.device('mps'), 'auto') == torch.float16
    assert choose_precision(torch.device('xpu'), 'auto') == torch.bfloat16


@pytest.mark.parametrize('name', ['float32', 'bfloat16', 'float16'])
def test_a_named_precision_is_taken(name: Any) -> None:
    assert choose_precision(CPU, name) == getattr(torch, name)


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(DeviceError, match="no precision 'half'"):
        choose_precision(CPU, 'half')  # type: ignore[arg-type]


def test_a_choice_says_why_no_card_is_used(
    problems: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, '_name_processor', lambda: 'EPYC')
    monkeypatch.setattr(device, 'cpu_has_bfloat16', lambda: False)
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 2)
    choice = choose_compute()
    assert choice.device == 'CPU (EPYC, 2 threads)'
    assert choice.precision == 'float32'
    assert choice.reason == (
        'The processor has no instructions for half precision. '
        'No graphics card was found; with one it is many times faster.'
    )
    assert str(choice) == (
        f'{choice.device}, {choice.precision}. {choice.reason}'
    )
    problems['cuda'] = 'The card needs another build of torch.'
    monkeypatch.setattr(device, '_has_nvidia_card', lambda: True)
    assert choose_compute().reason.endswith(problems['cuda'])


def test_a_choice_names_what_the_person_chose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device, '_name_processor', lambda: '')
    choice = choose_compute('cpu', 'bfloat16')
    assert choice.device.startswith('CPU (')
    assert choice.precision == 'bfloat16'
    assert choice.reason == (
        'The precision was chosen by you. The device was chosen by you.'
    )


def test_a_choice_names_the_card(
    problems: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(
        torch.cuda, 'get_device_name', lambda device=None: 'Card 9000'
    )
    choice = describe_choice(torch.device('cuda:1'), torch.float16)
    assert choice.device == 'cuda:1 (Card 9000)'
    assert choice.reason == (
        'Graphics cards of this kind are made for float16.'
    )


def test_a_model_says_where_it_runs(
    tiny_clip: torch.nn.Module,
) -> None:
    model = load_model((tiny_clip, clip_tokenizer()), device='cpu')
    assert model.choice == choose_compute('cpu')


@pytest.mark.parametrize('kind', ['cuda', 'xpu', 'mps'])
def test_caches_of_used_devices_are_emptied(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    emptied: list[str] = []
    for each in ('cuda', 'xpu', 'mps'):
        monkeypatch.setattr(
            getattr(torch, each),
            'empty_cache',
            lambda each=each: emptied.append(each),
        )
        module, name = (
            (torch.backends.mps, 'is_available')
            if each == 'mps'
            else (getattr(torch, each), 'is_initialized')
        )
        monkeypatch.setattr(module, name, lambda each=each: each == kind)
    empty_caches()
    assert emptied == [kind]
