"""Drive the real window as people would, check it, and keep pictures.

Three journeys: a newcomer's first five minutes, an expert's ten and an
annotator's correction. Each step checks what must hold, so that this is a test of the whole as well. It needs
an X server and ``xdotool``:

    xvfb-run -a -s "-screen 0 2880x1800x24" \
        python scripts/take_screenshots.py docs

Every journey runs in a process of its own with an empty home, so that nothing
of this machine shows.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

#: The pictures of the documentation: for a journey, a theme and a scale
#: factor, its steps and the names that the files get.
KEPT: dict[tuple[str, str, int], dict[str, str]] = {
    ('newcomer', 'dark', 1): {
        'typed': 'typed',
        'offer': 'offer',
        'during': 'during',
        'after': 'after',
        'unknown-word': 'unknown-word',
        'error': 'error',
    },
    ('newcomer', 'light', 2): {'after': 'after-light-2x'},
    ('newcomer', 'dark', 2): {'offer': 'offer-2x'},
    ('newcomer', 'light', 1): {'painted': 'painted-light'},
    ('expert', 'light', 1): {
        'shapes': 'shapes-light',
        'narrow': 'narrow-light',
    },
    ('expert', 'dark', 1): {'planes': 'planes', 'low': 'low'},
    ('expert', 'dark', 2): {'micrometers': 'micrometers-2x'},
    ('expert', 'light', 2): {},
    ('annotator', 'dark', 1): {
        'why': 'why',
        'next': 'next',
        'edits': 'edits',
        'agreement': 'agreement',
    },
}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('folder', type=Path)
    parser.add_argument(
        '--journey', choices=('newcomer', 'expert', 'annotator')
    )
    parser.add_argument('--theme', choices=('dark', 'light'))
    parser.add_argument('--scale', type=int, choices=(1, 2))
    parser.add_argument(
        '--every-step',
        action='store_true',
        help='keep a picture of every step, a folder for each journey',
    )
    parser.add_argument('--here', action='store_true', help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        # A module of napari's, so that it comes after the environment is set.
        import journeys

        journeys.go(asked.journey, asked.theme, asked.folder)
        return
    if shutil.which('xdotool') is None:
        raise SystemExit('xdotool is needed: apt-get install xdotool.')
    for (journey, theme, scale), names in KEPT.items():
        wanted = (
            asked.journey or journey,
            asked.theme or theme,
            asked.scale or scale,
        )
        if wanted == (journey, theme, scale):
            take(
                journey,
                theme,
                scale,
                asked.folder,
                None if asked.every_step else names,
            )


def take(
    journey: str,
    theme: str,
    scale: int,
    folder: Path,
    names: dict[str, str] | None,
) -> None:
    """Make a journey in a process of its own and keep some pictures of it."""
    title = f'{journey}-{theme}-{scale}x'
    print(title, flush=True)
    with tempfile.TemporaryDirectory() as home:
        pictures = Path(home, 'pictures')
        done = subprocess.run(
            [
                sys.executable,
                __file__,
                str(pictures),
                '--here',
                *('--journey', journey),
                *('--theme', theme),
            ],
            env=make_environment(home, scale),
            check=False,
        )
        steps = sorted(pictures.glob('*.png'))
        if names is None:
            names = {path.stem: f'{title}/{path.stem}' for path in steps}
        for step, name in names.items():
            source = pictures / f'{step}.png'
            if source.exists():
                target = folder / f'{name}.png'
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
    if done.returncode:
        raise SystemExit(f'{title} ended before its end.')


def make_environment(home: str, scale: int) -> dict[str, str]:
    """Return the environment of a person who has never used the plugin."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(('HF_', 'NAPARI_', 'QT_SCALE', 'XDG_'))
    }
    return kept | {
        'HOME': home,
        'QT_SCALE_FACTOR': str(scale),
        'NAPARI_CONFIG': str(Path(home, 'napari', 'settings.yaml')),
    }


if __name__ == '__main__':
    main()
