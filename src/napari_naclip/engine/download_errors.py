"""What went wrong with a download, for the person who asked for it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import filelock
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from napari_naclip.engine.errors import NetworkError, StorageError
from napari_naclip.engine.hub import find_started, folder_variable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_naclip.engine.entry import RegistryEntry

_FROM_FILE: Final = 'load the weights from a file'


@contextlib.contextmanager
def explained_storage() -> Iterator[None]:
    """Turn errors of the disk into one that says what to do."""
    try:
        yield
    except filelock.Timeout:  # an OSError, but no problem of the disk
        raise
    except OSError as error:
        reason = (error.strerror or str(error)).rstrip('.')
        raise StorageError(
            f'The download cannot be written: {reason}. Make room or set '
            f'{folder_variable()} to another folder; what has arrived is '
            'kept for the next try.'
        ) from error


def explain_transfer(entry: RegistryEntry, error: Exception) -> NetworkError:
    """Return an error that says why a file did not come, and what to do."""
    # Nothing that a person has replaces a configuration or a tokenizer.
    is_text = entry.files[0].endswith(('.json', '.txt', '.model'))
    other = 'choose another model' if is_text else _FROM_FILE
    if isinstance(error, OfflineModeIsEnabled):
        return NetworkError(
            f'{entry.name} was not downloaded, because HF_HUB_OFFLINE '
            f'forbids it. Unset it and start again, {other}, or use the demo '
            'model.'
        )
    if isinstance(error, GatedRepoError):  # a RepositoryNotFoundError too
        return NetworkError(
            f'The hub gives {entry.repo} only to people who accepted its '
            'terms. Accept them on its page and log in with "hf auth login".'
        )
    if lacks_file(error) or isinstance(error, RepositoryNotFoundError):
        return NetworkError(
            f'The hub has no {" or ".join(entry.files)} in {entry.repo}. '
            f'Check the name, update napari-naclip, or {other}.'
        )
    if isinstance(error, HfHubHTTPError):
        return NetworkError(
            f'The hub answered with an error: {_first_line(error)}. Try '
            f'again later, or {other}.'
        )
    started = find_started(entry)
    kept = ''
    if started is not None:
        kept = (
            f' {started.present / 1e6:.0f} of {started.size / 1e6:.0f} MB '
            'have arrived; the next try goes on from there.'
        )
    return NetworkError(
        f'{entry.name} could not be downloaded: '
        f'{_first_line(error) or type(error).__name__}. Check the '
        f'connection, {other}, or use the demo model.' + kept
    )


def lacks_file(error: BaseException | None) -> bool:
    """Return whether an error says that a repository has no such file."""
    # An entry that is missing locally means that the connection is gone.
    return isinstance(error, EntryNotFoundError) and not isinstance(
        error, LocalEntryNotFoundError
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().split('\n')[0].rstrip('.')
