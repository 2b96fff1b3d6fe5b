"""Where weights come from: the hub's cache, a download, or a file.

A model in the cache is found without one network call. Nothing is downloaded
unless it was asked for. No pickle is ever run.
"""

from __future__ import annotations

import pickle
import queue
import shutil
import threading
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import huggingface_hub
import torch
from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from safetensors import SafetensorError, safe_open
from tqdm.std import tqdm

from napari_naclip.engine.errors import (
    NetworkError,
    StorageError,
    WeightsError,
)
from napari_naclip.engine.types import Progress

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_naclip.engine.registry import RegistryEntry

#: Seconds to wait for the hub's first answer.
CONNECT_TIMEOUT = 5.0
#: Seconds between two progress messages of a download.
_POLL_INTERVAL = 0.1
#: Seconds that a cancelled download gets to stop.
_STOP_TIMEOUT = 5.0
#: Share of free space beyond the file itself that a download needs.
_SPACE_RESERVE = 1.02


class _StopDownload(Exception):
    """Raised inside the hub's progress bar to end a download."""


def find_cached(entry: RegistryEntry) -> Path | None:
    """Return the weights of a model in the hub's cache, or None.

    Looks at files only; makes no network call.
    """
    path = huggingface_hub.try_to_load_from_cache(entry.repo, entry.file)
    if not isinstance(path, str):
        return None
    # A link whose target was removed by hand is no cached file.
    return Path(path) if Path(path).exists() else None


def download(entry: RegistryEntry) -> Generator[Progress, None, Path]:
    """Yield progress in bytes; return the downloaded file in the cache.

    The hub's own library does the transfer and puts only complete files in
    place. Closing the generator stops it; whether a later try resumes what
    has arrived is the library's choice.

    Raises
    ------
    NetworkError
        If the hub cannot be reached or the transfer breaks off.
    StorageError
        If the disk has no room.
    """
    yield Progress('download')
    size = _ask_size(entry)
    _check_room(size, entry)
    messages: queue.SimpleQueue[int] = queue.SimpleQueue()
    stop = threading.Event()
    result: list[str | BaseException] = []

    class Reporter(tqdm):  # type: ignore[type-arg]
        """A bar that draws nothing, and that can end the transfer."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop('name', None)
            super().__init__(*args, **{**kwargs, 'disable': True})
            messages.put(int(kwargs.get('initial') or 0))

        def update(self, n: float | None = 1) -> bool | None:
            if stop.is_set():
                raise _StopDownload
            messages.put(int(n or 0))
            return None

        def update_transfer(self, n: float) -> None:
            """Keep the hub from opening a second bar for bytes on the wire."""

    def transfer() -> None:
        try:
            result.append(
                huggingface_hub.hf_hub_download(
                    entry.repo, entry.file, tqdm_class=Reporter
                )
            )
        except BaseException as error:  # noqa: BLE001 - raised again below
            result.append(error)

    thread = threading.Thread(
        target=transfer, name='napari-naclip download', daemon=True
    )
    thread.start()
    done = 0
    try:
        while thread.is_alive():
            thread.join(_POLL_INTERVAL)
            while not messages.empty():
                done += messages.get()
            yield Progress('download', min(done, size), size)
    finally:
        stop.set()
        thread.join(_STOP_TIMEOUT)
    outcome = result[0]
    if isinstance(outcome, BaseException):
        raise _explain_transfer(entry, outcome) from outcome
    return Path(outcome)


def _ask_size(entry: RegistryEntry) -> int:
    """Return the file's size in bytes, as the hub says."""
    url = huggingface_hub.hf_hub_url(entry.repo, entry.file)
    try:
        metadata = huggingface_hub.get_hf_file_metadata(
            url, timeout=CONNECT_TIMEOUT
        )
    except Exception as error:
        raise _explain_transfer(entry, error) from error
    return int(metadata.size or entry.download_size)


def _check_room(size: int, entry: RegistryEntry) -> None:
    folder = Path(constants.HF_HUB_CACHE)
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(existing).free
    if free < size * _SPACE_RESERVE:
        raise StorageError(
            f'{entry.name} needs {size / 1e6:.0f} MB in {folder}, where '
            f'{free / 1e6:.0f} MB are free. Make room, or set HF_HOME to a '
            'folder on another disk.'
        )


def _explain_transfer(
    entry: RegistryEntry, error: BaseException
) -> NetworkError | StorageError:
    if isinstance(error, GatedRepoError):  # a RepositoryNotFoundError too
        return NetworkError(
            f'The hub gives {entry.repo} only to people who accepted its '
            'terms. Accept them on its page and log in with "hf auth login".'
        )
    # An entry that is missing locally means that the connection is gone.
    if isinstance(
        error, RepositoryNotFoundError | EntryNotFoundError
    ) and not isinstance(error, LocalEntryNotFoundError):
        return NetworkError(
            f'The hub has no {entry.file} in {entry.repo}. Update '
            'napari-naclip, or load the weights from a file.'
        )
    if isinstance(error, HfHubHTTPError):
        return NetworkError(
            f'The hub answered with an error: {_first_line(error)}. Try '
            'again later, or load the weights from a file.'
        )
    if (
        isinstance(error, OSError)
        and error.errno is not None
        and (error.filename is not None or error.errno == 28)
    ):
        return StorageError(
            f'The download cannot be written: {error.strerror}. Make room '
            'or set HF_HOME to another folder.'
        )
    return NetworkError(
        f'{entry.name} could not be downloaded: '
        f'{_first_line(error) or type(error).__name__}. Check the '
        'connection, load the weights from a file, or use the demo model.'
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().split('\n')[0].rstrip('.')


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
