"""Clipped text, missing labels, wrong tab order: over the whole widget."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from napari.settings import get_settings
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

import looks
from napari_naclip.engine.errors import WeightsMissingError
from napari_naclip.ui.correct import edit_messages
from napari_naclip.ui.estimate import RunProgress

#: What the widget may show besides what it starts with.
STATES = (
    'rest',
    'running',
    'failed',
    'offer',
    'done',
    'beyond',
    'why',
    'finish',
    'edits',
)


def put_into(widget, state: str) -> None:
    """Bring a widget into a state, with long texts."""
    panel = widget.panel
    if state == 'running':
        panel.show_running()
        panel.show_progress(
            RunProgress(
                'download',
                123 * 10**6,
                1710 * 10**6,
                job=12,
                jobs=20,
                rate=12.3e6,
                stage_left=100,
            )
        )
    elif state == 'failed':
        panel.show_failure('What went wrong is long to tell. ' * 4, 'line\n')
        panel.details.toggle.setChecked(True)
    elif state == 'offer':
        widget.offer.show_for(
            WeightsMissingError(
                'missing', model='ViT-L-14', size=1_710 * 10**6
            )
        )
    elif state == 'edits':
        widget.correct.more.setChecked(True)
        widget.correct.edits.show_count(12_345_678, is_done=False)
        widget.correct.edits.show_saved(edit_messages.describe_saved())
        widget.restore_offer.show_text(
            edit_messages.describe_offer('a long name', 0, is_open=False)
        )
    elif state == 'done':
        names = ', '.join(f'class number {n} 10%' for n in range(12))
        panel.show_rest(f'Done: {names}.', ('A word is not known.',) * 3)
    elif state == 'beyond':
        widget.beyond.more.setChecked(True)
        widget.beyond.cross.setValue(100)
        widget.beyond.token.setValue(-100)
    elif state == 'why':
        widget.why.more.setChecked(True)
        widget.why.show_pixel('Under the cursor: ' + 'a class 12 %, ' * 9)
        widget.why.show_empty('A class: is nowhere above 5 %.\n' * 9)
        widget.why.say('It could not be found out. ' * 4)
    elif state == 'finish':
        finish = widget.finish
        finish.more.setChecked(True)
        finish.objects.show_planes(has_more=True)
        finish.objects.show_unit(0.0325, 'µm')
        finish.objects.unit.setCurrentIndex(1)
        finish.objects.smallest.setValue(1000)
        finish.say('What came of it is long to tell. ' * 4)
        finish.show_busy(is_busy=True)
        for table in (finish.objects.table, finish.agreement):
            table.show_columns(
                {'area (µm²)': [1234.5] * 9, 'class': ['a'] * 9}
            )


@pytest.fixture
def floating(make_napari_viewer, open_widget, qtbot, picture):
    """Return a function that shows the widget at a size, by itself."""

    def open_at(size: tuple[int, int], font_scale: float = 1):
        viewer = make_napari_viewer(show=True)
        appearance = get_settings().appearance
        appearance.font_size = round(appearance.font_size * font_scale)
        viewer.add_image(picture, name='an image')
        widget = open_widget(viewer)
        dock = widget.parentWidget()
        while dock.parentWidget() is not None and not dock.inherits(
            'QDockWidget'
        ):
            dock = dock.parentWidget()
        dock.setFloating(True)
        dock.resize(*size)
        qtbot.waitUntil(lambda: dock.size().width() == size[0], timeout=10_000)
        return widget

    return open_at


@pytest.mark.parametrize('font_scale', [1, 2])
@pytest.mark.parametrize('size', looks.DOCK_SIZES, ids=str)
def test_no_text_is_clipped(floating, qtbot, size, font_scale) -> None:
    widget = floating(size, font_scale)
    problems = []
    for state in STATES:
        put_into(widget, state)
        # Layouts follow a new text or theme with some delay.
        for _ in range(20):
            qtbot.wait(50)
            found = looks.clipped_texts(widget)
            if not found:
                break
        problems += [f'{state}: {each}' for each in found]
    assert not problems, '\n'.join(problems)
    if font_scale == 1:
        # Only large text may need it: reading across is tiresome.
        area = widget.findChild(QScrollArea)
        assert not area.horizontalScrollBar().isVisible()


def test_labels_order_styles_and_size(floating, qtbot) -> None:
    widget = floating((300, 900))
    problems = looks.own_styles(widget) + looks.size_faults(widget)
    for state in STATES:
        put_into(widget, state)
        qtbot.wait(50)
        problems += [
            f'{state}: {each}'
            for each in (
                *looks.unlabeled_controls(widget),
                *looks.tab_order_faults(widget),
            )
        ]
    assert not problems, '\n'.join(problems)
    assert looks.has_scroll_area(widget)
    assert len(looks.tab_order(widget)) > 5


def test_text_grows_with_naparis(floating, qtbot) -> None:
    widget = floating((300, 900))

    def enlarge() -> None:
        get_settings().appearance.font_size *= 2
        qtbot.wait(100)

    assert not looks.fixed_fonts(widget, enlarge)


@pytest.mark.slow
def test_twice_the_pixels() -> None:
    """The first check once more where each pixel is four on the screen."""
    result = subprocess.run(
        [
            sys.executable,
            '-m',
            'pytest',
            '-q',
            '-p',
            'no:cacheprovider',
            str(Path(__file__)),
            '-k',
            'clipped and 250 and not 2]',
        ],
        env={**os.environ, 'QT_SCALE_FACTOR': '2'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert '1 passed' in result.stdout


# Each check can fail: a widget with one fault is found, without it is not.


@pytest.fixture
def page(qtbot) -> QWidget:
    """Return a page with three well-made controls."""
    page = QWidget()
    qtbot.addWidget(page)
    rows = QVBoxLayout(page)
    page.button = QPushButton('Press')
    page.check = QCheckBox('Check')
    page.combo = QComboBox()
    page.combo.addItem('an entry')
    page.label = QLabel('Combo')
    page.label.setBuddy(page.combo)
    page.wrapped = QLabel('many words ' * 30)
    page.wrapped.setWordWrap(True)
    for each in (page.button, page.check, page.combo):
        each.setToolTip('what it does')
        each.setAccessibleName('what it is')
    row = QHBoxLayout()
    row.addWidget(page.button)
    row.addWidget(page.check)
    rows.addLayout(row)
    for each in (page.label, page.combo, page.wrapped):
        rows.addWidget(each)
    page.resize(250, 400)
    page.show()
    qtbot.waitExposed(page)
    return page


def all_faults(page: QWidget) -> list[str]:
    return [
        *looks.clipped_texts(page),
        *looks.unlabeled_controls(page),
        *looks.tab_order_faults(page),
        *looks.own_styles(page),
        *looks.size_faults(page),
        *looks.fixed_fonts(page, lambda: double_font(page)),
    ]


def double_font(page: QWidget) -> None:
    font = page.font()
    font.setPointSizeF(2 * font.pointSizeF())
    page.setFont(font)


def make_narrow(page) -> None:
    page.button.setFixedWidth(20)


def make_low(page) -> None:
    page.wrapped.setFixedHeight(20)


def make_narrow_combo(page) -> None:
    page.combo.setFixedWidth(30)


def make_narrow_check(page) -> None:
    page.check.setFixedWidth(30)


def take_buddy(page) -> None:
    page.label.setBuddy(page.button)


def take_tooltip(page) -> None:
    page.check.setToolTip('')


def take_name(page) -> None:
    page.combo.setAccessibleName('')


def turn_order(page) -> None:
    QWidget.setTabOrder(page.button, page.combo)


def turn_row(page) -> None:
    QWidget.setTabOrder(page.check, page.button)
    QWidget.setTabOrder(page.button, page.combo)


def add_color(page) -> None:
    page.label.setStyleSheet('color: red')


def fix_font(page) -> None:
    font = page.label.font()
    font.setPointSizeF(font.pointSizeF() + 7)
    page.label.setFont(font)


def make_wide(page) -> None:
    page.setMinimumWidth(300)


def make_high(page) -> None:
    page.layout().addSpacing(400)


@pytest.mark.parametrize(
    ('spoil', 'told'),
    [
        (make_narrow, "'Press' needs"),
        (make_low, 'needs 0 x'),
        (make_narrow_combo, "'an entry' needs"),
        (make_narrow_check, "'Check' needs"),
        (take_buddy, 'no visible label'),
        (take_tooltip, 'no tooltip'),
        (take_name, 'no accessible name'),
        (turn_order, 'Tab goes'),
        (turn_row, 'Tab goes'),
        (add_color, 'style sheet'),
        (fix_font, 'fixed font size'),
        (make_wide, '300 wide'),
        (make_high, 'high'),
    ],
)
def test_checks_can_fail(page, qtbot, spoil, told) -> None:
    assert not all_faults(page)
    page.setFont(QApplication.font())
    spoil(page)
    qtbot.wait(50)
    assert told in '\n'.join(all_faults(page))


def test_content_wider_than_its_view_is_found(qtbot) -> None:
    area = QScrollArea()
    qtbot.addWidget(area)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    page = QWidget()
    rows = QVBoxLayout(page)
    rows.addWidget(QLineEdit())
    area.setWidget(page)
    area.setWidgetResizable(True)
    area.resize(300, 300)
    area.show()
    assert not looks.clipped_texts(area)
    line = QLineEdit()
    line.setMinimumWidth(400)
    rows.addWidget(line)
    qtbot.wait(50)
    assert 'cuts off' in '\n'.join(looks.clipped_texts(area))
