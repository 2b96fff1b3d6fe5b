"""The queue: what it offers, and that back takes back exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from napari_naclip.correct.guidance import Guidance


def answers_of(guidance: Guidance) -> tuple:
    return (
        guidance.next(),
        guidance.gains().tolist(),
        guidance.share_done,
        guidance.share_wrong,
        guidance.is_looked_at().tolist(),
    )


@hypothesis_settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_back_undoes_exactly_and_nothing_done_is_offered(
    draft, regions, data
) -> None:
    guidance = Guidance(regions)
    other = data.draw(st.integers(5, 60))
    before = []
    for _ in range(data.draw(st.integers(1, 12))):
        what = data.draw(st.sampled_from(['accept', 'assign', 'edit', 'back']))
        if what == 'edit':
            edited = np.zeros(regions.ids.shape, bool)
            top = data.draw(st.integers(0, 100))
            edited[top : top + 60, :200] = True
            guidance.set_edited(edited)
            before.clear()
        elif what == 'back' and before:
            guidance.back()
            assert answers_of(guidance) == before.pop()
        else:
            index = guidance.next()
            if index is None:
                break
            before.append(answers_of(guidance))
            if what == 'accept':
                step = guidance.accept(index)
                assert not step.is_change
            else:
                step = guidance.assign(index, other)
                assert step.is_change == (other != regions.labels[index])
        offered = guidance.next()
        if offered is not None:
            assert guidance.is_open()[offered]
            assert not guidance.is_looked_at()[offered]


def test_all_regions_are_offered_once(regions) -> None:
    guidance = Guidance(regions)
    seen = []
    while (index := guidance.next()) is not None:
        seen.append(index)
        guidance.accept(index)
    assert sorted(seen) == list(range(len(regions)))
    assert guidance.share_done == pytest.approx(1)
    assert guidance.share_wrong == 0


def test_edited_regions_are_not_offered(regions) -> None:
    first = Guidance(regions).next()
    edited = regions.ids == first
    guidance = Guidance(regions, edited)
    assert not guidance.is_open()[first]
    assert guidance.next() != first
    assert guidance.share_done == pytest.approx(edited.mean(), abs=0.01)
    guidance.set_edited(None)
    assert guidance.next() == first


def test_regions_between_grid_pixels_can_be_edited(draft, monkeypatch) -> None:
    from napari_naclip.correct.grid import Grid

    monkeypatch.setattr(
        Grid, 'of', classmethod(lambda cls, size: cls(size, 4))
    )
    labels = np.ones(draft.truth.shape, np.uint8)
    labels[4, 4] = 2
    regions = draft.regions(labels)
    index = int(regions.ids[4, 4])
    assert not (regions.grid_ids == index).any()
    guidance = Guidance(regions, labels == 2)
    assert not guidance.is_open()[index]
    guidance.set_edited(None)
    assert guidance.is_open()[index]
    guidance.accept(index)
    assert not guidance.is_open()[index]
    # Nor is the answer forgotten when regions are made anew.
    labels[60:, 60:] = 3
    others = draft.regions(labels)
    guidance.remake(others)
    now = int(others.ids[4, 4])
    assert guidance.is_looked_at().nonzero()[0].tolist() == [now]
    assert guidance.index_of(guidance.steps[-1]) == now
    labels[4, 4] = 1
    guidance.remake(draft.regions(labels))
    assert not guidance.is_looked_at().any()


def test_guidance_finds_wrong_pixels_sooner_than_area(draft, regions) -> None:
    counts = np.zeros((len(regions), 65), int)
    np.add.at(counts, (regions.ids, draft.truth), 1)
    truth = counts.argmax(axis=1)
    wrong = np.where(truth != regions.labels, regions.areas, 0)

    guidance, found = Guidance(regions), []
    while (index := guidance.next()) is not None:
        found.append(wrong[index])
        guidance.assign(index, int(truth[index]))
    by_area = wrong[np.argsort(-regions.areas)]
    assert np.cumsum(found).sum() > 1.1 * np.cumsum(by_area).sum()


def test_looked_at_areas_stay_so_when_regions_are_made_anew(
    draft, regions
) -> None:
    guidance = Guidance(regions)
    first = guidance.next()
    guidance.accept(first)
    labels = draft.result.labels.copy()
    # Another label for all of the region, and a bit of what is beside it.
    labels[regions.ids == first] = 64
    row, column = np.argwhere(regions.ids != first)[0]
    labels[row, column] = 63
    others = draft.regions(labels)
    guidance.remake(others)
    inside = others.ids[regions.ids == first]
    looked = guidance.is_looked_at()
    assert looked[np.bincount(inside).argmax()]
    assert guidance.share_done == pytest.approx(
        regions.areas[first] / labels.size, abs=0.02
    )
    state = answers_of(guidance)
    guidance.accept(guidance.next())
    guidance.back()
    assert answers_of(guidance) == state
    step = guidance.back()
    assert step is not None
    assert (step.index, step.round) == (first, 0)
    assert not guidance.is_looked_at().any()
    assert guidance.back() is None


def test_what_is_settled_no_more_is_open_again(draft, regions) -> None:
    guidance = Guidance(regions)
    first, second = (guidance.next(), None)
    settled = regions.ids == first
    guidance.accept(first)
    second = guidance.next()
    guidance.assign(second, 90)
    settled |= regions.ids == second

    def look() -> list[int]:
        for _ in guidance.look(lambda rows, cols: settled[np.ix_(rows, cols)]):
            pass
        return guidance.is_looked_at().nonzero()[0].tolist()

    assert look() == sorted([first, second])
    # The person gave one back to the model.
    settled &= regions.ids != first
    assert look() == [second]
    assert guidance.is_open()[first]
    # It can be answered again, and regions be made anew.
    guidance.accept(first)
    assert not guidance.is_open()[first]
    guidance.remake(regions)
    assert look() == [second]
    settled |= regions.ids == first
    assert look() == sorted([first, second])


def test_answers_tell_about_regions_that_look_alike(regions) -> None:
    guidance = Guidance(regions)
    values, counts = np.unique(regions.labels, return_counts=True)
    members = np.flatnonzero(regions.labels == values[counts.argmax()])
    tokens = regions.tokens[members]
    nearest = ((tokens - tokens[0]) ** 2).sum(axis=1).argsort()[1]
    other = members[nearest]
    doubt = guidance.doubt()[other]
    guidance.assign(int(members[0]), 60)
    assert guidance.doubt()[other] > doubt
    guidance.back()
    guidance.accept(int(members[0]))
    assert guidance.doubt()[other] < doubt


def test_masks_of_another_size_are_a_mistake(regions) -> None:
    with pytest.raises(ValueError, match='edited'):
        Guidance(regions, np.zeros((2, 2), bool))
