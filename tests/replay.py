"""A reader's whole session, recorded byte by byte, so that two of them can be compared.

Random tokens are all that is taken out before comparing, each kind by its own rule in `Comparable`.
"""

import re
import uuid
from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.http import HttpResponse, HttpResponseBase
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.readings.models import Reading
from readerstudy.studies.models import Study
from readerstudy.studies.protocol import text_sha256


@dataclass(frozen=True)
class Exchange:
    """What was asked, and every byte of what came back."""

    asked: str
    status: int
    headers: list[tuple[str, str]]
    cookies: list[tuple[str, str, str]]
    body: bytes

    def everything(self) -> bytes:
        lines = [f"{name}: {value}" for name, value in self.headers]
        lines += [f"{name}={value} {attributes}" for name, value, attributes in self.cookies]
        return "\n".join([str(self.status), *lines, ""]).encode() + self.body


def body_of(response: HttpResponseBase) -> bytes:
    if response.streaming:
        return b"".join(response.streaming_content)
    assert isinstance(response, HttpResponse)
    return response.content


class Recorder:
    """A browser that remembers all that it received."""

    def __init__(self) -> None:
        self.client = Client()
        self.exchanges: list[Exchange] = []

    def ask(self, method: str, address: str, data: Any = None, content_type: str | None = None) -> HttpResponseBase:
        options: dict[str, Any] = {"content_type": content_type} if content_type else {}
        response = getattr(self.client, method.lower())(address, data, **options)
        cookies = [
            (
                name,
                morsel.value,
                ";".join(f"{key}={morsel[key]}" for key in ("path", "max-age", "samesite", "httponly")),
            )
            for name, morsel in response.cookies.items()
        ]
        made = Exchange(f"{method} {address}", response.status_code, list(response.items()), cookies, body_of(response))
        self.exchanges.append(made)
        return response

    def get(self, address: str) -> HttpResponseBase:
        return self.ask("GET", address)

    def follow(self, response: HttpResponseBase) -> HttpResponseBase:
        """Go where a redirect leads, each step recorded."""
        while response.status_code in (301, 302, 303):
            response = self.get(response["Location"])
        return response

    def text(self) -> str:
        """The last page."""
        return self.exchanges[-1].body.decode()


class Comparable:
    """Takes the random tokens out of the exchanges of one session, and nothing else.

    - a UUID becomes its number in the order of first appearance: the same address at the same places stays the same;
    - the secret against forged requests in a form, and the values of the session's and that secret's cookie, which are
      random and of a fixed length;
    - the time stamp and the signature of a cookie with messages; its text stays;
    - the value of `Expires`, which is a date.
    """

    _UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
    _FORM_TOKEN = re.compile(rb'(name="csrfmiddlewaretoken" value=")[A-Za-z0-9]{64}(")')

    def __init__(self) -> None:
        self.seen: dict[bytes, bytes] = {}

    def __call__(self, exchange: Exchange) -> tuple[str, int, list[tuple[str, str]], list[tuple[str, str, str]], bytes]:
        is_picture = dict(exchange.headers).get("Content-Type", "").startswith("image/")
        return (
            self._plain(exchange.asked.encode()).decode(),
            exchange.status,
            [(name, self._header(name, value)) for name, value in exchange.headers],
            [(name, self._cookie(name, value), attributes) for name, value, attributes in exchange.cookies],
            exchange.body if is_picture else self._plain(exchange.body),
        )

    def _plain(self, text: bytes) -> bytes:
        text = self._UUID.sub(lambda found: self.seen.setdefault(found[0], b"<uuid %d>" % (len(self.seen) + 1)), text)
        return self._FORM_TOKEN.sub(rb"\1<token>\2", text)

    def _header(self, name: str, value: str) -> str:
        return "<date>" if name == "Expires" else self._plain(value.encode()).decode()

    def _cookie(self, name: str, value: str) -> str:
        if name in ("csrftoken", "sessionid"):
            return f"<token of {len(value)}>"
        if name == "messages" and value:
            return str(signing.get_cookie_signer(salt="django.contrib.messages").unsign(value))
        return value


# --- the session -----------------------------------------------------------------------------------------------------


def whole_session(study: Study, token: str) -> list[Exchange]:
    """All that a reader does, from the link in the letter to the end of his tests; returns all that he received.

    A new stage or page of a reading gets its step here.
    """
    browser = Recorder()
    join(browser, study, token)
    browser.get(reverse("home"))
    read_by_forms(browser)
    browser.get(reverse("home"))
    browser.ask("POST", reverse("language"), {"language": "de"})
    read_by_script(browser)
    browser.ask("POST", reverse("language"), {"language": "en"})
    browser.get(reverse("home"))
    browser.follow(browser.get(reverse("reading-start")))
    browser.get(reverse("join", args=[token]))
    browser.follow(browser.ask("POST", reverse("account_logout")))
    return browser.exchanges


def join(browser: Recorder, study: Study, token: str) -> None:
    """Look at the link, forget a field, then agree."""
    address = reverse("join", args=[token])
    browser.get(address)
    agreed = {
        "text_sha256": text_sha256(study.consent_text), "specialty": "dermatology", "board_certified": "yes",
        "years_of_practice": "7", "dermoscopy_training": "course", "country": "AT", "device": "tablet", "agree": "on",
    }  # fmt: skip
    browser.ask("POST", address, {**agreed, "agree": ""})
    response = browser.ask("POST", address, agreed)
    assert response.status_code == 302, browser.text()


def _address_of_reading(browser: Recorder) -> str:
    response = browser.get(reverse("reading-start"))
    assert response.status_code == 302
    return response["Location"]


def _hidden(page: str, name: str) -> str:
    return re.search(rf'name="{name}" value="([^"]+)"', page)[1]  # type: ignore[index]


def read_by_forms(browser: Recorder) -> None:
    """A test without script: each page, its picture, the answer, now and then twice or too late."""
    address = _address_of_reading(browser)
    number = 0
    while True:
        response = browser.get(address)
        if response.status_code == 302:
            break
        number += 1
        page = browser.text()
        pictures = re.findall(r'<img src="([^"]+)"', page)
        assert pictures
        for picture in pictures:
            assert browser.get(picture).status_code == 200
        buttons = re.findall(r'name="(question-\d+)" value="(\d+)"', page)
        question, choice = buttons[number % 2]
        answer = {name: _hidden(page, name) for name in ("item", "stage", "submission")} | {question: choice}
        assert browser.ask("POST", address, answer).status_code == 302
        browser.ask("POST", address, answer)  # a double click
        browser.ask("POST", address, {**answer, question: buttons[1 - number % 2][1]})  # back, and the other button
        browser.ask("POST", address, {**answer, "submission": str(uuid.uuid4())})  # a second tab
        assert browser.get(pictures[0]).status_code == 404  # past
    assert number == 6
    browser.follow(response)


def read_by_script(browser: Recorder) -> None:
    """A test as the page's script reads it: state, this picture and the next, the answer, now and then again."""
    address = _address_of_reading(browser)
    browser.get(address)
    api = re.search(r'data-api="([^"]+)"', browser.text())[1]  # type: ignore[index]
    state = browser.get(api).json()  # type: ignore[attr-defined]
    assert state["total"] == 6
    while state["current"]:
        for shown in filter(None, (state["current"], state["next"])):
            for picture in shown["pictures"]:
                assert browser.get(picture["src"]).status_code == 200
        if state["next"]:  # too early
            browser.ask("POST", api, _submission(state, "next"), "application/json")
        answer = _submission(state, "current")
        response = browser.ask("POST", api, answer, "application/json")
        assert response.status_code == 200, browser.text()
        browser.ask("POST", api, answer, "application/json")
        browser.ask("POST", api, {**answer, "answers": {}}, "application/json")
        browser.ask("POST", api, {**answer, "submission": str(uuid.uuid4())}, "application/json")
        state = response.json()  # type: ignore[attr-defined]
    browser.follow(browser.get(address))


def read_with_advice(user: User, reading: Reading) -> list[Exchange]:
    """A test in two stages as a script reads it: advice is asked for before its time, when it is due, and too late.

    With the plain page at each stage, every picture of the advice, and one more than there are.
    """
    browser = Recorder()
    browser.client.force_login(user)
    page, api = reverse("read", args=[reading.uuid]), reverse("api-read", args=[reading.uuid])
    state = browser.get(api).json()  # type: ignore[attr-defined]
    past: list[str] = []
    while state["current"]:
        current = state["current"]
        browser.get(page)
        for item in filter(None, (current["item"], state["next"] and state["next"]["item"], *past[-1:])):
            address = reverse("read-advice", args=[reading.uuid, item])
            told = browser.get(address)
            pictures = re.findall(r'<img src="([^"]+)"', browser.text()) if told.status_code == 200 else []
            for picture in (*pictures, f"{address}{len(pictures) + 1}/"):
                browser.get(picture)
        questions = next(stage["questions"] for stage in state["stages"] if stage["stage"] == current["stage"])
        answers = {str(question["id"]): {"choice": question["choices"][0]["id"]} for question in questions}
        sent = {"item": current["item"], "stage": current["stage"], "submission": str(uuid.uuid4()), "answers": answers}
        if current["is_last"]:
            past.append(current["item"])
        state = browser.ask("POST", api, sent, "application/json").json()  # type: ignore[attr-defined]
    return browser.exchanges


def _submission(state: dict[str, Any], which: str) -> dict[str, Any]:
    answered = state["answered"]
    (stage,) = state["stages"]
    answers = {
        str(question["id"]): {"choice": question["choices"][answered % 2]["id"]} for question in stage["questions"]
    }
    return {"item": state[which]["item"], "stage": 1, "submission": str(uuid.uuid4()), "answers": answers,
            "shown_at": "2026-03-01T09:00:00Z", "answered_at": "2026-03-01T09:00:07Z"}  # fmt: skip
