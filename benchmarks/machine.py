"""What the numbers depend on: the machine, and its memory as it is used."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
from pathlib import Path

import torch

from napari_naclip.engine.device import cpu_has_bfloat16


def read_memory(field: str) -> float:
    """Return a field of this process's memory status in MB."""
    for line in Path('/proc/self/status').read_text('ascii').splitlines():
        if line.startswith(field + ':'):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


def release_memory() -> None:
    """Give freed memory back to the system, so that it is not counted."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:
        trim(0)


def machine_facts(threads: int) -> dict[str, str]:
    """Return what the numbers depend on."""
    name = platform.processor() or platform.machine()
    info = Path('/proc/cpuinfo')
    if info.exists():
        lines = info.read_text('utf-8').splitlines()
        names = (line for line in lines if line.startswith('model name'))
        name = next(names, f':{name}').partition(':')[2].strip()
    native = 'has it' if cpu_has_bfloat16() else 'not native'
    return {
        'processor': name,
        'cores': str(os.cpu_count()),
        'threads used': str(threads),
        'vector instructions': torch.backends.cpu.get_cpu_capability(),
        'bfloat16': native,
        'system': f'{platform.system()} {platform.machine()}',
        'Python': platform.python_version(),
        'torch': torch.__version__,
    }
