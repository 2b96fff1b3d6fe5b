"""The script of the documentation's pictures, which is a test of the whole."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

SCRIPT = Path(__file__).parents[1] / 'scripts' / 'take_screenshots.py'
#: What the newcomer's journey has to show.
STEPS = {'typed', 'offer', 'during', 'after', 'painted', 'error'}


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(shutil.which, ('xvfb-run', 'xdotool'))),
    reason='a screen, mouse and keys need xvfb and xdotool',
)
def test_a_newcomer_comes_to_a_corrected_mask(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            # A screen of its own: others would take the focus.
            *('xvfb-run', '-a', '-s', '-screen 0 1440x900x24'),
            sys.executable,
            str(SCRIPT),
            str(tmp_path),
            '--every-step',
            *('--journey', 'newcomer', '--theme', 'dark', '--scale', '1'),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'all steps held' in done.stdout
    pictures = {
        path.stem: Image.open(path).convert('RGB')
        for path in tmp_path.glob('*/*.png')
    }
    assert pictures.keys() >= STEPS
    for name, picture in pictures.items():
        colors = picture.getcolors(picture.width * picture.height)
        assert colors is not None
        assert len(colors) > 100, f'{name} shows nothing'
