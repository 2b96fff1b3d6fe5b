"""Errors that leave a thread of ours without what they would hold."""

from __future__ import annotations

import traceback


def forget_locals(error: BaseException | None) -> None:
    """Free what the frames of an error and of its causes hold."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
