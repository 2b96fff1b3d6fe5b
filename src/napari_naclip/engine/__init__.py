"""NACLIP without napari and Qt: arrays and words in, labels out."""

from __future__ import annotations

import os

# The hub's library reads this once, when it is first imported: open_clip
# imports it, so that it must be set before any module here is.
os.environ.setdefault('HF_HUB_DISABLE_TELEMETRY', '1')
