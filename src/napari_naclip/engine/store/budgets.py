"""How much the store may keep: what this machine can spare, and sizes as text.

Standard library only: settings and the command line need no more.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_naclip.engine.errors import InputError

#: The largest defaults, in bytes.
MOST_MEMORY: Final = 1_000_000_000
MOST_DISK: Final = 5_000_000_000
#: Parts of this machine that the defaults take at most.
_MEMORY_PART: Final = 8
_DISK_PART: Final = 10
#: Where Linux tells what memory is free.
_MEMORY_FILE: Final = Path('/proc/meminfo')
#: The largest size that makes sense: 1 PB.
LARGEST: Final = 10**15

_UNITS: Final = {
    '': 1,
    'B': 1,
    'KB': 10**3,
    'MB': 10**6,
    'GB': 10**9,
    'TB': 10**12,
    'K': 10**3,
    'M': 10**6,
    'G': 10**9,
    'T': 10**12,
}
_SIZE: Final = re.compile(r'\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*', re.ASCII)


@dataclass(frozen=True, slots=True)
class Budgets:
    """Bytes of both levels; 0 turns one off."""

    memory: int
    disk: int


def default_budgets(folder: Path, *, used: int = 0) -> Budgets:
    """Return what this machine can spare.

    Parameters
    ----------
    folder : Path
        Where the disk is; need not be there.
    used : int
        Bytes that are kept there already, which count as free.
    """
    memory = min(MOST_MEMORY, physical_memory() // _MEMORY_PART)
    return Budgets(
        memory, min(MOST_DISK, (_free_space(folder) + used) // _DISK_PART)
    )


def physical_memory() -> int:
    """Return the bytes of memory of this machine; 8 GB if it doesn't tell."""
    found = 0
    if sys.platform == 'win32':
        found = _windows_memory()
    else:
        try:
            found = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
        except (ValueError, OSError):
            found = 0
    return found if found > 0 else 8_000_000_000


def free_memory() -> int:
    """Return the bytes that a program can have without swapping, about.

    All of the machine's where the system doesn't tell.
    """
    found = 0
    if sys.platform == 'win32':
        found = _windows_memory(is_free=True)
    else:
        with contextlib.suppress(OSError, ValueError):
            for line in _MEMORY_FILE.read_text().splitlines():
                name, _, value = line.partition(':')
                if name == 'MemAvailable':
                    found = int(value.split()[0]) * 1024
    return found if found > 0 else physical_memory()


def _windows_memory(*, is_free: bool = False) -> int:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = (
            ('length', ctypes.c_ulong),
            ('load', ctypes.c_ulong),
            *((f'number_{n}', ctypes.c_ulonglong) for n in range(7)),
        )

    status = Status(length=ctypes.sizeof(Status))
    kernel = getattr(ctypes, 'windll').kernel32  # noqa: B009
    if not kernel.GlobalMemoryStatusEx(ctypes.byref(status)):
        return 0
    # The first of the seven is the memory of the machine, then what is free.
    return int(status.number_1 if is_free else status.number_0)


def _free_space(folder: Path) -> int:
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return 0


def parse_size(text: str) -> int:
    """Return the bytes that a text like ``2GB``, ``500 MB`` or ``0`` means.

    Units are powers of 1000, upper or lower case.

    Raises
    ------
    InputError
    """
    match = _SIZE.fullmatch(text)
    unit = match[2].upper() if match else ''
    factor = _UNITS.get(unit)
    if match is None or factor is None:
        raise InputError(
            f'{text!r} is no size. Give a number with MB or GB, such as '
            '"500MB", or 0 to keep nothing.'
        )
    size = round(float(match[1]) * factor)
    if size > LARGEST:
        raise InputError(f'{text!r} is too large. Give at most 1000 TB.')
    return size
