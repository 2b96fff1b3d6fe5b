"""open_clip's architectures, read from its files: needs no torch."""

from __future__ import annotations

import functools
import json
from importlib import util
from pathlib import Path
from typing import Any


def model_config(arch: str) -> dict[str, Any] | None:
    """Return the configuration of an architecture, or None.

    Parameters
    ----------
    arch : str
        As open_clip spells it, such as ``ViT-B-16-quickgelu``.
    """
    path = _config_files().get(arch)
    if path is None:
        return None
    config: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    return config


def architecture_names() -> tuple[str, ...]:
    """Return the names of all architectures, sorted."""
    return tuple(sorted(_config_files()))


def image_size(config: dict[str, Any] | None) -> int:
    """Return the side of a configuration's images in pixels; 0: not told."""
    vision = (config or {}).get('vision_cfg')
    size = vision.get('image_size', 0) if isinstance(vision, dict) else 0
    if isinstance(size, list | tuple) and size:
        size = min(size)
    return size if isinstance(size, int) and size > 0 else 0


@functools.cache
def _config_files() -> dict[str, Path]:
    # Found, not imported: open_clip brings torch, which takes seconds.
    spec = util.find_spec('open_clip')
    folders = (spec.submodule_search_locations if spec else None) or ()
    return {
        path.stem: path
        for folder in folders
        for path in Path(folder, 'model_configs').glob('*.json')
    }
