"""Files of weights: what is read, what is refused. No pickle is ever run."""

from __future__ import annotations

import contextlib
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open

from napari_naclip.engine.errors import WeightsError
from napari_naclip.engine.file_hints import OPENAI_NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar('T')


#: What training programs put before each name.
_PREFIXES = ('module.', '_orig_mod.', 'model.', 'clip_model.', 'clip.')
#: Under which names training programs save the tensors. Where there are
#: several, those that were trained go before their running mean.
_WRAPPERS = (
    *('state_dict', 'model_state_dict', 'model', 'net', 'module'),
    *('ema', 'model_ema', 'state_dict_ema', 'ema_state_dict'),
)


def named_file(weights: str | Path) -> Path:
    """Return where a file is that a person named, perhaps with ``~``.

    Raises
    ------
    WeightsError
        If it is in the home folder of a user that there is not.
    """
    try:
        return Path(weights).expanduser()
    except RuntimeError as error:
        raise WeightsError(
            f'There is no weights file {weights}: nobody of that name has a '
            'home folder here. Check the name.'
        ) from error


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
    _check_file(path)
    if _is_safetensors(path):
        return _strip_names(_read_safetensors(path))
    return _strip_names(_unwrap(_read_pickle(path), path))


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors of a weights' file, by their names.

    Of a safetensors file only its head is read; of one that torch saved,
    no tensor where its form allows that. The numbers that OpenAI's files hold
    besides weights are among them.

    Raises
    ------
    WeightsError
        As ``read_state``.
    """
    _check_file(path)
    if _is_safetensors(path):
        return _strip_names(_read_head(path))
    state = _unwrap(_read_pickle(path, mmap=True), path)
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    # Kept here: they tell that the file is OpenAI's.
    numbers = {name: shapes[name] for name in OPENAI_NUMBERS if name in shapes}
    return _strip_names(shapes) | numbers


def _check_file(path: Path) -> None:
    try:
        is_there = path.is_file()
    except OSError:  # such as a name that is too long
        is_there = False
    if not is_there:
        raise WeightsError(f'There is no weights file {path}. Check the name.')
    if path.stat().st_size == 0:
        raise WeightsError(f'{path} is empty. Download or copy it again.')


def _is_safetensors(path: Path) -> bool:
    """Return whether a file is to be safetensors, by its name or its head."""
    if path.suffix.casefold() == '.safetensors':
        return True
    try:
        with path.open('rb') as file:
            head = file.read(9)
    except OSError:
        return False  # said where it is read
    # The size of a table of JSON, and the table; no file of torch has it there.
    size = int.from_bytes(head[:8], 'little')
    return head[8:] == b'{' and size + 8 <= path.stat().st_size


def _unwrap(state: Any, path: Path) -> dict[str, torch.Tensor]:
    """Return the table of tensors inside what torch saved."""
    is_wrapped = True
    while is_wrapped and isinstance(state, dict):
        is_wrapped = False
        for wrapper in _WRAPPERS:
            if isinstance(state.get(wrapper), dict):
                state, is_wrapped = state[wrapper], True
                break
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor)
        for name, tensor in state.items()
    ):
        raise WeightsError(
            f'{path} holds no table of named tensors, so no CLIP weights. '
            'Choose a state dict of open_clip.'
        )
    return state


def _strip_names(table: dict[str, T]) -> dict[str, T]:
    """Return a table without what programs put before each name."""
    table = {
        name: value
        for name, value in table.items()
        if name not in OPENAI_NUMBERS
    }
    stripped = True
    while stripped and table:
        stripped = False
        for prefix in _PREFIXES:
            if all(name.startswith(prefix) for name in table):
                table = {
                    name.removeprefix(prefix): value
                    for name, value in table.items()
                }
                stripped = True
    return table


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    with _opened_safetensors(path) as file:
        # The handle is no mapping: it has keys, but cannot be iterated.
        names = file.keys()
        return {name: file.get_tensor(name) for name in names}


def _read_head(path: Path) -> dict[str, tuple[int, ...]]:
    with _opened_safetensors(path) as file:
        names = file.keys()
        return {
            name: tuple(file.get_slice(name).get_shape()) for name in names
        }


@contextlib.contextmanager
def _opened_safetensors(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework='pt') as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f'{path} is cut or not a safetensors file '
            f'({_first_line(error)}). Download or copy it again.'
        ) from error


def _read_pickle(path: Path, *, mmap: bool = False) -> object:
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
            return torch.load(
                path,
                map_location='cpu',
                weights_only=True,
                # Only the newer form, a zip archive, can be mapped.
                mmap=mmap and zipfile.is_zipfile(path),
            )
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
