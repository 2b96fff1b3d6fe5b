"""Where and how exactly a model runs: by capability, never by a timing.

A device counts only after one tiny operation on it succeeded, because torch
lists cards that its build cannot use.
"""

from __future__ import annotations

import contextlib
import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import torch

from napari_naclip.engine.errors import DeviceError

Precision = Literal['auto', 'float32', 'bfloat16', 'float16']

#: In the order in which ``auto`` tries them.
DEVICE_TYPES: Final = ('cuda', 'mps', 'xpu', 'cpu')
#: Types that no release has been tried on.
UNTESTED: Final = ('mps', 'xpu')

_TORCH_HELP = 'pytorch.org/get-started has the build for each graphics card.'


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """A kind of device and whether it can be used.

    Attributes
    ----------
    type : str
        ``cuda``, ``mps``, ``xpu`` or ``cpu``.
    description : str
        Its name, as far as torch tells.
    problem : str
        Why it cannot be used and what to do; empty if it can.
    is_present : bool
        Whether the machine seems to have one at all.
    """

    type: str
    description: str
    problem: str
    is_present: bool


@dataclass(frozen=True, slots=True)
class ComputeChoice:
    """Where and how exactly a model runs, in words.

    Attributes
    ----------
    device : str
        Such as ``'CPU (AMD EPYC 9B14, 2 threads)'``.
    precision : str
        ``'float32'``, ``'bfloat16'`` or ``'float16'``.
    reason : str
        Why, in sentences; why no graphics card is used, and what to do.
    """

    device: str
    precision: str
    reason: str

    def __str__(self) -> str:
        return f'{self.device}, {self.precision}. {self.reason}'


def choose_compute(
    device: str = 'auto', precision: Precision = 'auto'
) -> ComputeChoice:
    """Return what a request for a device and a precision leads to.

    Parameters
    ----------
    device, precision : str
        As for ``choose_device`` and ``choose_precision``.

    Raises
    ------
    DeviceError
        If there is no such device or precision, or it cannot be used.
    """
    chosen, notice = choose_device(device)
    dtype = choose_precision(chosen, precision)
    return describe_choice(
        chosen,
        dtype,
        notice=notice,
        asked_device=device,
        asked_precision=precision,
    )


def describe_choice(
    device: torch.device,
    dtype: torch.dtype,
    *,
    notice: str = '',
    asked_device: str = 'auto',
    asked_precision: Precision = 'auto',
) -> ComputeChoice:
    """Return a choice that was made in words.

    Parameters
    ----------
    device, dtype : torch.device, torch.dtype
        What was chosen.
    notice : str
        What ``choose_device`` had to say.
    asked_device, asked_precision : str
        What was asked for.
    """
    reasons = [_explain_precision(device, dtype, asked_precision)]
    if asked_device != 'auto':
        reasons.append('The device was chosen by you.')
    elif notice:
        reasons.append(notice)
    elif device.type == 'cpu':
        reasons.append(
            'No graphics card was found; with one it is many times faster.'
        )
    return ComputeChoice(
        _name_device(device),
        str(dtype).removeprefix('torch.'),
        ' '.join(reasons),
    )


def _explain_precision(
    device: torch.device, dtype: torch.dtype, asked: Precision
) -> str:
    if asked != 'auto':
        return 'The precision was chosen by you.'
    name = str(dtype).removeprefix('torch.')
    if device.type != 'cpu':
        return f'Graphics cards of this kind are made for {name}.'
    if dtype == torch.float32:
        return 'The processor has no instructions for half precision.'
    return f'The processor has instructions for {name}.'


def _name_device(device: torch.device) -> str:
    threads = torch.get_num_threads()
    count = f'{threads} thread' + ('s' if threads != 1 else '')
    if device.type == 'cpu':
        name = _name_processor()
        return f'CPU ({name}, {count})' if name else f'CPU ({count})'
    if device.type == 'cuda' and torch.cuda.is_available():
        return f'{device} ({torch.cuda.get_device_name(device)})'
    return str(device).upper()


def _name_processor() -> str:
    with contextlib.suppress(OSError):
        text = Path('/proc/cpuinfo').read_text(
            encoding='utf-8', errors='replace'
        )
        found = re.search(r'^model name\s*:\s*(\S.*)$', text, re.MULTILINE)
        if found:
            return ' '.join(found[1].split())
    return platform.processor()


def report_devices() -> list[DeviceReport]:
    """Return a report on every type of device that torch can know."""
    return [_report(kind) for kind in DEVICE_TYPES]


def choose_device(name: str) -> tuple[torch.device, str]:
    """Return a device that works, and a notice.

    Parameters
    ----------
    name : str
        ``'auto'``, or a device of torch such as ``'cuda:1'``.

    Returns
    -------
    device : torch.device
    notice : str
        What the person should know, such as a card that stays unused and
        why; empty if there is nothing.

    Raises
    ------
    DeviceError
        If a named device is unknown, not there or does not work.
    """
    if name == 'auto':
        reports = report_devices()
        chosen = next(r for r in reports if not r.problem)
        unused = [r for r in reports if r.is_present and r.problem]
        return torch.device(chosen.type), ' '.join(r.problem for r in unused)
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in DEVICE_TYPES:
        raise DeviceError(
            f'There is no device {name!r}. Choose auto, '
            f'{", ".join(DEVICE_TYPES)}, or a numbered one such as cuda:0.'
        )
    problem = _try_device(device)
    if problem:
        raise DeviceError(problem)
    return device, ''


def choose_precision(device: torch.device, name: Precision) -> torch.dtype:
    """Return the dtype of the image tower's matrix products.

    ``'auto'`` is half precision on an accelerator (bfloat16 where CUDA has it
    natively), bfloat16 on a CPU that has instructions for it, else float32.

    Raises
    ------
    DeviceError
        If the name is none of the precisions.
    """
    if name not in get_args(Precision):
        raise DeviceError(
            f'There is no precision {name!r}. Choose one of '
            f'{", ".join(get_args(Precision))}.'
        )
    if name != 'auto':
        dtype: torch.dtype = getattr(torch, name)
        return dtype
    if device.type == 'cpu':
        has_native = cpu_has_bfloat16()
        return torch.bfloat16 if has_native else torch.float32
    if device.type == 'cuda':
        # Ampere (8.0) is the first with bfloat16 in its tensor cores.
        major, _ = torch.cuda.get_device_capability(device)
        return torch.bfloat16 if major >= 8 else torch.float16
    return torch.float16 if device.type == 'mps' else torch.bfloat16


def cpu_has_bfloat16() -> bool:
    """Return whether the CPU multiplies bfloat16 natively."""
    # Older versions of torch cannot tell; float32 is always right.
    get = getattr(torch.cpu, 'get_capabilities', None)
    capabilities: dict[str, object] = get() if get is not None else {}
    names = ('avx512_bf16', 'amx_bf16', 'bf16')
    return any(bool(capabilities.get(name)) for name in names)


def _report(kind: str) -> DeviceReport:
    problem = _try_device(torch.device(kind))
    is_present = True
    description = kind.upper()
    if kind == 'cpu':
        description = f'CPU, {torch.get_num_threads()} threads'
    elif kind == 'cuda':
        is_present = torch.cuda.is_available() or _has_nvidia_card()
        if torch.cuda.is_available():
            description = torch.cuda.get_device_name()
    elif kind == 'mps':
        is_present = torch.backends.mps.is_available()
    elif kind == 'xpu':
        is_present = torch.xpu.is_available()
    return DeviceReport(kind, description, problem, is_present)


def _try_device(device: torch.device) -> str:
    """Return why a device does not work; empty if a product on it does."""
    try:
        ones = torch.ones(2, 2, device=device)
        is_right = bool((ones @ ones == 2).all())
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        # torch's own text can go on for pages; the reason comes first.
        return _explain(device, re.split(r'\n|\. ', str(error).strip())[0])
    if not is_right:
        return _explain(device, 'it gives wrong results')
    return ''


def _explain(device: torch.device, reason: str) -> str:
    reason = reason.rstrip('.')
    if device.type != 'cuda':
        return f'The device {device} cannot be used: {reason}.'
    if torch.version.cuda is None and torch.version.hip is None:
        return (
            'This build of torch is for the CPU only, so that a graphics '
            'card cannot be used. Install a build for your card: '
            f'{_TORCH_HELP}'
        )
    if not _has_nvidia_card() and torch.version.hip is None:
        return 'There is no NVIDIA card or no driver for it on this machine.'
    if 'no kernel image' in reason:
        return (
            'The graphics card is too old or too new for this build of '
            f'torch: {reason}. Install another build: {_TORCH_HELP}'
        )
    return (
        f'The graphics card {device} cannot be used: {reason}. Update its '
        f'driver, or install another build of torch: {_TORCH_HELP}'
    )


def _has_nvidia_card() -> bool:
    return (
        shutil.which('nvidia-smi') is not None
        or Path('/proc/driver/nvidia/version').exists()
    )


def empty_caches() -> None:
    """Give memory that torch keeps on devices for later back to the system.

    Nothing happens on devices that this process has not used.
    """
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if torch.xpu.is_initialized():
        torch.xpu.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
