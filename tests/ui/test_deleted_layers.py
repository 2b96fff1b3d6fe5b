"""What is deleted goes: neither layers nor their labels are held."""

from __future__ import annotations

import gc
import time
import types
import weakref
from collections.abc import Iterable

import pytest

from napari_naclip.layers.maps import is_map
from sliders import drag

TIMEOUT = 60_000
#: Seconds after which what was deleted counts as held.
SOON = 1.0
#: But not before so many turns, of which a busy machine has few in a second.
TURNS = 20


def all_gone(held: Iterable[weakref.ref]) -> bool:
    gc.collect()
    return not any(each() is not None for each in held)


def describe_holders(thing: object, depth: int = 3) -> list[str]:
    """Return who refers to what should have gone, a line for each."""
    lines: list[str] = []
    seen: set[int] = set()

    def look(one: object, level: int) -> None:
        for each in gc.get_referrers(one):
            if id(each) in seen or isinstance(each, types.FrameType):
                continue
            seen.add(id(each))
            kind = type(each)
            name = getattr(each, '__qualname__', '')
            if isinstance(each, dict):
                name = ', '.join(map(str, list(each)[:4]))
            lines.append(
                f'{"  " * level}{kind.__module__}.{kind.__name__} {name}'
            )
            if level + 1 < depth:
                look(each, level + 1)

    seen.add(id(lines))
    # What is frozen would not be named. Later tests need it frozen again:
    # with a million objects to look at, they would find theirs held too.
    gc.unfreeze()
    look(thing, 0)
    gc.freeze()
    return lines


#: What a person does between the run and the deletion.
USES = ('nothing', 'brush', 'slider', 'Why', 'Next', 'a second run')


def use(viewer, widget, labels, what, *, run, press, qtbot, settle) -> None:
    """Do something with the result of a run."""
    if what == 'brush':
        press(widget.correct.more)
        press(widget.correct.edits.outline)
        labels.paint((30, 30), 3 - int(labels.data[30, 30]))
    elif what == 'slider':
        slider = widget.options.slider
        drag(qtbot, slider, 0.6)
    elif what == 'Why':
        widget.why.more.setChecked(True)
        press(widget.why.boxes['confidence'])
        qtbot.waitUntil(
            lambda: any(map(is_map, viewer.layers)), timeout=TIMEOUT
        )
        press(widget.why.boxes['confidence'])
    elif what == 'Next':
        widget.correct.more.setChecked(True)
        press(widget.correct.guide.next)
        qtbot.waitUntil(
            lambda: (
                widget.correct.guide.accept.isEnabled()
                and widget._corrections.guide.is_idle
            ),
            timeout=TIMEOUT,
        )
    elif what == 'a second run':
        run(widget)
    qtbot.wait(300)
    settle(widget)


@pytest.mark.parametrize('what', USES)
@pytest.mark.parametrize(
    'deletions',
    [
        ('labels', 'image'),
        pytest.param(('image', 'labels'), marks=pytest.mark.slow),
        pytest.param(('labels and image',), marks=pytest.mark.slow),
    ],
)
def test_deleted_layers_go(
    make_napari_viewer,
    open_widget,
    run,
    press,
    settle,
    qtbot,
    picture,
    deletions,
    what,
) -> None:
    """Soon, and not with the next run, selection or deletion."""
    viewer = make_napari_viewer()
    image = viewer.add_image(picture.copy())
    widget = open_widget(viewer)
    assert run(widget).startswith('Done')
    settle(widget)
    labels = viewer.layers[-1]
    use(
        viewer,
        widget,
        labels,
        what,
        run=run,
        press=press,
        qtbot=qtbot,
        settle=settle,
    )
    for deleted in deletions:
        held = {}
        if 'labels' in deleted:
            held['labels'] = weakref.ref(labels)
            held['their data'] = weakref.ref(labels.data)
            written = widget._sync.result.written
            held['what the model wrote'] = weakref.ref(written)
            viewer.layers.remove(labels)
            del labels, written
        if 'image' in deleted:
            held['image'] = weakref.ref(image)
            held['pixels'] = weakref.ref(image.data)
            viewer.layers.remove(image)
            del image
        end, turns = time.monotonic() + SOON, 0
        while not all_gone(held.values()) and (
            time.monotonic() < end or turns < TURNS
        ):
            qtbot.wait(20)
            turns += 1
        left = {name: each() for name, each in held.items()}
        for name, each in left.items():
            assert each is None, '\n'.join(
                [name, *describe_holders(each)[:60]]
            )
