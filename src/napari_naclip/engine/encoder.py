"""Runs the image tower over the windows of a picture, as memory allows.

Knows no class. Batches that do not fit become smaller, then go to the CPU;
what overflows in half precision is computed again in float32; each of it is
told as a notice.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch

from napari_naclip.engine import batches, pixels, views
from napari_naclip.engine.agenda import Agenda, UnderWay
from napari_naclip.engine.errors import InputError, WeightsError
from napari_naclip.engine.features import Features, WindowKeys, WindowTokens
from napari_naclip.engine.resize import Resizing
from napari_naclip.engine.room import Room
from napari_naclip.engine.seen import SeenPicture
from napari_naclip.engine.source import Source
from napari_naclip.engine.stream import ResizedImage
from napari_naclip.engine.types import Progress, Region
from napari_naclip.engine.windows import check_region, plan_image, with_halo

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    import numpy.typing as npt

    from napari_naclip.engine.agenda import Batch
    from napari_naclip.engine.features import Making, TokenStore
    from napari_naclip.engine.models import Model
    from napari_naclip.engine.types import Refinement, Settings
    from napari_naclip.engine.windows import WindowPlan


class Encoder:
    """The image tower of a model, as settings want it.

    Parameters
    ----------
    model : Model
    settings : Settings
    store : TokenStore
        Where tokens are looked up and kept.

    Attributes
    ----------
    model, settings
        As given.
    """

    def __init__(
        self,
        model: Model,
        settings: Settings,
        store: TokenStore,
    ) -> None:
        self.model = model
        self.settings = settings
        self._store = store
        self._room = Room(model)

    @property
    def notices(self) -> tuple[str, ...]:
        """What happened that the person should know, a sentence each."""
        return tuple(self._room.notices)

    def start(self) -> None:
        """Begin where the model was asked to run, whatever happened before."""
        self._room.start()

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

    def see(
        self, image: npt.ArrayLike | Source, region: Region | None = None
    ) -> Generator[Progress, None, tuple[SeenPicture, WindowPlan]]:
        """Yield progress; return an image as the model sees it, and windows.

        Little is read here, unless contrast limits have to be found.

        Parameters
        ----------
        image : array_like or Source
        region : Region, optional
            What is looked at first, to see whether there is anything.

        Raises
        ------
        InputError
            If the image cannot be used, or the region reaches out of it.
        """
        settings, model = self.settings, self.model
        source = Source(image)
        source.check()
        plan = self.plan(*source.size)
        if region is not None:
            check_region(source.size, region)
        steps = pixels.iter_limits(source, settings.contrast_limits, region)
        limits = yield from _as_progress(steps)
        resized = ResizedImage(
            source,
            pixels.Mapping(limits, settings.gamma),
            Resizing.between(
                source.size, (plan.height, plan.width), settings.resampling
            ),
        )
        return SeenPicture(resized, source.size, model.mean, model.std), plan

    def prepare(
        self,
        seen: SeenPicture,
        plan: WindowPlan,
        region: Region | None = None,
        refinement: Refinement | None = None,
    ) -> Features:
        """Return features whose tokens may not be there yet.

        Parameters
        ----------
        seen, plan
            See ``see``.
        region : Region, optional
            The pixels of the image that labels are wanted for; None: all.
        refinement : {'off', 'fast', 'fine'} or None
            Decides how far around the region it looks; None: the settings'.

        Raises
        ------
        InputError
            If the region reaches out of the image.
        """
        settings, model, size = self.settings, self.model, seen.size
        if region is None:
            region = Region(0, 0, *size)
        check_region(size, region)
        part = plan.part(
            size, with_halo(region, size, refinement or settings.refine)
        )
        corners = plan.part_corners(part)
        seen.expect(corners[0][1], corners[-1][1] + plan.window_width)
        key_of = WindowKeys(
            model,
            settings,
            plan,
            corners,
            self._batch_size(plan),
            functools.partial(batches.slots_of, plan, part),
            seen,
        )
        tower = model.tower
        tokens = WindowTokens(
            len(part),
            (
                *tower.grid(plan.window_height, plan.window_width),
                tower.embedding_size,
            ),
            getattr(torch, settings.token_precision),
            self._store,
            key_of,
        )
        return Features(tokens, plan, seen, part, region)

    def fill(
        self,
        features: Features,
        windows: Sequence[int] | None = None,
        more: Sequence[int] | None = None,
    ) -> Iterator[Progress]:
        """Yield progress in windows until all that are wanted are there.

        Parameters
        ----------
        windows : sequence of int, optional
            Of the features; None: all of them.
        more : sequence of int, optional
            Those that may come along, where a batch has room; None: those
            after the last that is wanted.
        """
        if windows is None:
            windows = range(len(features.tokens))
        if not windows:
            return
        if more is None:
            more = range(windows[-1] + 1, len(features.tokens))
        others = features.tokens.by_making(more)
        # What is looked at once more is run as it was the first time.
        for before, some in features.tokens.by_making(windows).items():
            along = others.get(before, ())
            is_done = False
            while not is_done:
                is_done = yield from self._fill(features, some, along, before)

    def _fill(
        self,
        features: Features,
        windows: Sequence[int],
        more: Sequence[int],
        before: Making | None,
    ) -> Generator[Progress, None, bool]:
        """Yield progress; return False if batches have to be smaller."""
        plan, tokens, room = features.plan, features.tokens, self._room
        done_before = tokens.done
        wanted_size = self._batch_size(plan)
        size = room.batch_size(wanted_size, before)
        making = before
        slots = batches.slots_of(plan, features.part, size)
        agenda = Agenda(
            windows,
            more[: 2 * size],
            slots,
            size,
            # By then as windows are run now.
            lambda window: tokens.has(window, making),
        )
        is_done = agenda.is_done
        if tokens.done > done_before:
            # Reading the pixels of those that were kept may take long, too.
            yield _window_progress(tokens)
        if is_done:
            return True
        room.go_where(before)
        making = room.making(wanted_size, size)

        def read(chosen: Sequence[int]) -> torch.Tensor:
            return batches.fill_slots(
                features.pictures(chosen), [slots[i] for i in chosen], size
            )

        under_way = UnderWay(
            agenda,
            read,
            self._tokens,
            # Metal's command queue is no place for two threads at once.
            runs_beside=self.model.tower.device.type != 'mps',
        )
        try:
            while (batch := under_way.next()) is not None:
                try:
                    made = self._finite_tokens(batch, under_way)
                except (RuntimeError, MemoryError) as error:
                    if not batches.is_out_of_memory(error):
                        raise
                    under_way.end()
                    room.shrink(size, error)
                    return False
                for index in batch.windows:
                    tokens.put(index, made[slots[index]], making)
                yield _window_progress(tokens)
        finally:
            # The next run may move the tower.
            under_way.end()
        return True

    def _batch_size(self, plan: WindowPlan) -> int:
        return batches.batch_size(
            self.model.tower,
            plan,
            self.model.device,
            self.settings.beyond.cost,
        )

    def _finite_tokens(self, batch: Batch, others: UnderWay) -> torch.Tensor:
        """Return tokens on the CPU, from float32 where half overflowed."""
        tokens = batch.tokens.result()
        is_finite = torch.isfinite(tokens).flatten(1).all(dim=1)
        tower = self.model.tower
        dtype = tower.dtype
        if not is_finite.all() and dtype != torch.float32:
            self._room.notify(
                f'{str(dtype).removeprefix("torch.")} overflowed in some '
                'windows; these were computed again in float32.'
            )
            others.wait()
            try:
                # There may be no room for it: that is a lack of memory, too.
                tower.to(tower.device, torch.float32)
                exact = self._tokens(batch.pictures)
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
        return views.window_tokens(self.model.tower, batch, self.settings)


def _window_progress(tokens: WindowTokens) -> Progress:
    return Progress('windows', tokens.done, len(tokens), tokens.found)


def _as_progress(
    steps: Generator[tuple[int, int], None, tuple[float, float]],
) -> Generator[Progress, None, tuple[float, float]]:
    try:
        while True:
            yield Progress('read', *next(steps))
    except StopIteration as stop:
        limits: tuple[float, float] = stop.value
        return limits
