"""Nothing that people read is left untranslated: every marked string is in the catalogue, and none is left unmarked."""

import ast
import os
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polib
import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import translation

from readerstudy.accounts.models import User
from readerstudy.readers import invitations
from readerstudy.readings.allocation import ensure_readings
from readerstudy.studies import protocol
from tests.builders import open_study
from tests.readings.conftest import answer_all

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "readerstudy/locale/de/LC_MESSAGES/django.po"
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*") if path.suffix in (".html", ".txt"))
# What is the same in every language: names, units, letters of statistics.
SAME = {
    "2 × 2", "AUC", "b", "c", "Cov1", "Cov2", "Cov3", "CSV", "FN", "FP", "HTML", "JSON", "n", "p", "PDF", "PNG", "ROC",
    "SD", "SHA-256", "SVG", "TN", "TP", "UTC", "ZIP",
}  # fmt: skip
GETTEXT = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
MARKED_ELSEWHERE = {"words"}  # images/sniffing.py: by gettext_noop, where the words stand
PLACEHOLDER = re.compile(r"%\(\w+\)[-+ #0]*\d*(?:\.\d+)?[a-z]|%[-+#0]*\d*(?:\.\d+)?[sdfgx]|\{\w+\}|</?\w+>|%%")


@pytest.fixture(scope="module")
def catalogue() -> polib.POFile:
    return polib.pofile(str(CATALOGUE))


def ids(catalogue: polib.POFile) -> set[tuple[str | None, str, str]]:
    return {(entry.msgctxt, entry.msgid, entry.msgid_plural) for entry in catalogue if not entry.obsolete}


def forms(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


# --- marked strings --------------------------------------------------------------------------------------------------


def test_the_catalogue_has_every_marked_string(
    catalogue: polib.POFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """As `makemessages` finds them, in a copy: it writes beside the templates while it works."""
    if shutil.which("xgettext") is None:
        assert os.environ.get("CI") != "true", "xgettext is missing: install gettext"
        pytest.skip("xgettext is missing (Debian: apt-get install gettext)")
    for folder in ("readerstudy", "templates"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "locale"))
    settings.LOCALE_PATHS = [tmp_path / "locale"]
    settings.LOCALE_PATHS[0].mkdir()
    monkeypatch.chdir(tmp_path)
    call_command("makemessages", locale=["de"], verbosity=0)
    found = polib.pofile(str(tmp_path / "locale/de/LC_MESSAGES/django.po"))
    assert len(found) > 1000
    assert ids(found) - ids(catalogue) == set(), "not in the catalogue: see “Contribute” in the README"
    assert ids(catalogue) - ids(found) == set(), "no longer in the code: see “Contribute” in the README"


def test_the_catalogue_has_every_string_that_python_looks_up(catalogue: polib.POFile) -> None:
    """What xgettext overlooks: a call within an f-string, an escaped character, a text that is no literal."""
    known = {entry.msgid for entry in catalogue}
    looked_up, lost = 0, []
    for path in sorted((ROOT / "readerstudy").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in GETTEXT:
                continue
            looked_up += 1
            text = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
            if text not in known and ast.unparse(node.args[0]) not in MARKED_ELSEWHERE:
                lost.append(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node.args[0])}")
    assert looked_up > 1000
    assert lost == []


def test_every_string_is_translated_whole(catalogue: polib.POFile) -> None:
    assert len(catalogue) > 1000
    lacking = [entry.msgid for entry in catalogue if entry.obsolete or entry.fuzzy or not all(forms(entry))]
    assert lacking == []
    wrong = []
    for entry in catalogue:
        wanted = [sorted(PLACEHOLDER.findall(text)) for text in (entry.msgid, entry.msgid_plural) if text]
        edges = re.match(r"^\s*", entry.msgid)[0], re.search(r"\s*$", entry.msgid)[0]  # type: ignore[index]
        for text in forms(entry):
            is_framed = (re.match(r"^\s*", text)[0], re.search(r"\s*$", text)[0]) == edges  # type: ignore[index]
            if sorted(PLACEHOLDER.findall(text)) not in wanted or not is_framed:
                wrong.append((entry.msgid, text))
    assert wrong == []


def test_quotation_marks_are_german(catalogue: polib.POFile) -> None:
    texts = [text for entry in catalogue for text in forms(entry)]
    quoted = [text for text in texts if re.search("[„“”]", text)]
    assert len(quoted) > 100
    assert [text for text in quoted if "”" in text or text.count("„") != text.count("“")] == []


def test_the_compiled_catalogue_is_that_of_the_text(catalogue: polib.POFile) -> None:
    """Users have no gettext tools: what they run is the compiled file in the repository."""
    compiled = polib.mofile(str(CATALOGUE.with_suffix(".mo")))

    def content(file: Any) -> dict[Any, list[str]]:
        return {(entry.msgctxt, entry.msgid, entry.msgid_plural): forms(entry) for entry in file}

    assert content(compiled) == content(catalogue)
    assert compiled.metadata["Plural-Forms"] == catalogue.metadata["Plural-Forms"]


# --- unmarked strings ------------------------------------------------------------------------------------------------

SPOKEN = ("alt", "title", "aria-label", "aria-description", "placeholder", "label", "data-label", "data-copied")
MARKED = re.compile(
    r"{% block \w+_class %}.*?{% endblock %}|{#.*?#}|{% comment.*?{% endcomment %}"
    r"|{% blocktrans(?:late)?\b.*?{% endblocktrans(?:late)? %}|{%.*?%}|{{.*?}}",
    re.S,
)
SILENT = ("script", "style", "code", "kbd")  # a program's words are the same in every language


def bare(template: str) -> str:
    """The template without what Django fills in; each line stays where it was."""
    return MARKED.sub(lambda found: re.sub(r"[^\n]", "", found[0]), template)


class Words(HTMLParser):
    """Collects (line, text) of what a person reads or hears."""

    def __init__(self) -> None:
        super().__init__()
        self.silent = 0
        self.found: list[tuple[int, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.silent += tag in SILENT
        for name, value in attrs:
            if name in SPOKEN or name.startswith("data-say-"):
                self.take(value or "")

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in SILENT

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.take(data)

    def take(self, text: str) -> None:
        for offset, line in enumerate(text.split("\n")):
            if re.search(r"[^\W\d_]", line) and line.strip(" \t.,:;()·/%=<>*→−") not in SAME:
                self.found.append((self.getpos()[0] + offset, line.strip()))


def words_of(path: Path) -> list[tuple[int, str]]:
    words = Words()
    if path.suffix == ".txt":
        words.take(bare(path.read_text(encoding="utf-8")))
        return [(line, text) for line, text in words.found]
    words.feed(bare(path.read_text(encoding="utf-8")))
    words.close()
    return words.found


def test_the_templates_have_no_unmarked_words() -> None:
    assert len(TEMPLATES) > 100
    found = [f"{path.relative_to(ROOT)}:{line}: {text}" for path in TEMPLATES for line, text in words_of(path)]
    assert found == []


@pytest.mark.parametrize(
    "template",
    ["<p>Go on</p>", '<img alt="A lesion">', '{% if a %}<b title="Zoom">{% endif %}', "{% translate “a” %} and more"],
)
def test_unmarked_words_are_found(template: str, tmp_path: Path) -> None:
    """Without this, the test above could pass because it sees nothing."""
    (tmp_path / "one.html").write_text(template, encoding="utf-8")
    assert len(words_of(tmp_path / "one.html")) == 1


def test_the_scripts_have_no_words_of_their_own() -> None:
    """They take them from the page, which the server made: see templates/readings/texts.html."""
    files = sorted((ROOT / "static/js").glob("*.js"))
    assert len(files) > 10
    spoken = re.compile(
        r"""(?:textContent|innerText|ariaLabel|\.title|\.alt|placeholder)\s*[=:]\s*[`"'][^`"']*[A-Za-z]{2}"""
    )
    attributes = re.compile(r"""setAttribute\("(?:aria-label|title|alt|placeholder)",\s*[`"'][^`"']*[A-Za-z]{2}""")
    found = []
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            plain = re.sub(r"\$\{[^}]*\}", "", line)
            if spoken.search(plain) or attributes.search(plain):
                found.append(f"{file.name}:{number}: {line.strip()}")
    assert found == []


ROOMS = ("accounts", "images", "studies", "readers", "readings", "scoring", "results")
SAID_BY = {"label", "help_text", "verbose_name", "empty_label"}
REFUSALS = {"ImagesError", "CellError", "StudiesError", "ReadersError", "ScoringError", "ValidationError"}
# What only a program or the command line is told.
NOT_ON_A_PAGE = (
    "migrations/", "management/", "benchmark/", "results/stats/", "results/importing/", "scoring/jobs.py",
    "scoring/outcomes.py", "scoring/tasks.py", "studies/allocation.py",
)  # fmt: skip
MALFORMED = {"a question or an answer that is none"}  # becomes a refusal with words of its own


def unmarked_in_python(path: Path) -> Iterator[str]:
    """Literal words in the label of a form or a model, in a room's refusal, or in a message to a person."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = getattr(node.func.value, "id", "") if isinstance(node.func, ast.Attribute) else ""
        said = [keyword.value for keyword in node.keywords if keyword.arg in SAID_BY]
        if owner == "messages" or (name in REFUSALS and owner != "serializers"):
            said += node.args
        for value in said:
            for part in value.values if isinstance(value, ast.JoinedStr) else [value]:
                if isinstance(part, ast.Constant) and " " in str(part.value).strip() and part.value not in MALFORMED:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}: {part.value}"


def test_the_rooms_have_no_unmarked_labels_refusals_or_messages() -> None:
    files = [path for room in ROOMS for path in sorted((ROOT / "readerstudy" / room).rglob("*.py"))]
    files = [path for path in files if not any(part in path.as_posix() for part in NOT_ON_A_PAGE)]
    assert len(files) > 150
    assert [line for path in files for line in unmarked_in_python(path)] == []


# --- pages in German -------------------------------------------------------------------------------------------------


class Heard(Words):
    """What a person reads or hears of a finished page."""

    def take(self, text: str) -> None:
        if text.strip():
            self.found.append((self.getpos()[0], " ".join(text.split())))


def heard(page: Any, status: int = 200) -> list[str]:
    assert page.status_code == status
    content = page.content.decode()
    assert '<html lang="de">' in content
    words = Heard()
    words.feed(content)
    words.close()
    return [text for _line, text in words.found]


def test_readers_pages_are_german_throughout(catalogue: polib.POFile, administrator: User) -> None:
    """No text of a reader's page is one that the catalogue translates otherwise: sentences first, buttons too."""
    study = open_study(administrator)
    asked = {study.title, study.description, "What would you do?", "Biopsy or treat", "Reassure the patient"}
    english = {
        entry.msgid for entry in catalogue
        if entry.msgid not in {*forms(entry), *asked} and not PLACEHOLDER.search(entry.msgid)
    }  # fmt: skip
    assert len(english) > 800
    reader, token = invitations.invite(
        study=study, email="new@example.org", tests=study.tests.all(), actor=administrator
    )
    with translation.override("en"):  # a request leaves its language behind in this thread
        client = Client(headers={"Accept-Language": "de-DE,de"})
        join = reverse("join", args=[token])
        pages = [heard(client.get(reverse(f"account_{name}"))) for name in ("login", "request_login_code", "signup")]
        pages += [heard(client.get(join)), heard(client.post(join, {})), heard(client.get("/join/nothing/"), 404)]
        pages.append(heard(client.get("/nothing/"), 404))
        profile = {
            "specialty": "dermatology", "board_certified": "yes", "years_of_practice": "12",
            "dermoscopy_training": "course", "country": "DE", "device": "tablet", "agree": "on",
        }  # fmt: skip
        client.post(join, {**profile, "text_sha256": protocol.text_sha256(study.consent_text)})
        pages.append(heard(client.get(reverse("home"))))
        reader.refresh_from_db()
        (reading,) = ensure_readings(reader.user)
        case = heard(client.get(reverse("read", args=[reading.uuid])))
        assert {"1 von 7", "Fall {position} von {total}", "Tasten"} <= set(case)
        answer_all(reading)
        pages += [case, heard(client.get(reverse("read-done", args=[reading.uuid])))]
        protocol.close_study(study, actor=administrator)
        pages.append(heard(client.get(reverse("read", args=[reading.uuid])), 410))
    texts = {text for page in pages for text in page}
    assert len(texts) > 100
    assert texts & english == set()
