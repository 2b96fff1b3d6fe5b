"""How long the panel takes to open in a napari window that is already there.

Run it with ``python benchmarks/open_panel.py [--repeat N]``; it needs a screen.
Each time is taken in a process of its own, because only the first opening
imports anything. torch must not be among what it imports.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time


def open_once() -> None:
    """Open the panel; print the seconds until it is drawn."""
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer()
    QApplication.processEvents()
    start = time.perf_counter()
    viewer.window.add_plugin_dock_widget('napari-naclip')
    QApplication.processEvents()
    seconds = time.perf_counter() - start
    if 'torch' in sys.modules:
        raise SystemExit('Opening the panel imported torch.')
    print(seconds)
    viewer.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--repeat', type=int, default=5)
    parser.add_argument('--once', action='store_true', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        open_once()
        return
    command = [sys.executable, __file__, '--once']
    seconds = [
        float(
            subprocess.run(
                command, stdout=subprocess.PIPE, check=True, text=True
            ).stdout.splitlines()[-1]
        )
        for _ in range(arguments.repeat)
    ]
    print(
        f'The panel opens in {statistics.median(seconds):.2f} s '
        f'({min(seconds):.2f} to {max(seconds):.2f}), without torch.'
    )


if __name__ == '__main__':
    main()
