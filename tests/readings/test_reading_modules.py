"""The pure modules of the reading page, run in the browser: its state, and how a picture lies in its frame."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser import Contexts

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]

Run = Callable[..., Any]


@pytest.fixture
def run(contexts: Contexts) -> Run:
    """`run(module, body, value)`: the body, with `m` for the module and `value`."""
    page = contexts().new_page()
    page.goto("/accounts/login/")

    def in_page(module: str, body: str, value: Any = None) -> Any:
        return page.evaluate(f"async (value) => {{ const m = await import('/static/js/{module}'); {body} }}", value)

    return in_page


def standing(answered: int, total: int = 4) -> dict[str, Any]:
    """What the server says after so many answers."""
    case = [{"item": f"item {n}", "position": n, "pictures": []} for n in range(1, total + 1)] + [None, None]
    return {
        "answered": answered,
        "total": total,
        "current": case[answered],
        "next": case[answered + 1],
        "questions": [],
    }


SUMMARY = """
    const summary = (s) => ({
        current: s.current?.position ?? null, next: s.next?.position ?? null,
        outbox: s.outbox.map((made) => made.submission), over: m.isOver(s),
    });
    const press = (s, submission) => m.answer(s, {submission, choices: {}, shownAt: null, answeredAt: null});
"""


def test_the_reader_goes_on_while_answers_are_on_their_way(run: Run) -> None:
    first, second = run(
        "reading-state.js",
        SUMMARY
        + """
        const one = press(m.begin(value[0]), "a");
        const two = press(one, "b");
        return [summary(one), summary(two)];""",
        [standing(0)],
    )
    assert first == {"current": 2, "next": None, "outbox": ["a"], "over": False}
    assert second == {"current": None, "next": None, "outbox": ["a", "b"], "over": False}


def test_a_reply_to_the_first_of_two_waiting_answers_shows_the_case_after_both(run: Run) -> None:
    state = run(
        "reading-state.js",
        SUMMARY
        + """
        const two = press(press(m.begin(value[0]), "a"), "b");
        return summary(m.adopt(m.delivered(two, "a"), value[1]));""",
        [standing(0), standing(1)],
    )
    assert state == {"current": 3, "next": None, "outbox": ["b"], "over": False}


def test_an_old_reply_that_was_overtaken_changes_nothing(run: Run) -> None:
    state = run(
        "reading-state.js",
        SUMMARY
        + """
        const now = m.adopt(m.delivered(press(m.begin(value[0]), "a"), "a"), value[1]);
        return summary(m.adopt(now, value[0]));""",
        [standing(0), standing(1)],
    )
    assert state == {"current": 2, "next": 3, "outbox": [], "over": False}


def test_it_is_over_when_the_last_answer_has_arrived_not_before(run: Run) -> None:
    waiting, over = run(
        "reading-state.js",
        SUMMARY
        + """
        const last = press(m.begin(value[0]), "a");
        return [summary(last), summary(m.adopt(m.delivered(last, "a"), value[1]))];""",
        [standing(3), standing(4)],
    )
    assert waiting == {"current": None, "next": None, "outbox": ["a"], "over": False}
    assert over == {"current": None, "next": None, "outbox": [], "over": True}


def test_another_device_that_went_further_is_followed(run: Run) -> None:
    state = run("reading-state.js", SUMMARY + "return summary(m.adopt(m.begin(value[0]), value[1]));",
                [standing(0), standing(2)])  # fmt: skip
    assert state == {"current": 3, "next": 4, "outbox": [], "over": False}


# --- geometry: a picture of 200 x 100 in a frame of 100 x 100; worked by hand --------------------------------

FRAME, PICTURE = {"width": 100, "height": 100}, {"width": 200, "height": 100}


def geometry(run: Run, expression: str) -> Any:
    return run("reading-geometry.js", f"const [f, p] = value; return {expression};", [FRAME, PICTURE])


def test_a_fitted_picture_fills_the_frame_one_way_and_is_centred_the_other(run: Run) -> None:
    # 100/200 = 0.5 limits; the picture is then 100 x 50, and 25 remain above it.
    assert geometry(run, "m.fitted(f, p)") == {"scale": 0.5, "x": 0, "y": 25}


def test_what_lies_under_the_pointer_stays_there(run: Run) -> None:
    # At (80, 60) of the frame lies (80, 60 - 25)/0.5 = (160, 70) of the picture; at scale 4 it stays there if the
    # corner is at (80 - 640, 60 - 280).
    assert geometry(run, "m.zoomed(m.fitted(f, p), 4, {x: 80, y: 60}, f, p, 1)") == {"scale": 4, "x": -560, "y": -220}


def test_no_margin_is_shown_where_there_is_picture(run: Run) -> None:
    # At scale 2 the picture is 400 x 200: the corner lies between (-300, -100) and (0, 0).
    assert geometry(run, "m.moved({scale: 2, x: -10, y: -10}, 500, -500, f, p)") == {"scale": 2, "x": 0, "y": -100}


def test_the_scale_has_limits(run: Run) -> None:
    # Fitted 0.5, full size on a screen of 2 pixels to one 0.5: at least 0.5, at most 8 times that.
    assert geometry(run, "m.zoomed(m.fitted(f, p), 99, {x: 0, y: 0}, f, p, 2).scale") == 4
    assert geometry(run, "m.zoomed(m.fitted(f, p), 0.01, {x: 0, y: 0}, f, p, 2).scale") == 0.5


def test_submission_ids_are_uuids_and_differ(run: Run) -> None:
    ids = run("reading-api.js", "return Array.from({length: 100}, m.newSubmission);")
    assert len(set(ids)) == 100
    import uuid

    assert {uuid.UUID(made).version for made in ids} == {4}
