"""``napari-naclip evaluate``: mean IoU over a data set, kept as it goes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm.std import tqdm

from napari_naclip.cli.console import print_error, print_note
from napari_naclip.cli.evaluate_options import read_changes
from napari_naclip.cli.load import load_chosen
from napari_naclip.engine.class_state import ListState
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.registry import check_choice
from napari_naclip.engine.types import ClassList, Settings
from napari_naclip.evaluate.kept_counts import KeptCounts, make_folder
from napari_naclip.evaluate.layouts import UNDECIDED
from napari_naclip.evaluate.report import (
    Tally,
    format_report,
    report,
    write_report,
)
from napari_naclip.evaluate.task import (
    Task,
    plan_dataset,
    plan_folders,
    plan_published,
)
from napari_naclip.io.class_files import read_classes

if TYPE_CHECKING:
    import argparse

    from napari_naclip.engine.models import Model


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Count a data set, write and print the figures; return the exit status.

    Everything that can be wrong without a model is found before one is
    loaded. The status is 1 if an image could not be counted.
    """
    task = plan(arguments).limited(arguments.limit)
    check_choice(arguments.model, has_weights=arguments.weights is not None)
    folder: Path = arguments.output or Path(f'evaluation-{task.name}')
    if task.unmatched:
        print_note(
            'Files without a partner of the same name in the other folder '
            f'are left out: {task.unmatched}.'
        )
    model = load_chosen(arguments)
    make_folder(folder)
    key = task.key(model)
    kept = KeptCounts(folder / f'counts-{key}', len(task.classes.rows))
    tally = _count(task, model, kept, arguments.progress)
    content = report(task, tally, model)
    path = folder / f'result-{key}.json'
    write_report(path, content)
    print(format_report(content))
    print(f'figures: {path}', flush=True)
    return 1 if tally.problems else 0


def plan(arguments: argparse.Namespace) -> Task:
    """Return what the arguments ask for.

    Raises
    ------
    NaclipError
        If they do not go together, or name files that cannot be used.
    """
    _check_sources(arguments)
    changes = read_changes(arguments)
    if arguments.classes_file is None:
        return plan_published(
            arguments.dataset,
            arguments.root,
            changes,
            model=arguments.model,
            has_weights=arguments.weights is not None,
        )
    drafts = read_classes(arguments.classes_file)
    classes = ListState.from_drafts(drafts).class_list()
    settings = Settings(**changes)
    ignored = arguments.ignore or _usual_ignored(classes)
    if arguments.dataset is not None:
        return plan_dataset(
            arguments.dataset,
            arguments.root,
            classes,
            settings,
            ignored=ignored,
            is_from_zero=arguments.from_zero,
        )
    return plan_folders(
        arguments.images,
        arguments.labels,
        classes,
        settings,
        ignored=ignored,
        is_from_zero=arguments.from_zero,
    )


def _check_sources(arguments: argparse.Namespace) -> None:
    has_set = arguments.dataset is not None and arguments.root is not None
    has_folders = arguments.images is not None and arguments.labels is not None
    given = [
        each is not None
        for each in (
            arguments.dataset,
            arguments.root,
            arguments.images,
            arguments.labels,
        )
    ]
    if sum(given) != 2 or not (has_set or has_folders):
        raise InputError(
            'Name either a data set and its folder (--dataset, --root) or '
            'two folders (--images, --labels, with --classes).'
        )
    if arguments.classes_file is None:
        if has_folders:
            raise InputError(
                'The classes are missing, whose values the label files '
                'hold. Name a file of them with --classes.'
            )
        if arguments.ignore or arguments.from_zero:
            raise InputError(
                f'{arguments.dataset} says itself which values do not count. '
                '--ignore and --from-zero go with --classes.'
            )


def _usual_ignored(classes: ClassList) -> tuple[int, ...]:
    # A list so long that it has a class there needs the value.
    has_class = any(row.value == UNDECIDED for row in classes.rows)
    return () if has_class else (UNDECIDED,)


def _count(
    task: Task, model: Model, kept: KeptCounts, is_shown: bool | None
) -> Tally:
    from napari_naclip.evaluate.count import iter_counts

    tally = Tally.of_classes(len(task.classes.rows))
    told: set[str] = set()
    earlier = 0
    with tqdm(
        iter_counts(task, model, kept),
        total=len(task.pairs),
        desc=task.name,
        unit=' images',
        leave=False,
        file=sys.stderr,
        dynamic_ncols=True,
        disable=not (sys.stderr.isatty() if is_shown is None else is_shown),
    ) as bar:
        for counted in bar:
            tally.add(counted)
            earlier += counted.is_kept
            if counted.problem:
                bar.clear()
                print_error(counted.problem)
            for notice in counted.notices:
                if notice not in told:
                    told.add(notice)
                    bar.clear()
                    print_note(notice)
            if tally.images:
                bar.set_postfix_str(f'mean IoU {100 * tally.mean_iou:.2f} %')
    if earlier:
        print_note(
            'Images that were counted earlier, with the same settings: '
            f'{earlier} of {len(task.pairs)}.'
        )
    return tally
