"""What a run would be, before any model is loaded: sizes, windows, time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_naclip.engine import registry
from napari_naclip.engine.windows import count_windows, plan_image
from napari_naclip.ui import messages
from napari_naclip.ui.compute import RATES, rate_key
from napari_naclip.ui.estimate import rest_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_naclip.engine.types import Settings
    from napari_naclip.layers.snapshot import PlaneSnapshot
    from napari_naclip.ui.compute import ModelRequest


def describe_run(
    snapshots: Sequence[PlaneSnapshot],
    settings: Settings,
    model: ModelRequest,
    *,
    queries: int,
) -> str:
    """Return at what size a run sees the image, in how many windows.

    The time is told where a run like it was measured in this process.

    Raises
    ------
    InputError
        If the image cannot be seen so.
    """
    window, stride = registry.sliding_window(model.name)
    total = 0
    counted: dict[object, int] = {}
    for snapshot in snapshots:
        key = snapshot.read_size, snapshot.engine_region
        if key not in counted:
            own = snapshot.adapt(settings)
            plan = plan_image(
                *snapshot.read_size, own, window=window, stride=stride
            )
            counted[key] = count_windows(
                plan, snapshot.read_size, snapshot.engine_region, own.refine
            )
        total += counted[key]
    first = snapshots[0]
    plan = plan_image(
        *first.read_size, first.adapt(settings), window=window, stride=stride
    )
    rest = sum(
        rest_seconds(pixels, queries, settings.refine)
        for pixels in job_sizes(snapshots)
    )
    seconds = RATES.seconds(rate_key(model, settings), total, rest)
    return messages.describe_preview(
        (plan.height, plan.width), len(snapshots), total, seconds
    )


def job_sizes(snapshots: Sequence[PlaneSnapshot]) -> tuple[float, ...]:
    """Return the pixels of each job's labels."""
    sizes = []
    for snapshot in snapshots:
        region = snapshot.region
        rows, columns = snapshot.size if region is None else region.size
        sizes.append(float(rows * columns))
    return tuple(sizes)
