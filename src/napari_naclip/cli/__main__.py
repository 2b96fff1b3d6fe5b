"""Lets ``python -m napari_naclip.cli`` do what ``napari-naclip`` does."""

from __future__ import annotations

import sys

from napari_naclip.cli import main

if __name__ == '__main__':
    sys.exit(main())
