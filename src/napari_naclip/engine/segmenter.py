"""The two steps of a segmentation: encode the image, compare with classes.

``Segmenter.encode`` is expensive and knows no class; ``Segmenter.classify``
is cheap and never looks at the image again; ``Segmenter.stream`` does both at
once, so that labels come while windows are still looked at. All are
generators: to cancel, stop iterating. Nothing here touches files, layers or
widgets.
"""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING, TypeVar

import torch

from napari_naclip.engine import batches, pixels
from napari_naclip.engine.classify import Features, Labeler
from napari_naclip.engine.errors import (
    InputError,
    OutOfMemoryError,
    WeightsError,
)
from napari_naclip.engine.recipe import make_recipe
from napari_naclip.engine.types import (
    ClassList,
    Progress,
    Region,
    Segmentation,
    Settings,
    check_threshold,
)
from napari_naclip.engine.windows import check_region, plan_image, with_halo

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import numpy.typing as npt

    from napari_naclip.engine.models import Model
    from napari_naclip.engine.types import Partial
    from napari_naclip.engine.windows import WindowPlan

_logger = logging.getLogger(__name__)
_Result = TypeVar('_Result')


def run_to_end(
    steps: Generator[Progress | Partial, None, _Result],
    report: Callable[[Progress], None] | None = None,
) -> _Result:
    """Return the result of a generator of progress.

    Parameters
    ----------
    steps : generator of Progress
        Labels that come early are passed over.
    report : callable, optional
        Called with each progress. What it raises ends the run.
    """
    try:
        while True:
            step = next(steps)
            if report is not None and isinstance(step, Progress):
                report(step)
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
        model = self.model
        patch_height, patch_width = model.tower.patch_size
        plan = plan_image(
            height,
            width,
            self.settings,
            window=model.window,
            stride=model.stride,
        )
        if plan.window_height < patch_height or (
            plan.window_width < patch_width
        ):
            raise InputError(
                f'The image is seen at {plan.height} x {plan.width} pixels in '
                f'windows of {plan.window_height} x {plan.window_width}, less '
                f'than one patch of {patch_height} x {patch_width}. Raise the '
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
        self, image: npt.ArrayLike, region: Region | None = None
    ) -> Generator[Progress, None, Features]:
        """Yield progress in windows; return the features of an image.

        Parameters
        ----------
        image : (H, W), (H, W, 3) or (H, W, 4) array
            Of any real dtype; mapped to a picture as the settings say.
        region : Region, optional
            The pixels that labels are wanted for; only the windows that they
            depend on are run. The image is the whole one all the same.

        Raises
        ------
        InputError
            If the image cannot be used, or the region reaches out of it.
        OutOfMemoryError
            If a single window does not fit into memory, not even the CPU's.
        """
        features = self._prepare(image, region)
        total = len(features.tokens)
        yield Progress('windows', 0, total)
        for done in self._fill(features):
            yield Progress('windows', done, total)
        return features

    def _prepare(
        self, image: npt.ArrayLike, region: Region | None
    ) -> Features:
        """Return features whose tokens are not there yet."""
        settings, model = self.settings, self.model
        picture = pixels.to_rgb(
            image,
            contrast_limits=settings.contrast_limits,
            gamma=settings.gamma,
        )
        size = picture.shape[0], picture.shape[1]
        if region is None:
            region = Region(0, 0, *size)
        check_region(size, region)
        plan = self.plan(*size)
        part = plan.part(size, with_halo(region, size, settings.refine))
        grid = model.tower.grid(plan.window_height, plan.window_width)
        try:
            seen = pixels.resize(
                picture, (plan.height, plan.width), settings.resampling
            )
            del picture
            guide = pixels.normalize(seen, model.mean, model.std)
            tokens = torch.empty(len(part), *grid, model.tower.embedding_size)
        except (RuntimeError, MemoryError) as error:
            if not batches.is_out_of_memory(error):
                raise
            raise OutOfMemoryError(
                f'There is not enough memory to see the image at '
                f'{plan.height} x {plan.width} pixels. Lower the detail, or '
                'raise the reduction.'
            ) from error
        return Features(
            tokens=tokens,
            plan=plan,
            size=size,
            guide=guide,
            part=part,
            region=region,
        )

    def _fill(self, features: Features) -> Iterator[int]:
        """Yield how many windows, in order, have their tokens."""
        self._return_to_device()
        plan = features.plan
        corners = plan.part_corners(features.part)
        size = self._batch_size(plan)
        slots = batches.slots_of(plan, features.part, size)
        done = 0
        while done < len(corners):
            stop = done + batches.count_fitting(slots, done, size)
            batch = batches.cut_batch(
                features.guide,
                plan,
                corners[done:stop],
                slots[done:stop],
                size,
            )
            try:
                tokens = self._finite_tokens(batch)
            except (torch.OutOfMemoryError, RuntimeError, MemoryError) as err:
                if not batches.is_out_of_memory(err):
                    raise
                size = self._shrink_batch(size, err)
                slots = batches.slots_of(plan, features.part, size)
                continue
            features.tokens[done:stop] = tokens[slots[done:stop]]
            done = stop
            yield done

    def _batch_size(self, plan: WindowPlan) -> int:
        return batches.batch_size(self.model.tower, plan)

    def _finite_tokens(self, batch: torch.Tensor) -> torch.Tensor:
        """Return tokens on the CPU, from float32 where half overflowed."""
        tokens = self._tokens(batch)
        is_finite = torch.isfinite(tokens).flatten(1).all(dim=1)
        tower = self.model.tower
        dtype = tower.dtype
        if not is_finite.all() and dtype != torch.float32:
            self._notice(
                f'{_dtype_name(dtype)} overflowed in some windows; these '
                'were computed again in float32.'
            )
            tower.to(tower.device, torch.float32)
            try:
                exact = self._tokens(batch)
            finally:
                tower.to(tower.device, dtype)
            # The others stay: no window depends on its batch.
            tokens = torch.where(is_finite[:, None, None, None], tokens, exact)
            is_finite = torch.isfinite(tokens)
        if not is_finite.all():
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
            if not batches.is_out_of_memory(error):
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
        self, features: Features, classes: ClassList
    ) -> Generator[Progress | Partial, None, Segmentation]:
        """Yield progress and labels; return the labels of encoded features.

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
        check_threshold(classes, self.settings)
        queries = yield from self.embed(classes)
        labeler = Labeler(features, queries, classes, self.settings)
        return (yield from self._finish(labeler, features, classes))

    def stream(
        self,
        image: npt.ArrayLike,
        classes: ClassList,
        region: Region | None = None,
        *,
        previews: bool = True,
    ) -> Generator[Progress | Partial, None, Segmentation]:
        """Yield progress and labels; return the labels of an image.

        They are those of ``encode`` and ``classify``, but come as soon as
        the windows are there that they depend on.

        Parameters
        ----------
        image, region
            See ``encode``.
        classes : ClassList
        previews : bool
            Whether labels come early with a refinement too, though they will
            change.
        """
        check_threshold(classes, self.settings)
        # Texts first: their errors come before the long part.
        queries = yield from self.embed(classes)
        features = self._prepare(image, region)
        labeler = Labeler(features, queries, classes, self.settings)
        total = len(features.tokens)
        is_wanted = previews or self.settings.refine == 'off'
        yield Progress('windows', 0, total)
        for done in self._fill(features):
            yield Progress('windows', done, total)
            if is_wanted:
                yield from labeler.decide(done)
        return (yield from self._finish(labeler, features, classes))

    def _finish(
        self,
        labeler: Labeler,
        features: Features,
        classes: ClassList,
    ) -> Generator[Progress | Partial, None, Segmentation]:
        settings = self.settings
        if settings.refine == 'off':
            yield from labeler.decide(len(features.tokens))
        else:
            yield from labeler.refine()
        is_whole = features.region == Region(0, 0, *features.size)
        return Segmentation(
            labels=labeler.labels,
            confidence=labeler.confidence,
            classes=classes,
            recipe=make_recipe(self, features, classes),
            notices=(
                *self.notices,
                *self.model.notices(classes, settings.templates),
            ),
            region=None if is_whole else features.region,
        )

    def _notice(self, text: str) -> None:
        _logger.info(text)
        if text not in self._notices:
            self._notices.append(text)


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix('torch.')
