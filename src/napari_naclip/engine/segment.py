"""The whole way from an image and words to labels, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_naclip.engine.models import Model, load_model
from napari_naclip.engine.registry import DEFAULT_NAME
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import ClassList, Settings, check_threshold

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import numpy.typing as npt

    from napari_naclip.engine.types import Progress, Segmentation


def segment(
    image: npt.ArrayLike,
    classes: str | ClassList,
    *,
    model: str | Model = DEFAULT_NAME,
    settings: Settings | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Segmentation:
    """Return the labels of an image for classes in words.

    Parameters
    ----------
    image : (H, W), (H, W, 3) or (H, W, 4) array
        Of any real dtype; the settings say how values are mapped.
    classes : str or ClassList
        For example ``'sky; tree, bush; water'``.
    model : str or Model
        From ``load_model``, or a name that it knows.
    settings : Settings, optional
    progress : callable, optional
        Called with each ``Progress``; what it raises ends the run.

    Returns
    -------
    Segmentation
        ``labels`` (H, W), ``confidence`` (H, W), ``classes``, ``recipe``,
        ``notices``.

    Raises
    ------
    NaclipError
        If something cannot be used; the text says what, why and what to do.
    """
    if isinstance(classes, str):
        classes = ClassList.from_text(classes)
    settings = settings or Settings()
    check_threshold(classes, settings)
    if isinstance(model, str):
        model = load_model(model, progress=progress)
    return run_to_end(
        iter_segment(image, classes, model=model, settings=settings), progress
    )


def iter_segment(
    image: npt.ArrayLike,
    classes: ClassList,
    *,
    model: Model,
    settings: Settings,
) -> Generator[Progress, None, Segmentation]:
    """Yield progress and return the labels; see ``segment``."""
    segmenter = Segmenter(model, settings)
    # Texts first: their errors come before the long part.
    yield from segmenter.embed(classes)
    features = yield from segmenter.encode(image)
    return (yield from segmenter.classify(features, classes))
