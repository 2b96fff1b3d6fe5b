"""Where regions are, and what was edited of them, as a person sees it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_naclip.correct.grid import Grid
from napari_naclip.correct.regions import Regions
from napari_naclip.engine.types import Region, Settings
from napari_naclip.layers.assign import accept
from napari_naclip.layers.labels import Result
from napari_naclip.layers.read import take_snapshots
from napari_naclip.ui.correct import guided
from napari_naclip.ui.correct.finding import Found, find_edited
from napari_naclip.ui.correct.guided import Guided, choose

SIZE = (60, 90)


def make_regions(ids: np.ndarray) -> Regions:
    """Return regions of ids, all alike."""
    grid = Grid.of(ids.shape, 400)
    count = int(ids.max()) + 1
    boxes = []
    for index in range(count):
        rows, columns = np.nonzero(ids == index)
        boxes.append(
            (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
        )
    areas = np.bincount(ids.ravel(), minlength=count)
    return Regions(
        ids=ids.astype(np.int32),
        grid=grid,
        grid_ids=grid.sample(ids).astype(np.int32),
        areas=areas,
        centers=np.zeros((count, 2)),
        boxes=np.array(boxes),
        labels=np.ones(count, np.int64),
        confidence=np.full(count, 0.6),
        margins=np.full(count, 0.1),
        rivals=np.ones(count, np.int64),
        tokens=np.eye(count, 8, dtype=np.float32),
        scale=40.0,
    )


@pytest.fixture(params=['as stored', 'transposed', 'a part', 'in shapes'])
def place(request, monkeypatch) -> Guided:
    """Return the middle plane of a stack with five regions, one tiny."""
    monkeypatch.setattr(guided, '_BAND_PIXELS', 200)
    shape = SIZE[::-1] if request.param == 'transposed' else SIZE
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((3, *shape)))
    if request.param == 'transposed':
        viewer.dims.order = (0, 2, 1)
    viewer.dims.set_point(0, 1)
    ids = np.zeros(SIZE, int)
    ids[:, 40:] = 1
    ids[30:, :20] = 2
    ids[20:50, 60:70] = 3
    ids[0, 0] = 4
    (snapshot,) = take_snapshots(image, viewer, Settings())
    if request.param in {'a part', 'in shapes'}:
        part = Region(5, 10, 55, 80)
        mask = None
        if request.param == 'in shapes':
            mask = np.random.default_rng(0).random(part.size) < 0.8
        snapshot = replace(snapshot, region=part, mask=mask)
        ids = ids[part.slices]
        ids = np.unique(ids, return_inverse=True)[1].reshape(ids.shape)
    labels = viewer.add_labels(np.ones((3, *shape), np.uint8))
    result = Result(image, labels, {}, np.ones((3, *shape), np.uint8))
    kept = SimpleNamespace(result=result, snapshot=snapshot)
    return Guided(
        Found(
            kept=kept,
            shown=None,
            revision=0,
            regions=make_regions(ids),
            shares=np.zeros((5, 1), np.float32),
            values=(1,),
            edited=find_edited(result, snapshot),
            center=np.zeros(8, np.float32),
            model='',
        )
    )


def test_a_region_lies_where_its_pixels_are(place: Guided) -> None:
    snapshot, ids = place.kept.snapshot, place.guidance.regions.ids
    layer = place.result.labels
    for index in range(len(place.guidance.regions)):
        found = place.place(index)
        assert found.mask.shape == found.region.size
        at = tuple(
            next(spans) if isinstance(i, slice) else i
            for spans in [iter(found.region.slices)]
            for i in place.plane
        )
        layer.data[at][found.mask] = 10 + index
    seen = snapshot.orient(layer.data[snapshot.index_of(snapshot.region)])
    drawn = np.ones(ids.shape, bool)
    if snapshot.mask is not None:
        drawn = snapshot.mask
    np.testing.assert_array_equal(seen, np.where(drawn, ids + 10, 1))
    assert (layer.data[[0, 2]] == 1).all()


def test_steps_find_the_same_edits_as_a_look_at_all(place: Guided) -> None:
    rng = np.random.default_rng(1)
    result, snapshot = place.result, place.kept.snapshot
    data = result.labels.data
    data[1][rng.random(data.shape[1:]) < 0.3] = 9
    place.guidance.set_edited(find_edited(result, snapshot))
    expected = place.guidance.gains()
    place.guidance.set_edited(None)
    assert not np.array_equal(place.guidance.gains(), expected)
    for _ in place.look_for_edits():
        pass
    np.testing.assert_array_equal(place.guidance.gains(), expected)


def test_a_region_holds_its_label_until_most_has_another(
    place: Guided,
) -> None:
    regions, snapshot = place.guidance.regions, place.kept.snapshot
    plane = snapshot.orient(
        place.result.labels.data[snapshot.index_of(snapshot.region)]
    )
    for index in range(len(regions)):
        assert place.holds(index)
        plane[regions.ids == index] = 9
        assert not place.holds(index)


def chosen(*places: Guided, locked=frozenset()) -> tuple[Guided, int] | None:
    """Do all steps of ``choose``."""
    steps = choose(places, locked)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def test_the_best_is_chosen_unless_all_is_edited(place: Guided) -> None:
    index = int(place.guidance.gains().argmax())
    assert chosen(place) == (place, index)
    place.result.labels.data[:] = 9
    assert chosen(place) is None


def test_what_was_accepted_is_not_asked_again(place: Guided) -> None:
    result, snapshot = place.result, place.kept.snapshot
    first = place.place(chosen(place)[1])
    for _ in accept(result, place.plane, first.region, first.mask):
        pass
    # Both by what is found anew, and by what is looked for later.
    again = Guided(replace(place._found, edited=find_edited(result, snapshot)))
    for each in (place, again):
        index = int(place._placed[0])
        if each is place:
            for _ in each.look_for_edits():
                pass
        assert not each.guidance.is_open()[index]
        assert chosen(each)[1] != index


def test_regions_of_locked_classes_are_not_chosen(place: Guided) -> None:
    assert chosen(place) is not None
    assert chosen(place, locked={1}) is None
    assert chosen(place, locked={2}) is not None
