"""The command line: arguments in, engine called, files out.

Results go to standard output; everything else goes to standard error. The
exit status is 0, 1 (failed: one line), 2 (wrong usage) or 130 (Ctrl-C).
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import warnings
from typing import TYPE_CHECKING, Final

from napari_naclip.cli.console import print_error
from napari_naclip.cli.parser import make_parser
from napari_naclip.engine.errors import NaclipError, WeightsMissingError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

#: Environment variable that shows where an unexpected error comes from.
DEBUG_VARIABLE: Final = 'NAPARI_NACLIP_DEBUG'


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; by default the process's own.
    """
    try:
        arguments = make_parser().parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    _quiet_libraries()
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                # They are for developers; a person gets notes and errors.
                warnings.simplefilter('ignore')
            status = _run(arguments)
        sys.stdout.flush()
    except WeightsMissingError as error:
        print_error(f'{error} (--download, --weights FILE or --model demo)')
    except NaclipError as error:
        print_error(str(error))
    except KeyboardInterrupt:
        print_error('stopped by Ctrl-C')
        return 130
    except BrokenPipeError:
        # The reader of the output has left. Python would complain once more
        # when it closes the stream.
        _drop_output()
    except MemoryError:
        print_error(
            'There is not enough memory. Close other programs, or choose a '
            'smaller image, detail or window.'
        )
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        print_error(
            f'{type(error).__name__}: {error} (a mistake in napari-naclip; '
            f'set {DEBUG_VARIABLE}=1 to see where, and report it)'
        )
    else:
        return status
    return 1


def _run(arguments: argparse.Namespace) -> int:
    # Each command in a module of its own, imported when it is asked for:
    # help is there at once, torch takes seconds.
    if arguments.command == 'segment':
        from napari_naclip.cli.segment import run_segment

        return run_segment(arguments)
    if arguments.command == 'evaluate':
        from napari_naclip.cli.evaluate import run_evaluate

        return run_evaluate(arguments)
    if arguments.command == 'cache':
        from napari_naclip.cli.cache import run_cache

        return run_cache(arguments)
    if arguments.command == 'models':
        from napari_naclip.cli.models import run_models

        return run_models(arguments)
    if arguments.command == 'info':
        from napari_naclip.cli.info import run_info

        return run_info()
    from napari_naclip.cli.demo import run_demo

    return run_demo(arguments)


def _quiet_libraries() -> None:
    """Keep other packages' messages off the terminal."""
    # Read when the hub's library is first imported.
    os.environ.setdefault('HF_HUB_VERBOSITY', 'critical')
    # Without any handler, Python prints warnings that are logged.
    logging.basicConfig(handlers=[logging.NullHandler()])
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A class may have a name that this terminal's encoding lacks.
        sys.stdout.reconfigure(errors='backslashreplace')


def _drop_output() -> None:
    # A captured stream has no file descriptor to redirect.
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
