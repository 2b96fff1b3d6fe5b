"""Files of weights: what is read, what is refused. No pickle is ever run."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open

from napari_naclip.engine.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a weights' file.

    Parameters
    ----------
    path : Path
        A safetensors file, or a state dict that torch saved, bare or in one
        of the usual wrappers. TorchScript archives and pickles with anything
        but tensors are refused without being run.

    Raises
    ------
    WeightsError
        If the file is missing, empty, cut, unsafe or no state dict.
    """
    if not path.is_file():
        raise WeightsError(f'There is no weights file {path}. Check the name.')
    if path.stat().st_size == 0:
        raise WeightsError(f'{path} is empty. Download or copy it again.')
    if path.suffix == '.safetensors':
        state: Any = _read_safetensors(path)
    else:
        state = _read_pickle(path)
    for wrapper in ('state_dict', 'model'):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor)
        for name, tensor in state.items()
    ):
        raise WeightsError(
            f'{path} holds no table of named tensors, so no CLIP weights. '
            'Choose a state dict of open_clip.'
        )
    return {
        name.removeprefix('module.'): tensor for name, tensor in state.items()
    }


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        with safe_open(path, framework='pt') as file:
            # The handle is no mapping: it has keys, but cannot be iterated.
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f'{path} is cut or not a safetensors file '
            f'({_first_line(error)}). Download or copy it again.'
        ) from error


def _read_pickle(path: Path) -> object:
    if _is_torchscript(path):
        raise WeightsError(
            f'{path} is a TorchScript archive, which holds code and is not '
            "opened. Use the same weights as safetensors: OpenAI's are on "
            'the hub as timm/vit_base_patch16_clip_224.openai, file '
            'open_clip_model.safetensors.'
        )
    try:
        with warnings.catch_warnings():
            # What torch finds odd about a file is no news for the person.
            warnings.simplefilter('ignore')
            return torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f'{path} was refused: it is no file of torch, or it holds '
            'something besides tensors, which could run code. Convert the '
            'weights to safetensors where they come from.'
        ) from error
    except Exception as error:  # a damaged file can fail in any way
        raise WeightsError(
            f'{path} is cut or not a file of weights ({_first_line(error)}). '
            'Download or copy it again.'
        ) from error


def _is_torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    return any(name.endswith('/constants.pkl') for name in names)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split('\n')[0].rstrip('.')
