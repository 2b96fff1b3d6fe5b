"""The two steps of a segmentation: encode the image, compare with classes.

``Segmenter.encode`` is expensive and knows no class; ``Segmenter.classify``
is cheap and never looks at the image again. Both are generators of
``Progress``: to cancel, stop iterating. Nothing here touches files, layers or
widgets.
"""

from __future__ import annotations

import gc
import logging
import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from napari_naclip.engine import classify, pixels
from napari_naclip.engine.errors import (
    InputError,
    OutOfMemoryError,
    WeightsError,
)
from napari_naclip.engine.recipe import make_recipe
from napari_naclip.engine.types import (
    REFINEMENTS,
    ClassList,
    Progress,
    Segmentation,
    Settings,
    check_threshold,
)
from napari_naclip.engine.windows import plan_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import numpy.typing as npt

    from napari_naclip.engine.models import Model
    from napari_naclip.engine.windows import WindowPlan

_logger = logging.getLogger(__name__)
_Result = TypeVar('_Result')

#: Work in a batch of windows: enough to fill a processor, and so little that
#: a cancel is answered in about a second on a desktop CPU.
_BATCH_FLOP_CPU = 1.5e11
#: The same for an accelerator.
_BATCH_FLOP_ACCELERATOR = 3e12


def run_to_end(
    steps: Generator[Progress, None, _Result],
    report: Callable[[Progress], None] | None = None,
) -> _Result:
    """Return the result of a generator of progress.

    Parameters
    ----------
    steps : generator of Progress
    report : callable, optional
        Called with each item. What it raises ends the run.
    """
    try:
        while True:
            progress = next(steps)
            if report is not None:
                report(progress)
    except StopIteration as stop:
        result: _Result = stop.value
        return result
    finally:
        steps.close()


class Segmenter:
    """NACLIP with one model and one set of settings.

    Parameters
    ----------
    model : Model
    settings : Settings
    """

    def __init__(self, model: Model, settings: Settings | None = None) -> None:
        self.model = model
        self.settings = settings or Settings()
        self._notices: list[str] = []

    @property
    def notices(self) -> tuple[str, ...]:
        """What happened that the person should know, a sentence each."""
        return tuple(self._notices)

    def plan(self, height: int, width: int) -> WindowPlan:
        """Return the windows for an image of a size in pixels."""
        settings, model = self.settings, self.model
        rows, columns = pixels.working_size(
            height, width, detail=settings.detail, max_side=settings.max_side
        )
        patch_height, patch_width = model.tower.patch_size
        window = model.window if settings.window is None else settings.window
        stride = settings.stride
        if stride is None:
            stride = (
                model.stride
                if settings.window is None
                else max(1, settings.window // 2)
            )
        plan = plan_windows(rows, columns, window=window, stride=stride)
        if plan.window_height < patch_height or (
            plan.window_width < patch_width
        ):
            raise InputError(
                f'The image is seen at {rows} x {columns} pixels in windows '
                f'of {plan.window_height} x {plan.window_width}, less than '
                f'one patch of {patch_height} x {patch_width}. Raise the '
                'detail, or choose a less elongated part of the image.'
            )
        return plan

    def averages_area(self, size: tuple[int, int]) -> bool:
        """Return whether an image of a size is averaged by area."""
        plan = self.plan(*size)
        return pixels.uses_area_average(
            size, (plan.height, plan.width), self.settings.resampling
        )

    def encode(
        self, image: npt.ArrayLike
    ) -> Generator[Progress, None, classify.Features]:
        """Yield progress in windows; return the features of an image.

        Parameters
        ----------
        image : (H, W), (H, W, 3) or (H, W, 4) array
            Of any real dtype; mapped to a picture as the settings say.

        Raises
        ------
        InputError
            If the image cannot be used.
        OutOfMemoryError
            If a single window does not fit into memory, not even the CPU's.
        """
        settings, model = self.settings, self.model
        picture = pixels.to_rgb(
            image,
            contrast_limits=settings.contrast_limits,
            gamma=settings.gamma,
        )
        size = picture.shape[0], picture.shape[1]
        plan = self.plan(*size)
        seen = pixels.resize(
            picture, (plan.height, plan.width), settings.resampling
        )
        del picture
        guide = pixels.normalize(seen, model.mean, model.std)
        grid = model.tower.grid(plan.window_height, plan.window_width)
        tokens = torch.empty(len(plan), *grid, model.tower.embedding_size)
        self._return_to_device()
        yield Progress('windows', 0, len(plan))
        for done, batch in self._encode_windows(guide, plan):
            tokens[done - len(batch) : done] = batch
            yield Progress('windows', done, len(plan))
        return classify.Features(
            tokens=tokens, plan=plan, size=size, guide=guide
        )

    def _encode_windows(
        self, guide: torch.Tensor, plan: WindowPlan
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield how many windows are done and the tokens of the last batch."""
        corners = plan.corners
        batch_size = self._batch_size(plan)
        done = 0
        while done < len(corners):
            batch = torch.stack(
                [
                    guide[
                        :,
                        top : top + plan.window_height,
                        left : left + plan.window_width,
                    ]
                    for top, left in corners[done : done + batch_size]
                ]
            )
            try:
                tokens = self._finite_tokens(batch)
            except (torch.OutOfMemoryError, RuntimeError, MemoryError) as err:
                if not _is_out_of_memory(err):
                    raise
                batch_size = self._shrink_batch(len(batch), err)
                continue
            done += len(batch)
            yield done, tokens

    def _batch_size(self, plan: WindowPlan) -> int:
        rows, columns = self.model.tower.grid(
            plan.window_height, plan.window_width
        )
        flop = 2 * self.model.tower.parameter_count * (1 + rows * columns)
        budget = (
            _BATCH_FLOP_CPU
            if self.model.tower.device.type == 'cpu'
            else _BATCH_FLOP_ACCELERATOR
        )
        largest = max(1, min(64, int(budget / flop)))
        batches = math.ceil(len(plan) / largest)
        return math.ceil(len(plan) / batches)

    def _finite_tokens(self, batch: torch.Tensor) -> torch.Tensor:
        """Return tokens on the CPU, from float32 where half overflowed."""
        tokens = self._tokens(batch)
        if torch.isfinite(tokens).all():
            return tokens
        tower = self.model.tower
        dtype = tower.dtype
        if dtype != torch.float32:
            self._notice(
                f'{_dtype_name(dtype)} overflowed in some windows; these '
                'were computed again in float32.'
            )
            tower.to(tower.device, torch.float32)
            try:
                tokens = self._tokens(batch)
            finally:
                tower.to(tower.device, dtype)
        if not torch.isfinite(tokens).all():
            raise WeightsError(
                'The model gives values that are not finite numbers: its '
                'weights are damaged. Download or copy them again.'
            )
        return tokens

    def _tokens(self, batch: torch.Tensor) -> torch.Tensor:
        return self.model.tower.tokens(
            batch,
            strategy=self.settings.strategy,
            architecture=self.settings.architecture,
            gaussian_std=self.settings.gaussian_std,
        ).cpu()

    def _shrink_batch(self, size: int, error: BaseException) -> int:
        """Return a smaller batch size, on the CPU if need be."""
        tower = self.model.tower
        # The frames of the failed attempt hold its tensors until here.
        error.__traceback__ = None
        gc.collect()
        if tower.device.type == 'cuda':
            torch.cuda.empty_cache()
        if size > 1:
            self._notice(
                f'{tower.device.type.upper()} memory was too small for '
                f'{size} windows at once; {size // 2} were used.'
            )
            return size // 2
        if tower.device.type != 'cpu':
            self._notice(
                f'{tower.device.type.upper()} memory was too small for one '
                'window; the CPU was used, which is slower. Close other '
                'programs that use the device, or choose a smaller window.'
            )
            tower.to(torch.device('cpu'), torch.float32)
            return 1
        raise OutOfMemoryError(
            'There is not enough memory for one window. Close other '
            'programs, or choose a smaller window or detail.'
        ) from error

    def _return_to_device(self) -> None:
        """Start where the model was asked to run, whatever happened last."""
        model, tower = self.model, self.model.tower
        if (tower.device, tower.dtype) == (model.device, model.dtype):
            return
        try:
            tower.to(model.device, model.dtype)
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            self._notice(
                f'{model.device.type.upper()} memory is still too small for '
                'the model; the CPU was used, which is slower. Close other '
                'programs that use the device.'
            )
            tower.to(torch.device('cpu'), torch.float32)

    def embed(
        self, classes: ClassList
    ) -> Generator[Progress, None, torch.Tensor]:
        """Yield progress in texts; return the (Q, D) query embeddings."""
        return (
            yield from self.model.embed(
                classes.queries, self.settings.templates
            )
        )

    def classify(
        self, features: classify.Features, classes: ClassList
    ) -> Generator[Progress, None, Segmentation]:
        """Yield progress; return the labels of encoded features.

        Parameters
        ----------
        features : Features
            From ``encode``, with the same model.
        classes : ClassList

        Raises
        ------
        InputError
            If a threshold is set without a background row.
        """
        settings = self.settings
        check_threshold(classes, settings)
        queries = yield from self.embed(classes)
        scores = classify.token_scores(features, queries)
        projection = classify.Projection(features)
        steps, dilations = REFINEMENTS[settings.refine]
        height, width = features.size
        rows = classify.band_height(features, len(queries), steps, dilations)
        labels = np.empty((height, width), classes.label_dtype)
        confidence = np.empty((height, width), np.float32)
        tops = range(0, height, rows)
        total = len(tops) * steps
        for index, top in enumerate(tops):
            band = slice(top, min(top + rows, height))
            if steps:
                maps = yield from _reported(
                    classify.refined_band(
                        projection,
                        scores,
                        band,
                        height,
                        steps=steps,
                        dilations=dilations,
                    ),
                    index * steps,
                    total,
                )
            else:
                maps = projection.maps(scores, band)
            decision = classify.decide(
                maps,
                classes,
                logit_scale=settings.logit_scale,
                threshold=settings.threshold,
            )
            labels[band] = decision.labels
            confidence[band] = decision.confidence
        return Segmentation(
            labels=labels,
            confidence=confidence,
            classes=classes,
            recipe=make_recipe(self, features, classes),
            notices=(
                *self.notices,
                *self.model.notices(classes, settings.templates),
            ),
        )

    def _notice(self, text: str) -> None:
        _logger.info(text)
        if text not in self._notices:
            self._notices.append(text)


def _reported(
    steps: Generator[int, None, torch.Tensor], before: int, total: int
) -> Generator[Progress, None, torch.Tensor]:
    try:
        while True:
            yield Progress('refine', before + next(steps), total)
    except StopIteration as stop:
        maps: torch.Tensor = stop.value
        return maps


def _is_out_of_memory(error: BaseException) -> bool:
    # MPS, XPU and the CPU's allocator raise a bare RuntimeError.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        'out of memory' in str(error).lower()
        or "can't allocate memory" in str(error).lower()
    )


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix('torch.')
