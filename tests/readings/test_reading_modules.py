"""The pure modules of the reading page, run in the browser: its state, and how a picture lies in its frame."""

from collections.abc import Callable
from typing import Any

import pytest

from readerstudy.accounts.models import User
from readerstudy.readings import diagnoses
from tests.browser import Contexts
from tests.builders import open_study
from tests.readings.designed import every_kind

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


def standing(answered: int, total: int = 4, stage: int = 1, stages: int = 1, **changes: Any) -> dict[str, Any]:
    """What the server says after so many answers, at this stage of the next case."""
    case = [
        {"item": f"item {n}", "position": n, "stage": 1, "is_last": stages == 1, "is_practice": False, "pictures": []}
        for n in range(1, total + 1)
    ]
    if answered < total:
        case[answered] |= {"stage": stage, "is_last": stage == stages}
    case += [{}, {}]
    return {
        "answered": answered,
        "total": total,
        "finished": answered == total,
        "may_end": False,
        "conduct": {"changes": "never", "break_every": None, "break_is_due": False},
        "stages": [{"stage": n, "questions": []} for n in range(1, stages + 1)],
        "current": case[answered] or None,
        "next": case[answered + 1] or None,
        "feedback": None,
        "changeable": [],
        **changes,
    }


SUMMARY = """
    const summary = (s) => ({
        current: s.current?.position ?? null, stage: s.current?.stage ?? null, next: s.next?.position ?? null,
        outbox: s.outbox.map((made) => made.submission), out: m.wayOut(s),
    });
    const press = (s, submission) => m.answer(s, {submission, answers: {}});
"""


def states(run: Run, expression: str, *standings: dict[str, Any]) -> Any:
    """A list of states, summed up."""
    return run("reading-state.js", SUMMARY + f"return ({expression}).map(summary);", list(standings))


def test_the_reader_goes_on_while_answers_are_on_their_way(run: Run) -> None:
    first, second = states(
        run, "(() => { const one = press(m.begin(value[0]), 'a'); return [one, press(one, 'b')]; })()", standing(0)
    )
    assert first == {"current": 2, "stage": 1, "next": None, "outbox": ["a"], "out": None}
    assert second == {"current": None, "stage": None, "next": None, "outbox": ["a", "b"], "out": None}


def test_a_reply_to_the_first_of_two_waiting_answers_shows_the_case_after_both(run: Run) -> None:
    two = "press(press(m.begin(value[0]), 'a'), 'b')"
    (state,) = states(run, f"[m.adopt(m.delivered({two}, 'a'), value[1])]", standing(0), standing(1))
    assert state == {"current": 3, "stage": 1, "next": None, "outbox": ["b"], "out": None}


def test_answers_that_waited_through_a_reload_are_not_asked_for_again(run: Run) -> None:
    waiting = "press(press(m.begin(value[0]), 'a'), 'b').outbox"
    (state,) = states(run, f"[m.begin(value[0], {{outbox: {waiting}}})]", standing(0))
    assert state == {"current": None, "stage": None, "next": None, "outbox": ["a", "b"], "out": None}
    (state,) = states(run, f"[m.begin(value[1], {{outbox: {waiting}}})]", standing(0), standing(1))
    assert state == {"current": 3, "stage": 1, "next": None, "outbox": ["a", "b"], "out": None}


def test_an_old_reply_that_was_overtaken_changes_nothing(run: Run) -> None:
    now = "m.adopt(m.delivered(press(m.begin(value[0]), 'a'), 'a'), value[1])"
    (state,) = states(run, f"[m.adopt({now}, value[0])]", standing(0), standing(1))
    assert state == {"current": 2, "stage": 1, "next": 3, "outbox": [], "out": None}


def test_the_next_stage_is_the_servers_to_show(run: Run) -> None:
    first, second, overtaken = states(
        run,
        """(() => {
            const one = press(m.begin(value[0]), 'a');
            const two = m.adopt(m.delivered(one, 'a'), value[1]);
            return [one, two, m.adopt(two, value[0])];
        })()""",
        standing(0, stages=2),
        standing(0, stage=2, stages=2),
    )
    assert first == {"current": None, "stage": None, "next": None, "outbox": ["a"], "out": None}
    assert second == overtaken == {"current": 1, "stage": 2, "next": 2, "outbox": [], "out": None}


def test_it_is_over_when_the_last_answer_has_arrived_not_before(run: Run) -> None:
    last = "press(m.begin(value[0]), 'a')"
    waiting, over, to_end = states(
        run,
        f"[{last}, m.adopt(m.delivered({last}, 'a'), value[1]), m.adopt(m.delivered({last}, 'a'), value[2])]",
        standing(3),
        standing(4),
        standing(4, finished=False, may_end=True),
    )
    assert waiting == {"current": None, "stage": None, "next": None, "outbox": ["a"], "out": None}
    assert over == {"current": None, "stage": None, "next": None, "outbox": [], "out": "done"}
    assert to_end["out"] == "end"


def test_another_device_that_went_further_is_followed(run: Run) -> None:
    (state,) = states(run, "[m.adopt(m.begin(value[0]), value[1])]", standing(0), standing(2))
    assert state == {"current": 3, "stage": 1, "next": 4, "outbox": [], "out": None}


def test_a_change_is_sent_in_place_of_the_answer_and_the_case_stays(run: Run) -> None:
    made, current = run(
        "reading-state.js",
        """
        const again = {...value[0].current, given: {submission: "old", answers: {}}};
        const state = m.answer(m.look(m.begin(value[1]), again), {submission: "new", answers: {}});
        return [state.outbox[0], state.current.position];""",
        [standing(0), standing(1)],
    )
    assert (made["item"], made["replaces"], current) == ("item 1", "old", 2)


def test_a_break_is_suggested_every_so_many_cases_once(run: Run) -> None:
    # Every 2 cases: before the 3rd and the 5th. Of the current case the server says whether it was taken already.
    due = run(
        "reading-state.js",
        """
        const state = m.begin(value);
        const shown = (position) => ({...state.current, position, item: `item ${position}`});
        return [1, 2, 3, 4, 5].map((n) => m.breakDue(state, shown(n), new Set(["item 5"])))
            .concat(m.breakDue(state, shown(5), new Set()));""",
        standing(2, total=6, conduct={"changes": "never", "break_every": 2, "break_is_due": True}),
    )
    assert due == [False, False, True, False, False, True]


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


def test_pictures_side_by_side_are_as_large_as_they_can_be(run: Run) -> None:
    # Two of 200 x 100. In 400 x 100 beside one another each has 200 x 100: scale 1; below one another 400 x 50: 0.5.
    # In 200 x 200 beside one another 100 x 200: 0.5; below one another 200 x 100: 1.
    assert geometry(
        run, "[m.columnsFor({width: 400, height: 100}, [p, p]), m.columnsFor({width: 200, height: 200}, [p, p])]"
    ) == [2, 1]


def test_the_scale_has_limits(run: Run) -> None:
    # Fitted 0.5, full size on a screen of 2 pixels to one 0.5: at least 0.5, at most 8 times that.
    assert geometry(run, "m.zoomed(m.fitted(f, p), 99, {x: 0, y: 0}, f, p, 2).scale") == 4
    assert geometry(run, "m.zoomed(m.fitted(f, p), 0.01, {x: 0, y: 0}, f, p, 2).scale") == 0.5


def test_submission_ids_are_uuids_and_differ(run: Run) -> None:
    ids = run("reading-api.js", "return Array.from({length: 100}, m.newSubmission);")
    assert len(set(ids)) == 100
    import uuid

    assert {uuid.UUID(made).version for made in ids} == {4}


# --- finding a diagnosis: as the server does --------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed", ["mel", "melanoma", "NAEV", "spreading mel", "bcc", "sebor kera", "becker’s", "zzz", " "]
)
def test_the_page_finds_what_the_server_finds(run: Run, administrator: User, typed: str) -> None:
    question = every_kind(open_study(administrator).tests.get())["ranking"]
    question.nodes = []
    expected = [one.id for one in diagnoses.search(question, typed)]
    body = "return m.find(m.prepare(value[0]), value[1]).map((one) => one.id);"
    assert run("reading-search.js", body, [diagnoses.every(question), typed]) == expected


# --- keys -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "code", "action"),
    [
        ("1", "Digit1", "answer-1"), ("&", "Digit1", "answer-1"), ("z", "KeyZ", "undo"), ("Z", "KeyZ", "undo"),
        ("=", "Equal", "larger"), ("?", "Slash", "help"), ("q", "KeyQ", None), ("Enter", "Enter", None),
        (" ", "Space", None),
    ],
)  # fmt: skip
def test_what_a_key_means(run: Run, key: str, code: str, action: str | None) -> None:
    body = "return m.actionOf({key: value[0], code: value[1]}, {off: false, keys: m.USUAL});"
    assert run("reading-keys.js", body, [key, code]) == action


def test_keys_can_be_others_or_none(run: Run) -> None:
    body = """
        const own = {off: value, keys: {...m.USUAL, "answer-1": "j"}};
        const of = (key, code) => m.actionOf({key, code}, own);
        return [of("j", "KeyJ"), of("1", "Digit1"), of("2", "Digit2")];"""
    assert run("reading-keys.js", body, False) == ["answer-1", None, "answer-2"]
    assert run("reading-keys.js", body, True) == [None, None, None]
