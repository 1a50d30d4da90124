"""A study is copied, and written to JSON and read again: the same protocol but for title and seed, or nothing."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.studies import drafting, exchange, protocol
from readerstudy.studies.drafts import ArmDraft, ChoiceDraft, QuestionDraft, StageDraft, decision
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import Arm, Question, Study, Test
from tests.builders import draft_study, image_set

MODEL = "ab" * 32


@pytest.fixture
def study(administrator: User) -> Study:
    """Three tests, the second taken out again, so that positions have a gap; with everything that a test can have."""
    images = [image_set(administrator, diagnoses=["melanoma"] * 5 + ["melanocytic-naevus"] * 5) for _set in range(3)]
    made = draft_study(administrator, image_sets=images, title="Ours", sample_size=8, sample_positives=4)
    first, second, third = made.tests.all()
    drafting.delete_test(second, actor=administrator)
    for test, columns in (
        (first, {"pass_mark": 60, "histopathology_only": True, "modality": "clinical"}),
        (third, {
            "requires": first, "cases_read": "sample", "cases_per_reading": 6, "positives_per_reading": 3,
            "order": "stratified", "arms_design": "alternating", "block_size": 3, "repeats": 1, "repeat_distance": 2,
            "changes": "until-next", "time_limit": "soft", "seconds_per_case": 60, "break_every": 4,
            "zoom_allowed": False, "screen_check": "required", "shows_own_result": True, "images_per_case": 2,
            "practice_set": images[1], "practice_cases": 2, "attention_set": images[1], "attention_cases": 2,
        }),
    ):  # fmt: skip
        for name, value in columns.items():
            setattr(test, name, value)
        drafting.save_test(test, actor=administrator)
    stages = [
        StageDraft([decision("Biopsy?", [("Yes", True), ("No", False)])], "First.", modalities=("clinical",)),
        StageDraft(
            [
                QuestionDraft(
                    "Which?", Question.Kind.CLASSES, allows_cannot_assess=True,
                    choices=(ChoiceDraft("M", True, "melanoma"), ChoiceDraft("N", False, "melanocytic-naevus")),
                ),
                QuestionDraft("In order?", Question.Kind.RANKING, most=3, nodes=("malignant",), is_required=False),
                QuestionDraft("Sure?", Question.Kind.SCALE, least=-2, most=2, least_label="no", most_label="yes"),
            ],
            shows_advice=True,
        ),
    ]  # fmt: skip
    known = image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"])
    arms = [ArmDraft("None"), ArmDraft("Advice", Arm.Advice.NEIGHBOURS, MODEL, 20, known)]
    drafting.save_test(third, stages=stages, arms=arms, actor=administrator)
    assert protocol.missing(made) == []
    return made


def but_for_title_and_seed(document: dict[str, Any]) -> dict[str, Any]:
    """The document without what a copy has of its own; the seeds of draws follow from the study's seed."""
    plain: dict[str, Any] = json.loads(json.dumps(document))
    del plain["study"]["title"], plain["study"]["seed"], plain["analysis_plan"]["bootstrap"]["seed"]
    for test in plain["tests"]:
        del test["sample"]["seeds"], test["allotment"]["seed"]
        test["cases"] = []
    return plain


def content(study: Study) -> bytes:
    return json.dumps(protocol.document(study)).encode()


def test_a_copy_is_the_same_protocol_with_another_seed(study: Study, administrator: User) -> None:
    made = exchange.copy_study(study, actor=administrator)
    assert but_for_title_and_seed(protocol.document(made)) == but_for_title_and_seed(protocol.document(study))
    assert (made.title, made.state) == ("Copy of Ours", Study.State.DRAFT)
    assert made.seed != study.seed
    assert [test.position for test in made.tests.all()] == [1, 3]
    assert made.tests.last().requires == made.tests.first()  # type: ignore[union-attr]
    assert AuditEntry.objects.get(action="study.copied").details == {"source": study.pk}
    # Changing the copy leaves the first study alone.
    before = protocol.document(study)
    drafting.save_test(made.tests.last(), arms=[], stages=[], actor=administrator)  # type: ignore[arg-type]
    assert protocol.document(study) == before


def test_an_open_study_is_copied_as_a_draft_and_opens(study: Study, administrator: User) -> None:
    protocol.open_study(study, actor=administrator)
    made = exchange.copy_study(study, actor=administrator)
    assert (made.state, made.opened_at) == (Study.State.DRAFT, None)
    assert but_for_title_and_seed(protocol.document(made)) == but_for_title_and_seed(protocol.document(study))
    protocol.open_study(made, actor=administrator)


def test_the_longest_title_can_be_copied(study: Study, administrator: User) -> None:
    Study.objects.filter(pk=study.pk).update(title="x" * 200)
    made = exchange.copy_study(Study.objects.get(pk=study.pk), actor=administrator)
    assert made.title == ("Copy of " + "x" * 200)[:200]


def test_what_was_written_is_read_again(study: Study, administrator: User) -> None:
    made = exchange.import_study(content(study), actor=administrator, models={MODEL})
    assert but_for_title_and_seed(protocol.document(made)) == but_for_title_and_seed(protocol.document(study))
    assert (made.title, made.state) == ("Ours", Study.State.DRAFT)
    assert made.seed != study.seed
    assert AuditEntry.objects.filter(action="study.imported", target_id=str(made.pk)).count() == 1
    protocol.open_study(made, actor=administrator)


def test_a_frozen_protocol_with_its_seed_draws_the_same_cases(study: Study, administrator: User) -> None:
    frozen = protocol.open_study(study, actor=administrator)
    api = json.dumps({"number": 1, "sha256": frozen.sha256, "document": frozen.document}).encode()
    for given in (json.dumps(frozen.document).encode(), b"\xef\xbb\xbf" + api):
        made = exchange.import_study(given, actor=administrator, keep_seed=True)
        assert not Study.objects.get(pk=made.pk).tests.filter(cases__isnull=False).exists()
        again = protocol.open_study(made, actor=administrator)
        assert again.document == frozen.document
        assert again.sha256 == frozen.sha256


def test_twice_makes_two_studies(study: Study, administrator: User) -> None:
    one, two = (exchange.import_study(content(study), actor=administrator) for _time in range(2))
    assert one.seed != two.seed
    assert Study.objects.count() == 3


# --- what is missing or wrong ----------------------------------------------------------------------------------------


def change(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def spoil(document: dict[str, Any]) -> None:
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return spoil


def without(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def spoil(document: dict[str, Any]) -> None:
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return spoil


QUESTION = ("tests", 1, "stages", 1, "questions", 0)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (change("tests", 0, "image_set", "sha256", to="f" * 64), f"(SHA-256 {'f' * 64}) is not stored here"),
        (
            change("tests", 1, "practice", "image_set", "sha256", to="e" * 64),
            f"{'e' * 64}) is not stored here",
        ),
        (change("tests", 0, "positive", 0, "id", to="melanomma"), "has no node “melanomma” (malignant melanoma)"),
        (change(*QUESTION, "choices", 0, "node", "id", to="nowhere"), "has no node “nowhere”"),
        (change("tests", 1, "stages", 1, "questions", 1, "nodes", 0, "id", to="nowhere"), "has no node “nowhere”"),
        (change("tests", 1, "arms", 1, "model_sha256", to="c" * 64), f"The model with the SHA-256 {'c' * 64}"),
        (change("format", to="readerstudy protocol 1"), "The file's format is “readerstudy protocol 1”"),
        (without("format"), "it lacks “format”"),
        (without("study", "consent"), "study.consent is missing"),
        (without("tests", 1, "allotment", "repeats"), "tests.1.allotment.repeats is missing"),
        (change("tests", to={}), "tests: a list is expected, not {}"),
        (change("tests", 0, to=7), "tests.0: an object is expected, not 7"),
        (change("study", "title", to=None), "study.title: a text is expected, not None"),
        (change("study", "title", to="a\x00b"), "study.title: a text is expected"),
        (change("study", "contact", to="\ud800"), "study.contact: a text is expected"),
        (change("study", "seed", to=-1), "study: seed: -1 is not between 0 and 9223372036854775807"),
        (change("study", "title", to=""), "title: This field cannot be blank"),
        (change("tests", 0, "sample", "size", to=True), "tests.0.sample.size: a whole number is expected, not True"),
        (change("tests", 0, "sample", "size", to=2.5), "tests.0.sample.size: a whole number is expected, not 2.5"),
        (change("tests", 0, "histopathology_only", to=1), "tests.0.histopathology_only: true or false is expected"),
        (change("tests", 0, "position", to=3), "Two tests of the protocol have the position 3"),
        (change("tests", 0, "position", to=10**9), "position: 1000000000 is not between 0 and 32767"),
        (change("tests", 1, "requires", to=2), "Test 3 requires test 2, which is not in the protocol"),
        (change("tests", 1, "allotment", "cases_read", to="some"), "“some” is not allowed"),
        (change("tests", 1, "allotment", "cases_per_reading", to=None), "Say how many cases a reading has"),
        (change("tests", 1, "allotment", "repeats", to=10**9), "repeats: 1000000000 is not between 0 and 32767"),
        (change("tests", 1, "stages", 0, "modalities", to=["x-ray"]), "“x-ray” is not allowed"),
        (change("tests", 1, "stages", 0, "shows_advice", to=True), "The first stage shows no advice"),
        (change(*QUESTION, "kind", to="guess"), "“guess” is not allowed"),
        (change(*QUESTION, "choices", 1, "label", to="M"), "The answer “M” is given twice"),
        (change("tests", 1, "arms", 0, "advice", to="classes"), "“None” gives advice: choose the model"),
    ],
)
def test_what_cannot_be_read_is_named_and_nothing_is_stored(
    study: Study, administrator: User, spoil: Callable[[dict[str, Any]], None], sentence: str
) -> None:
    document = json.loads(content(study))
    spoil(document)
    counts = Study.objects.count(), Test.objects.count(), AuditEntry.objects.count()
    with pytest.raises(StudiesError) as caught:
        exchange.import_study(json.dumps(document).encode(), actor=administrator, models={MODEL}, keep_seed=True)
    assert sentence in str(caught.value)
    assert (Study.objects.count(), Test.objects.count(), AuditEntry.objects.count()) == counts


def test_everything_that_is_missing_is_named_at_once(study: Study, administrator: User) -> None:
    document = json.loads(content(study))
    document["tests"][0]["image_set"]["sha256"] = "f" * 64
    document["tests"][0]["positive"][0]["id"] = "nowhere"
    with pytest.raises(StudiesError) as caught:
        exchange.import_study(json.dumps(document).encode(), actor=administrator, models=set())
    for part in ("f" * 64, "nowhere", MODEL):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1, 2]", "the file: an object is expected"),
        (b"{}", "it lacks “format”"),
        (b'{"document": 5}', "document: an object is expected"),
    ],
)
def test_what_is_no_protocol_is_refused(administrator: User, given: bytes, sentence: str) -> None:
    with pytest.raises(StudiesError, match=sentence):
        exchange.import_study(given, actor=administrator)


def test_a_file_that_is_too_large_is_refused(administrator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "LARGEST_FILE", 10)
    with pytest.raises(StudiesError, match="larger than 10 bytes"):
        exchange.import_study(b"{" + b" " * 10, actor=administrator)


def test_a_model_is_not_looked_for_where_nobody_says_which_there_are(study: Study, administrator: User) -> None:
    assert exchange.import_study(content(study), actor=administrator).tests.count() == 2


def test_a_protocol_of_before_neighbours_had_a_set_is_read(study: Study, administrator: User) -> None:
    document = json.loads(content(study))
    for test in document["tests"]:
        for arm in test["arms"]:
            del arm["neighbours_set"]
    made = exchange.import_study(json.dumps(document).encode(), actor=administrator, models={MODEL})
    (sentence,) = protocol.missing(made)
    assert "choose the image set they come from" in sentence
