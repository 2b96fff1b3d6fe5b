"""Files that are there whole or not at all.

What is written goes to a temporary file in the folder of the target and is
renamed when it is complete, so that a full disk, a crash or Ctrl-C leaves
neither half a file nor a lost older one.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from napari_naclip.engine.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_FULL = frozenset({errno.ENOSPC, getattr(errno, 'EDQUOT', errno.ENOSPC)})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def check_target(path: Path, *, overwrite: bool = False) -> None:
    """Raise ``StorageError`` if a file cannot be put at a path.

    A check before the work begins; writing checks again.

    Parameters
    ----------
    path : Path
    overwrite : bool
        Whether a file that is there may be replaced.
    """
    parent = path.parent
    try:
        if not parent.exists():
            raise _no_folder(path)
        if not parent.is_dir():
            raise StorageError(
                f'{path} cannot be written: {parent} is a file, not a '
                'folder. Choose another place.'
            )
        if path.is_dir():
            raise StorageError(
                f'{path} is a folder, so that no file can be written there. '
                'Choose another name.'
            )
        if not overwrite and os.path.lexists(path):
            raise _exists(path)
    except OSError as error:
        raise _explain(path, error) from error
    if not os.access(parent, os.W_OK):
        raise _forbidden(path)


@contextlib.contextmanager
def write_atomically(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary path that becomes `path` at the end of the block.

    Parameters
    ----------
    path : Path
    overwrite : bool
        Whether a file that is there may be replaced; it is kept until the
        new one is complete.

    Yields
    ------
    Path
        An empty file in the same folder, with the same suffix.

    Raises
    ------
    StorageError
        If the file is there and may not be replaced, or cannot be written.
        Every ``OSError`` of the block becomes one.
    """
    with write_together((path,), overwrite=overwrite) as (temporary,):
        yield temporary


@contextlib.contextmanager
def write_together(
    paths: Sequence[Path], *, overwrite: bool = False
) -> Iterator[tuple[Path, ...]]:
    """Do what ``write_atomically`` does for files that belong together.

    Either all are put in place or none is. All but the last are copied aside
    before they are replaced, so the largest should come last.
    """
    # Through a link: what it points to is replaced, not the link.
    targets = [Path(os.path.realpath(path)) for path in paths]
    with contextlib.ExitStack() as stack:
        temporaries: list[Path] = []
        for path, target in zip(paths, targets, strict=True):
            check_target(target, overwrite=overwrite)
            with _explained(path):
                temporary = _create_beside(target)
            stack.callback(_remove, temporary)
            temporaries.append(temporary)
        with _explained(paths[-1]):
            yield tuple(temporaries)
        # The inner one acts first, while the copies aside are still there.
        with contextlib.ExitStack() as undo:
            for path, target, temporary in zip(
                paths, targets, temporaries, strict=True
            ):
                with _explained(path):
                    _sync(temporary)
                    take_back = _make_way_back(target, targets[-1], stack)
                    _put(temporary, target, overwrite=overwrite)
                    undo.callback(take_back)
            undo.pop_all()


def _create_beside(target: Path) -> Path:
    # Not tempfile.mkstemp: its files are for the user alone, while a result
    # has the rights that files of this user usually have. The name is short
    # because the target's own may be as long as the disk allows.
    name = f'.naclip-{secrets.token_hex(4)}{target.suffix}'
    temporary = target.parent / name
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    os.close(os.open(temporary, flags, 0o666))
    return temporary


def _sync(temporary: Path) -> None:
    # Some disks say only here that they are full.
    with temporary.open('r+b') as file:
        os.fsync(file.fileno())


def _make_way_back(
    target: Path, last: Path, stack: contextlib.ExitStack
) -> Callable[[], object]:
    """Return what brings back the state of a target before it is written."""
    if target == last or not target.exists():
        return functools.partial(_remove, target)
    backup = _create_beside(target)
    stack.callback(_remove, backup)
    shutil.copy2(target, backup)
    return functools.partial(backup.replace, target)


def _put(temporary: Path, target: Path, *, overwrite: bool) -> None:
    if overwrite:
        with contextlib.suppress(OSError):
            shutil.copymode(target, temporary)
        temporary.replace(target)
        return
    # A hard link, unlike a rename, never replaces a file that another
    # program has put there in the meantime.
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise _exists(target) from None
    except OSError:
        if target.exists():
            raise _exists(target) from None
        temporary.rename(target)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _explain(path, error) from error


def _explain(path: Path, error: OSError) -> StorageError:
    if error.errno in _FULL:
        return StorageError(
            f'{path} cannot be written: there is no room on the disk. Make '
            'room, or choose another folder.'
        )
    if error.errno in _FORBIDDEN:
        return _forbidden(path)
    if error.errno == errno.ENOENT:
        return _no_folder(path)
    if error.errno == errno.ENAMETOOLONG:
        return StorageError(
            f'{path} cannot be written: the name is too long. Choose a '
            'shorter one.'
        )
    reason = (error.strerror or str(error) or 'unknown reason').rstrip('.')
    return StorageError(
        f'{path} cannot be written: {reason}. Choose another folder, or '
        'check the disk.'
    )


def _exists(path: Path) -> StorageError:
    return StorageError(
        f'{path} is there already and was kept. Choose another name, or '
        'allow it to be replaced (--overwrite).'
    )


def _forbidden(path: Path) -> StorageError:
    return StorageError(
        f'{path} cannot be written: there is no right to write it, or '
        'another program holds it. Choose another folder.'
    )


def _no_folder(path: Path) -> StorageError:
    return StorageError(
        f'{path} cannot be written: there is no folder {path.parent}. Make '
        'it, or choose another.'
    )
