"""The model that is kept loaded, and when it is loaded anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from napari_naclip.engine.clip.build import build_clip
from napari_naclip.engine.entry import CONFIG_FILE
from napari_naclip.engine.errors import ModelError
from napari_naclip.engine.segmenter import run_to_end
from napari_naclip.ui.compute import ComputeSlot, ModelRequest
from tiny_clip import TINY_CFG


def write(folder: Path, **preprocess: Any) -> None:
    save_file(
        build_clip(TINY_CFG).state_dict(),
        folder / 'open_clip_model.safetensors',
    )
    write_config(folder, **preprocess)


def write_config(folder: Path, **preprocess: Any) -> None:
    content = {'model_cfg': TINY_CFG, 'preprocess_cfg': preprocess}
    (folder / CONFIG_FILE).write_text(json.dumps(content))


def test_a_folder_is_read_anew_when_its_files_are_others(
    tmp_path: Path,
) -> None:
    slot = ComputeSlot()
    request = ModelRequest(f'local-dir:{tmp_path}', None, 'cpu', 'float32')
    write(tmp_path)
    first = run_to_end(slot.load(request))
    assert run_to_end(slot.load(request)) is first
    write(tmp_path)  # other random weights
    second = run_to_end(slot.load(request))
    assert second.fingerprint != first.fingerprint
    write_config(tmp_path, mean=[0.5, 0.5, 0.5])
    third = run_to_end(slot.load(request))
    assert third.mean == (0.5, 0.5, 0.5)


def test_another_activation_is_another_model(tmp_path: Path) -> None:
    slot = ComputeSlot()
    write(tmp_path)
    name = f'local-dir:{tmp_path}'
    fingerprints = {
        run_to_end(
            slot.load(
                ModelRequest(name, None, 'cpu', 'float32', activation=each)
            )
        ).fingerprint
        for each in ('gelu', 'quickgelu')
    }
    assert len(fingerprints) == 2


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    request = ModelRequest(f'local-dir:{tmp_path / "gone"}')
    with pytest.raises(ModelError, match='no folder'):
        run_to_end(ComputeSlot().load(request))
