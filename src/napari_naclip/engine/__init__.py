"""NACLIP without napari and Qt: arrays and words in, labels out."""

from __future__ import annotations

import os
import sys

# The hub's library reads this once, when it is first imported: open_clip
# imports it, so that it must be set before any module here is.
_IS_OFF = os.environ.setdefault('HF_HUB_DISABLE_TELEMETRY', '1')
if _IS_OFF == '1' and (_hub := sys.modules.get('huggingface_hub.constants')):
    # Another plugin was first. With it on, the library tells which torch is
    # here, and asks the hub by which program it may have been started.
    vars(_hub)['HF_HUB_DISABLE_TELEMETRY'] = True
