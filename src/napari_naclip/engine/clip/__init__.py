"""The only package that imports open_clip and torchvision.

Importing open_clip imports torchvision and, through torch's compiler, triton
where it is installed. Triton's shared library exports its own LLVM symbols;
once a window has made the OpenGL driver load another LLVM (Mesa: llvmpipe,
AMD, often Intel), the two clash and the process dies. The guard below loads
triton first, with its symbols bound to itself, before anything else here can.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys


def load_triton_safely() -> None:
    """Import triton, where it is installed, with its symbols bound deeply.

    Does nothing off Linux (no such clash is known there), without triton, or
    when triton is already imported. A triton that does not import is left to
    whoever needs it.
    """
    if not sys.platform.startswith('linux') or 'triton' in sys.modules:
        return
    if importlib.util.find_spec('triton') is None:
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        importlib.import_module('triton')
    except ImportError:
        pass
    finally:
        sys.setdlopenflags(flags)


load_triton_safely()
