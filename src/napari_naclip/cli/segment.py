"""``napari-naclip segment``: images and words in, label files out."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_naclip.cli.beyond_options import read_beyond
from napari_naclip.cli.console import (
    ProgressBar,
    format_shares,
    print_error,
    print_note,
)
from napari_naclip.cli.load import load_chosen
from napari_naclip.engine.class_state import ListState
from napari_naclip.engine.contrast import (
    describe_contrast,
    needs_contrast,
    with_contrast,
)
from napari_naclip.engine.errors import InputError, NaclipError, StorageError
from napari_naclip.engine.language import describe_foreign, find_foreign
from napari_naclip.engine.registry import check_choice
from napari_naclip.engine.types import ClassList, Settings, check_threshold
from napari_naclip.io.atomic import check_target
from napari_naclip.io.class_files import read_classes
from napari_naclip.io.images import check_image_file, read_image
from napari_naclip.io.kept_features import shared_store
from napari_naclip.io.labels import (
    check_palette,
    check_suffix,
    class_shares,
    recipe_path,
    write_result,
)
from napari_naclip.io.template_sets import find_templates

if TYPE_CHECKING:
    import argparse

    import numpy.typing as npt

    from napari_naclip.engine.models import Model

#: Largest file of classes that is read; more is a mistake.
_MAX_CLASSES_FILE = 1_000_000


@dataclass(frozen=True, slots=True)
class Job:
    """An image and where its labels go."""

    image: Path
    output: Path


def run_segment(arguments: argparse.Namespace) -> int:
    """Segment images and return the exit status.

    Everything that can be wrong without a model is found before one is
    loaded. An image that fails does not keep the others from their labels.
    """
    classes = _read_classes(arguments)
    settings = _make_settings(arguments)
    check_threshold(classes, settings)
    if arguments.contrast:
        classes = _add_contrast(classes)
    foreign = find_foreign(classes.queries)
    if foreign:
        print_note(describe_foreign(foreign))
    check_choice(arguments.model, has_weights=arguments.weights is not None)
    jobs = plan_jobs(arguments.images, arguments.output)
    for job in jobs:
        check_palette(job.output, classes)
    ready = [
        job for job in jobs if _is_ready(job, overwrite=arguments.overwrite)
    ]
    model: Model | None = None
    failures = len(jobs) - len(ready)
    for job in ready:
        try:
            picture = read_image(job.image)
        except NaclipError as error:
            _print_failure(job, error)
            failures += 1
            continue
        if model is None:
            # After the first image: a single broken one costs no loading.
            model = load_chosen(arguments)
        try:
            _segment_one(job, picture, classes, model, settings, arguments)
        except NaclipError as error:
            _print_failure(job, error)
            failures += 1
    return 1 if failures else 0


def plan_jobs(images: list[Path], output: str) -> list[Job]:
    """Return where the labels of each image go.

    Parameters
    ----------
    images : list of Path
    output : str
        As typed: a separator at its end makes it a folder.

    Raises
    ------
    InputError
        If two outputs have one name, an output is one of the images, or the
        suffix is none of a label file.
    StorageError
        If a folder is needed and cannot be made.
    """
    target = Path(output)
    separators = tuple(filter(None, (os.sep, os.altsep)))
    is_folder = (
        len(images) > 1 or output.endswith(separators) or target.is_dir()
    )
    if is_folder:
        jobs = [Job(path, target / f'{path.stem}.tif') for path in images]
    else:
        check_suffix(target)
        jobs = [Job(images[0], target)]
    _check_names(jobs)
    if is_folder:
        _make_folder(target)
    return jobs


def _check_names(jobs: list[Job]) -> None:
    taken: dict[str, Path] = {}
    for job in jobs:
        # Upper and lower case are one name on many disks.
        key = os.path.normcase(job.output.name).casefold()
        if key in taken:
            raise InputError(
                f'{taken[key]} and {job.image} would both become '
                f'{job.output}. Rename one, or run them one by one.'
            )
        taken[key] = job.image
    written = {
        os.path.realpath(path)
        for job in jobs
        for path in (job.output, recipe_path(job.output))
    }
    for job in jobs:
        if os.path.realpath(job.image) in written:
            raise InputError(
                f'The labels would replace the image {job.image}. Choose '
                'another output.'
            )


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    check_target(folder)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(
            f'The folder {folder} cannot be made: {error.strerror or error}. '
            'Choose another.'
        ) from error


def _read_classes(arguments: argparse.Namespace) -> ClassList:
    text, file = arguments.classes, arguments.classes_file
    if file is not None and file.suffix.lower() == '.json':
        return _read_list(file, arguments.background)
    if file is not None:
        text = _read_text(file)
    return ClassList.from_text(text, background=arguments.background)


def _read_list(path: Path, background: str | None) -> ClassList:
    """Return the classes that are on in an exported list."""
    classes = ListState.from_drafts(read_classes(path)).class_list()
    if background is None:
        return classes
    if classes.background is not None:
        raise InputError(
            f'{path} has a background row, and --background gives another. '
            'Leave one out.'
        )
    given = ClassList.from_prompts([['any']], background=background)
    return replace(classes, background=given.background)


def _add_contrast(classes: ClassList) -> ClassList:
    """Give a class that is alone something to compare with, and say so."""
    if not needs_contrast(classes):
        return classes
    classes = with_contrast(classes)
    print_note(f'{describe_contrast(classes)} --no-contrast leaves them out.')
    return classes


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_CLASSES_FILE:
            raise InputError(
                f'{path} is too large for a list of classes. Check the name.'
            )
        return path.read_text(encoding='utf-8-sig')
    except OSError as error:
        raise StorageError(
            f'The classes in {path} cannot be read: '
            f'{error.strerror or error}. Check the name.'
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f'{path} is no text in UTF-8, which a list of classes must be. '
            'Save it again as plain text.'
        ) from error


def _make_settings(arguments: argparse.Namespace) -> Settings:
    return Settings(
        strategy=arguments.strategy,
        architecture=arguments.architecture,
        detail=arguments.detail,
        reduction=arguments.reduction,
        window=arguments.window,
        stride=arguments.stride,
        logit_scale=arguments.logit_scale,
        threshold=arguments.threshold,
        refine=arguments.refine,
        min_object=arguments.min_object,
        max_hole=arguments.max_hole,
        templates=find_templates(arguments.templates),
        resampling=arguments.resampling,
        beyond=read_beyond(arguments),
    )


def _is_ready(job: Job, *, overwrite: bool) -> bool:
    """Return whether a job can start; print why not."""
    try:
        check_image_file(job.image)
        for path in (job.output, recipe_path(job.output)):
            check_target(path, overwrite=overwrite)
    except NaclipError as error:
        _print_failure(job, error)
        return False
    return True


def _segment_one(
    job: Job,
    picture: npt.NDArray[Any],
    classes: ClassList,
    model: Model,
    settings: Settings,
    arguments: argparse.Namespace,
) -> None:
    from napari_naclip.engine.segment import segment

    with ProgressBar(arguments.progress, job.image.name) as bar:
        result = segment(
            picture,
            classes,
            model=model,
            settings=settings,
            progress=bar,
            store=shared_store(),
        )
    # Another process may be asked about this image next.
    shared_store().flush()
    write_result(job.output, result, overwrite=arguments.overwrite)
    for notice in result.notices:
        print_note(notice)
    print(f'{job.output}: {format_shares(class_shares(result))}', flush=True)


def _print_failure(job: Job, error: NaclipError) -> None:
    text = str(error)
    # What the engine says knows no file.
    is_named = str(job.image) in text or str(job.output) in text
    is_named = is_named or str(recipe_path(job.output)) in text
    print_error(text if is_named else f'{job.image}: {text}')
