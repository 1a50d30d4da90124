"""A reader's session in any design, recorded byte by byte: every stage, kind of question, event, refusal and way back.

What is asked follows from what the server says alone, so that two sessions ask the same as long as it says the same.
"""

import re
import uuid
from typing import Any

from django.http import HttpResponseBase
from django.urls import resolve, reverse

from readerstudy.accounts.models import User
from readerstudy.readers.models import Reader
from readerstudy.readings.allocation import ensure_readings
from tests.replay import Exchange, Recorder
from tests.routes import every_route

JSON = "application/json"
SCREEN = {"dark_seen": "yes", "light_seen": "yes", "colours_seen": "yes"}


def session_of(user: User) -> list[Exchange]:
    """All of the person's readings, one after another, from the page to sign in to the last thanks."""
    browser = Recorder()
    for route in every_route():
        if route.name.startswith("account_") and not route.parameters:
            browser.get(reverse(route.name))
    for method in ("GET", "POST"):
        browser.ask(method, reverse("join", args=["no-such-link"]))
    browser.client.force_login(user)
    browser.follow(browser.get(reverse("home")))
    for reader in Reader.objects.filter(user=user):
        as_a_person(browser, reader.study_id)
    while (started := browser.get(reverse("reading-start")))["Location"] != reverse("home"):
        Session(browser, started["Location"]).read()
    for reading in ensure_readings(user):  # one that waits for the end of a wash-out is refused
        first = reading.items.order_by("position")[0]
        waiting = Session(browser, reverse("read", args=[reading.uuid]))
        waiting.look_around([], [str(first.uuid)])
        browser.get(waiting.api)
        for sure in ("", "yes"):
            browser.follow(browser.ask("POST", waiting.address("read-withdraw"), {"sure": sure}))
    browser.get(reverse("home"))
    return browser.exchanges


def as_a_person(browser: Recorder, study_pk: int) -> None:
    """A language, a profile that is told anew, and a consent text that was amended."""
    for language in ("de", "en"):
        browser.ask("POST", reverse("language"), {"language": language})
        browser.get(reverse("home"))
    told = {
        "specialty": "dermatology", "board_certified": "yes", "years_of_practice": "8", "dermoscopy_training": "course",
        "country": "AT", "device": "tablet",
    }  # fmt: skip
    agree, profile = (reverse(name, args=[study_pk]) for name in ("agree", "reader-profile"))
    shown = re.search(r'name="text_sha256" value="(\w+)"', browser.get(agree) and browser.text())
    agreed = {"agree": "on", "text_sha256": shown[1] if shown else ""}
    browser.get(profile)
    for address, content in ((agree, {}), (agree, agreed), (profile, {}), (profile, told)):
        browser.follow(browser.ask("POST", address, content))


def routes_of(exchanges: list[Exchange]) -> dict[str, dict[str, set[int]]]:
    """Route -> the methods by which it was asked, each with the statuses that came back."""
    asked: dict[str, dict[str, set[int]]] = {}
    for exchange in exchanges:
        method, address = exchange.asked.split(" ", 1)
        name = resolve(address.partition("?")[0]).view_name
        asked.setdefault(name, {}).setdefault(method, set()).add(exchange.status)
    return asked


class Session:
    """One reading: by the API and by plain forms in turns."""

    def __init__(self, browser: Recorder, page: str) -> None:
        self.browser, self.page = browser, page
        self.uuid = resolve(page).kwargs["uuid"]
        self.api, self.events, self.diagnoses = (
            reverse(name, args=[self.uuid]) for name in ("api-read", "api-read-events", "api-read-diagnoses")
        )
        self.turn = 0

    def address(self, name: str, *args: Any) -> str:
        return reverse(name, args=[self.uuid, *args])

    def post(self, address: str, content: dict[str, Any]) -> HttpResponseBase:
        return self.browser.ask("POST", address, content, JSON)

    def state(self) -> dict[str, Any]:
        return self.browser.get(self.api).json()  # type: ignore[attr-defined, no-any-return]

    def read(self) -> None:
        self.browser.get(self.address("read-withdraw"))
        self.check_the_screen()
        self.post(self.events, {"id": str(uuid.uuid4()), "kind": "keys-changed", "detail": {"off": False, "keys": {}}})
        self.browser.ask("POST", self.address("read-end"))  # too early
        past: list[str] = []
        while (state := self.state())["current"]:
            self.turn += 1
            if self.turn <= 4:
                self.look_around([state["current"], *filter(None, [state["next"]])], past)
            else:
                self.look_around([state["current"]])
            if self.turn <= 2:
                self.report(state)
                self.search(state)
            self.answer(state)
            if state["current"]["is_last"]:
                past.append(state["current"]["item"])
            self.look_back(self.state())
        self.browser.follow(self.browser.get(self.page))
        self.browser.follow(self.browser.ask("POST", self.address("read-end")))
        self.browser.follow(self.browser.ask("POST", self.address("read-end")))  # again
        for item in past[-1:]:
            self.browser.get(f"{self.page}?item={item}")
        self.browser.get(self.address("read-done"))
        self.browser.ask("POST", self.address("read-another"))

    def check_the_screen(self) -> None:
        self.browser.follow(self.browser.get(self.page))
        address = self.address("read-screen")
        self.browser.follow(self.browser.get(address))
        for steps in ("", "12", "18"):
            self.browser.follow(self.browser.ask("POST", address, {**SCREEN, "steps_seen": steps}))

    def look_around(self, cases: list[dict[str, Any]], past: list[str] | None = None) -> None:
        """The page, the pictures and the advice of the cases in sight, of the last ones, and of others."""
        self.browser.get(self.page)
        self.browser.get(self.address("read-done"))
        for item in [*(case["item"] for case in cases), *(past or [])[-1:]]:
            for position in (1, 2):
                self.browser.get(self.address("read-picture", item, position))
            told = self.browser.get(self.address("read-advice", item))
            pictures = re.findall(r'<img src="([^"]+)"', self.browser.text()) if told.status_code == 200 else []
            for picture in (*pictures, self.address("read-advice-picture", item, len(pictures) + 1)):
                self.browser.get(picture)
            self.browser.get(f"{self.api}?item={item}")
            self.browser.get(f"{self.page}?item={item}")

    def report(self, state: dict[str, Any]) -> None:
        current = state["current"]
        details: dict[str, dict[str, Any]] = {
            "break": {"seconds": 0}, "more-time": {"seconds": 5, "stage": current["stage"]}, "nothing": {},
        }  # fmt: skip
        for kind, detail in details.items():
            event = {"id": str(uuid.uuid4()), "kind": kind, "detail": detail, "item": current["item"]}
            self.post(self.events, event)
            if state["next"]:
                self.post(self.events, {**event, "id": str(uuid.uuid4()), "item": state["next"]["item"]})

    def search(self, state: dict[str, Any]) -> None:
        for question in self.questions(state):
            for text in ("", "&q=nodular mel"):
                self.browser.get(f"{self.diagnoses}?question={question['id']}{text}")

    def questions(self, state: dict[str, Any]) -> list[dict[str, Any]]:
        due = state["current"]["stage"]
        return next(stage["questions"] for stage in state["stages"] if stage["stage"] == due)  # type: ignore[no-any-return]

    def given(self, question: dict[str, Any]) -> dict[str, Any]:
        match question["kind"]:
            case "scale":
                return {"number": question["least"] + self.turn % 2}
            case "ranking":
                return {"nodes": ["nodular-melanoma", "blue-naevus"][: 1 + self.turn % 2]}
            case "text":
                return {"text": "irregular"}
            case _:
                return {"choice": question["choices"][self.turn % len(question["choices"])]["id"]}

    def answer(self, state: dict[str, Any]) -> None:
        """Too early, incomplete, right, twice, otherwise; every second time by the plain form."""
        current = state["current"]
        answers = {str(question["id"]): self.given(question) for question in self.questions(state)}
        sent = {"item": current["item"], "stage": current["stage"], "submission": str(uuid.uuid4()), "answers": answers}
        for wrong in ({"item": state["next"]["item"]} if state["next"] else {}, {"stage": 9}, {"answers": {}}):
            self.post(self.api, {**sent, **wrong, "submission": str(uuid.uuid4())}) if wrong else None
        if self.turn % 2:
            assert self.post(self.api, sent).status_code == 200, self.browser.text()
        else:
            self.by_form(sent)
        self.post(self.api, sent)
        self.post(self.api, {**sent, "answers": {}})
        self.post(self.api, {**sent, "submission": str(uuid.uuid4())})

    def by_form(self, sent: dict[str, Any]) -> None:
        fields = {name: str(sent[name]) for name in ("item", "stage", "submission")}
        for question, given in sent["answers"].items():
            if "nodes" in given:
                fields |= {f"question-{question}-{place}": node for place, node in enumerate(given["nodes"], start=1)}
            else:
                fields[f"question-{question}"] = str(*given.values())
        response = self.browser.ask("POST", self.page, fields)
        assert response.status_code == 302, self.browser.text()
        self.browser.follow(response)

    def look_back(self, state: dict[str, Any]) -> None:
        """At the feedback of practice, and at the last answer that may be changed; every third time it is."""
        for item in [state["feedback"]["item"]] if state["feedback"] else []:
            self.browser.get(f"{self.page}?item={item}")
            self.browser.get(f"{self.api}?item={item}")
            self.browser.get(self.address("read-picture", item, 1))
        for place in state["changeable"][-1:]:
            self.browser.get(f"{self.page}?item={place['item']}")
            again = self.browser.get(f"{self.api}?item={place['item']}").json()["again"]  # type: ignore[attr-defined]
            change = {
                "item": place["item"], "stage": again["stage"], "submission": str(uuid.uuid4()),
                "replaces": again["given"]["submission"], "answers": again["given"]["answers"],
            }  # fmt: skip
            if self.turn % 3 == 0:
                self.post(self.api, change)
            self.post(self.api, {**change, "submission": str(uuid.uuid4()), "replaces": str(uuid.uuid4())})
