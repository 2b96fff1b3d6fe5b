"""Agreement of the model with the corrected labels, by real clicks."""

from __future__ import annotations

import numpy as np
import pytest

from napari_naclip.ui.correct import finish_messages as messages

TIMEOUT = 60_000


def test_agreement_counts_what_was_edited(opened, do, press) -> None:
    _, widget, labels = opened
    text = do(widget, widget.finish.compare)
    assert text.startswith('Accuracy 100.00 %, mean IoU 1.000; 0 px edited')
    assert 'apart' not in text
    model = labels.data.copy()
    labels.data[:24, :32] = 2
    text = do(widget, widget.finish.compare)
    edited = int((labels.data != model).sum())
    assert f'{edited:,} px edited or accepted of {model.size:,}' in text
    assert 'Of those apart: Accuracy 0.00 %, mean IoU 0.000' in text
    columns = widget.finish.agreement.view.rows.columns
    names = dict(enumerate(['', 'sand', 'water', 'grass']))
    for name, iou in zip(columns['class'], columns['IoU'], strict=True):
        value = next(v for v, n in names.items() if n == name)
        own, other = model == value, labels.data == value
        assert iou == pytest.approx((own & other).sum() / (own | other).sum())
    water = columns['class'].index('water')
    assert columns['given (px)'][water] == edited
    # What was looked at is compared apart.
    labels.data[...] = model
    labels.data[:8, :8] = model[:8, :8] % 3 + 1
    looked = np.zeros(model.shape, bool)
    looked[:8, :16] = True
    widget._corrections.finisher.find_looked = lambda result, plane: looked
    text = do(widget, widget.finish.compare)
    assert 'Where you looked: Accuracy 50.00 %' in text
    # Nothing to compare with.
    widget._sync.result.written[:] = 0
    widget._session.lives._kept.clear()
    assert do(widget, widget.finish.compare) == messages.NOT_WRITTEN
    assert not widget.finish.agreement.isVisible()


def test_agreement_asks_the_model_where_it_may_not_write(
    opened, do, qtbot
) -> None:
    """What it wrote before an edit is not what it says now."""
    _, widget, labels = opened
    result = widget._sync.result
    first = result.written.copy()
    # Edits that foretell what another setting will say.
    widget.options.smallest.setValue(1500)
    live = widget._live
    qtbot.waitUntil(lambda: not live.is_busy, timeout=TIMEOUT)
    later = labels.data.copy()
    place = later != first
    assert place.any()
    widget.options.smallest.setValue(0)
    qtbot.waitUntil(
        lambda: not live.is_busy and (labels.data == first).all(),
        timeout=TIMEOUT,
    )
    labels.data[place] = later[place]
    # It is right everywhere where it says what was painted.
    assert 'apart: Accuracy 0.00 %' in do(widget, widget.finish.compare)
    widget.options.smallest.setValue(1500)
    qtbot.waitUntil(lambda: not live.is_busy, timeout=TIMEOUT)
    np.testing.assert_array_equal(result.written[place], first[place])
    text = do(widget, widget.finish.compare)
    assert text.startswith('Accuracy 100.00 %')
    assert f'{int(place.sum()):,} px edited or accepted' in text
    ious = widget.finish.agreement.view.rows.columns['IoU where edited']
    assert set(ious) == {1.0} or np.nanmin(ious) == 1.0
    # Nothing answers any more: said, and compared with what was written.
    widget._session.lives._kept.clear()
    text = do(widget, widget.finish.compare)
    assert 'what the model wrote before' in text
    assert 'Of those apart: Accuracy 0.00 %' in text
