"""open_clip's architectures and tags, read from its files: no torch needed."""

from __future__ import annotations

import ast
import functools
import json
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


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
def repository_tags() -> dict[str, str]:
    """Return what open_clip calls the weights in each repository.

    By its name on the hub in lower case. Read from the source of open_clip's
    table, whose rows are calls such as ``tag=_pcfg(hf_hub='org/name/')``;
    empty where it is written otherwise.
    """
    found: dict[str, str] = {}
    for folder in _folders():
        try:
            text = Path(folder, 'pretrained.py').read_text(encoding='utf-8')
            tree = ast.parse(text)
        except (OSError, ValueError, SyntaxError):
            continue
        for node in ast.walk(tree):
            for tag, value in _named_calls(node):
                for part in value.keywords:
                    if part.arg == 'hf_hub' and isinstance(
                        part.value, ast.Constant
                    ):
                        repo = str(part.value.value).rpartition('/')[0]
                        found.setdefault(repo.casefold(), tag)
    return found


def _named_calls(node: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield the calls that a call or a table gives names to."""
    pairs: list[tuple[object, ast.expr]] = []
    if isinstance(node, ast.Call):
        pairs = [(each.arg, each.value) for each in node.keywords]
    elif isinstance(node, ast.Dict):
        pairs = [
            (getattr(key, 'value', None), value)
            for key, value in zip(node.keys, node.values, strict=True)
        ]
    for name, value in pairs:
        if isinstance(name, str) and isinstance(value, ast.Call):
            yield name, value


@functools.cache
def _config_files() -> dict[str, Path]:
    return {
        path.stem: path
        for folder in _folders()
        for path in Path(folder, 'model_configs').glob('*.json')
    }


def _folders() -> list[str]:
    # Found, not imported: open_clip brings torch, which takes seconds.
    spec = util.find_spec('open_clip')
    return list((spec.submodule_search_locations if spec else None) or ())
