"""Published readings come into an open study whole or not at all, and their numbers are those of the publication."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.images.models import ImageSet, Reference
from readerstudy.readers.models import Reader
from readerstudy.readings.models import Answer, Item, Reading, Submission
from readerstudy.results.analysis import QuestionResult, analyse
from readerstudy.results.errors import ResultsError
from readerstudy.results.export import files_of
from readerstudy.results.importing.formats import FORMATS, Options
from readerstudy.results.importing.matching import Imported, import_readings
from readerstudy.results.tables import study_tables
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Case, Study, Test
from tests.builders import accepted_reader, open_study
from tests.results import made
from tests.results.conftest import DIAGNOSES, Worked

Bring = Callable[..., Imported]


@pytest.fixture
def only_test(opened: Study) -> Test:
    return opened.tests.get()


@pytest.fixture
def bring(only_test: Test, administrator: User) -> Bring:
    """Import text into the ten-case study of conftest.py."""

    def imported(text: str, fmt: str = "long", **further: object) -> Imported:
        return import_readings(
            test=only_test, content=text.encode(), file="answers.csv", fmt=fmt, actor=administrator, **further
        )

    return imported


def question_of(study: Study) -> QuestionResult:
    return analyse(study_tables(study, None)).tests[0].questions[0]


def names(test: Test) -> dict[int, str]:
    """Case number -> the name under which its image was uploaded: melanoma_0.png, melanocytic-naevus_4.png, ..."""
    rows = Case.objects.filter(test=test).values_list("number", "images__reference__original_name")
    return dict(rows)


def nothing_stored() -> bool:
    return not (Reader.objects.exists() or Reading.objects.exists() or Item.objects.exists() or Answer.objects.exists())


# --- the long form


@pytest.fixture
def twin(administrator: User, sampled: tuple[Study, ModelVersion]) -> Study:
    """A second study of the same images with the same seed: the same cases under the same numbers."""
    sets: list[ImageSet] = [test.image_set for test in sampled[0].tests.order_by("position")]
    return open_study(administrator, image_sets=sets, sample_size=12, sample_positives=5)


@pytest.mark.usefixtures("no_browser")
def test_our_own_export_gives_the_same_numbers_again(
    sampled: tuple[Study, ModelVersion], twin: Study, administrator: User
) -> None:
    """Complete readers, an unfinished one, one who was corrected: every point, order and count; iMRMC the same."""
    files = {file.name: file.content for file in files_of(*sampled)}
    for test in twin.tests.order_by("position"):
        found = import_readings(
            test=test, content=files[f"test-{test.position}/answers.csv"], file="answers.csv", fmt="long",
            actor=administrator,
        )  # fmt: skip
        assert (found.n_readers, found.n_missing) == ((5, 0), (4, 9))[test.position - 1]
    ours, theirs = analyse(study_tables(twin, None)), analyse(study_tables(sampled[0], None))
    assert len(ours.tests) == 2
    for new, old in zip(ours.tests, theirs.tests, strict=True):
        begun = [reader for reader in old.questions[0].readers if reader.state != "none"]
        assert list(new.questions[0].readers) == begun
        assert new.questions[0].average == old.questions[0].average
        assert new.questions[0].n_missing == old.questions[0].n_missing
    assert Submission.objects.filter(item__reading__test__study=twin, revision=2).count() == 1
    new_items = Item.objects.filter(reading__test=twin.tests.get(position=1))
    old_items = Item.objects.filter(reading__test=sampled[0].tests.get(position=1))
    fields = ("reading__reader__code", "position", "case__number")
    assert set(new_items.values_list(*fields)) == set(old_items.values_list(*fields))


@pytest.mark.usefixtures("no_browser")
def test_our_own_imrmc_file_gives_the_same_points(
    sampled: tuple[Study, ModelVersion], twin: Study, administrator: User
) -> None:
    content = {file.name: file.content for file in files_of(*sampled)}["test-1/ratings.imrmc"]
    test = twin.tests.get(position=1)
    arguments = {"test": test, "content": content, "file": "f", "fmt": "imrmc", "actor": administrator}
    with pytest.raises(ResultsError, match="has the modalities question1, model; choose one"):
        import_readings(**arguments)
    with pytest.raises(ResultsError, match=r"has no modality .question2.\. It has: question1, model"):
        import_readings(**arguments, options=Options(modality="question2"))
    with pytest.raises(ResultsError, match=r"is no decision\. Allowed are 0 and 1"):
        import_readings(**arguments, options=Options(modality="model"))
    assert import_readings(**arguments, options=Options(modality="question1")).n_readers == 5
    ours, theirs = (analyse(study_tables(study, None)).tests[0].questions[0] for study in (twin, sampled[0]))
    assert ours.readers == theirs.readers
    threshold = Options(modality="model", threshold=0.5)
    assert import_readings(**arguments, options=threshold).n_answers == 12


def test_what_was_imported_is_plain_and_audited(bring: Bring, only_test: Test, administrator: User) -> None:
    text = "reader,case,answer,position,answered_at\nA,3,Biopsy or treat,2,2017-02-02T09:30:00+01:00\nA,1,0,1,\n"
    assert bring(text) == Imported(n_readers=1, n_answers=2, n_missing=8, n_left_out=0)
    reader = Reader.objects.get()
    assert (reader.code, reader.user, reader.email.endswith("@imported.invalid")) == ("A", None, True)
    reading = Reading.objects.get()
    assert reading.finished_at is None
    assert list(reading.items.values_list("position", "case__number")) == [
        (1, 1), (2, 3), (3, 2), *((n, n) for n in range(4, 11)),
    ]  # fmt: skip
    answer = Submission.objects.get(item__case__number=3)
    assert answer.answers.get().choice.is_positive
    assert answer.answered_at is not None
    assert answer.answered_at.isoformat() == "2017-02-02T08:30:00+00:00"
    entry = AuditEntry.objects.get(action="reading.imported")
    assert (entry.actor, entry.target_id) == (administrator, str(reading.pk))
    assert (entry.details["items"], entry.details["answers"], entry.details["source"]) == (10, 2, "long")
    assert AuditEntry.objects.filter(action="reader.imported").count() == 1


def test_only_the_listed_cases(bring: Bring) -> None:
    assert bring("reader,case,answer\nA,3,1\nA,1,0\n", listed_only=True).n_missing == 0
    assert Reading.objects.get().finished_at is not None
    assert Item.objects.count() == 2


def test_a_check_stores_nothing(bring: Bring) -> None:
    assert bring("reader,case,answer\nA,3,1\nA,1,0\n", check=True).n_answers == 2
    assert nothing_stored()
    assert not AuditEntry.objects.filter(action__endswith=".imported").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reader,case\nA,1\n", "there is no column answer. Needed: reader, case, answer; found: reader, case"),
        ("reader,case,answer,case\n", "the column 'case' is there twice"),
        ("reader,case,answer\n", "answers.csv holds no reading"),
        ("reader,case,answer\nA,1,1\nA,11,1\n", "row 3: there is no case '11'; case numbers .* from 1 to 10"),
        ("reader,case,answer\nA,1,maybe\n", "row 2: column answer: 'maybe'; allowed are “Biopsy or treat”, “Reassure"),
        ("reader,case,answer\nA,1,1\nA,1,0\n", "row 3: reader A has answered case 1 in row 2 already"),
        ("reader,case,answer\n,1,1\n", "row 2: column reader: empty"),
        ("reader,case,answer,position\nA,1,1,0\n", "row 2: column position: '0'; a whole number from 1 on"),
        ("reader,case,answer,position\nA,1,1,4\nA,2,1,4\n", "row 3: column position: 4 is taken by another case of A"),
        ("reader,case,answer,position\nA,1,1,4\nA,2,1,\n", "row 3: column position: empty, while other rows"),
        ("reader,case,answer,question\nA,1,1,2\n", "row 2: column question: 2; allowed are 1"),
        ("reader,case,answer,revision\nA,1,1,2\n", "row 2: column revision: those of reader A, case 1, are not 1, 2"),
        ("reader,case,answer,answered_at\nA,1,1,2017-02-02T09:30\n", "row 2: column answered_at: .* with its zone"),
        ("reader,case,answer\nA,lost.png,1\n", "row 2: no case of “Test 1” has an image that was called 'lost.png'"),
        (f"reader,case,answer\n{'x' * 20}1,1,1\n{'x' * 20}2,1,1\n", "2 readers have names that begin with 'xxxx"),
    ],
)  # fmt: skip
def test_a_faulty_file_is_named_in_full_and_nothing_is_stored(bring: Bring, text: str, said: str) -> None:
    with pytest.raises(ResultsError, match=said):
        bring(text)
    assert nothing_stored()


def test_every_fault_is_told_at_once(bring: Bring) -> None:
    with pytest.raises(ResultsError) as caught:
        bring("reader,case,answer\n" + "".join(f"A,{number},1\n" for number in range(11, 41)))
    told = str(caught.value).splitlines()
    assert (len(told), told[-1]) == (21, "and 10 more")


def test_everything_or_nothing(bring: Bring, opened: Study) -> None:
    """The second reader is an invited person: the first one's reading is not stored either."""
    invited = accepted_reader(opened)
    with pytest.raises(ResultsError, match=rf"{invited.code} is that of an invited reader.*Nothing was stored"):
        bring(f"reader,case,answer\nA,1,1\n{invited.code},1,1\n")
    assert not Reading.objects.exists()
    assert Reader.objects.get() == invited


def test_twice_is_refused(bring: Bring) -> None:
    bring("reader,case,answer\nA,1,1\n")
    with pytest.raises(ResultsError, match="reader A has read this test already"):
        bring("reader,case,answer\nA,2,1\n")
    assert Answer.objects.count() == 1


def test_only_an_open_study_takes_readings(bring: Bring, opened: Study) -> None:
    made.unblind(opened)
    with pytest.raises(ResultsError, match="is not open: no readings are taken"):
        bring("reader,case,answer\nA,1,1\n")
    assert nothing_stored()


def test_images_called_like_case_numbers_must_be_told_apart(administrator: User, opened: Study, bring: Bring) -> None:
    for number, reference in enumerate(Reference.objects.all(), start=1):
        Reference.objects.filter(pk=reference.pk).update(original_name=f"{number}.jpg")
    with pytest.raises(ResultsError, match="can be case numbers and image names alike"):
        bring("reader,case,answer\nA,1,1\n")
    assert bring("reader,case,answer\nA,1,1\n", by="name").n_answers == 1
    answered = Item.objects.get(submissions__isnull=False)
    assert answered.case.images.get().reference.original_name == "1.jpg"


# --- the published formats


def test_an_imrmc_file_of_other_cases_is_refused(bring: Bring, only_test: Test) -> None:
    truth = made.case_truth(only_test)
    lines = [f"truth,{number},truth,{int(not positive)}" for number, positive in truth.items()]
    with pytest.raises(ResultsError, match=r"row 12: case 1 has the truth . here and . in the study"):
        bring("\n".join(["BEGIN DATA:", *lines, "A,1,m,1"]), "imrmc")


def test_mclass_s_wide_sheet(bring: Bring, only_test: Test, opened: Study) -> None:
    """One column a reader, one row an image; worked by hand. Of 4 melanomas D1 biopsies 3 and of 6 naevi 1; D2 has
    left a cell empty."""
    called = sorted(names(only_test).values(), key=lambda name: (not name.startswith("melanoma_"), name))
    assert len(called) == len(DIAGNOSES)
    biopsy, reassure = "further examination: biopsy/treatment", "Reassure the patient"
    first = [biopsy] * 3 + [reassure] + [biopsy] + [reassure] * 5
    second = [biopsy.upper()] * 4 + [reassure] * 5 + [""]
    rows = [f"{name.removesuffix('.png')};{a};{b};x" for name, a, b in zip(called, first, second, strict=True)]
    text = "\n".join(["image;D1;D2;remark", *rows])
    assert bring(text, "mclass", options=Options(ignore=("remark",))) == Imported(2, 19, 1, 0)
    readers = {reader.code: reader for reader in question_of(opened).readers}
    point = readers["D1"].point
    assert (point.tp, point.fn, point.tn, point.fp) == (3, 1, 5, 1)
    point = readers["D2"].point
    assert (point.tp, point.fn, point.tn, point.fp) == (4, 0, 5, 0)
    assert (readers["D1"].state, readers["D2"].state) == ("complete", "partial")


def test_dermachallenge_s_semicolons_and_decimal_commas(bring: Bring, only_test: Test, opened: Study) -> None:
    """Unaided readings count, of an image read twice the first by round and number; timeouts are missing answers."""
    called = sorted(names(only_test).values(), key=lambda name: (not name.startswith("melanoma_"), name))
    header = "tequ_user_id;test_round;image_isic_id;tequ_no;tequ_correct;answer;manage;tequ_mode_id"
    reader, mode = "0123456789abcdef0123456789abcdef01234567", "radio_radio_management47"
    rows = [
        f"{reader};2,0;{called[0]};1,0;0,0;NV;manage_dismiss;{mode}",  # the second time: left out
        f"{reader};1,0;{called[0]};2,0;1,0;MEL;manage_biopsy;{mode}",
        f"{reader};1,0;{called[0]};2,0;0,0;NV;manage_dismiss;{mode}_help",  # aided: left out
        f"{reader};1,0;{called[1]};1,0;1,0;NV;manage_localtherapy;{mode}",
        f"{reader};1,0;{called[4]};3,0;0,0;MEL;manage_monitor;{mode}",
        f"{reader};1,0;{called[5]};4,0;;timeout;;{mode}",
    ]
    assert bring("\n".join([header, *rows]), "dermachallenge") == Imported(1, 3, 1, 2)
    (found,) = question_of(opened).readers
    assert (found.code, found.n_cases, found.n_answered, found.state) == (reader[:20], 4, 3, "partial")
    assert (found.point.tp, found.point.fn, found.point.tn, found.point.fp) == (2, 0, 1, 0)
    order = Reading.objects.get().items.values_list("case__images__reference__original_name", flat=True)
    assert list(order) == [called[1], called[0], called[4], called[5]]
    told = "\n".join([header, rows[1].replace("manage_biopsy", "manage_pray")])
    with pytest.raises(ResultsError, match="column manage: 'manage_pray'; allowed are manage_biopsy, manage_local"):
        bring(told, "dermachallenge")


def test_dermachallenge_by_diagnosis(bring: Bring, only_test: Test, opened: Study) -> None:
    called = sorted(names(only_test).values())
    header = "tequ_user_id;test_round;image_isic_id;tequ_no;answer;tequ_mode_id"
    text = "\n".join([header, f"a;1,0;{called[0]};1,0;MEL;m", f"a;1,0;{called[1]};2,0;NV;m"])
    bring(text, "dermachallenge", options=replace(Options(), column="answer"))
    (found,) = question_of(opened).readers
    assert (found.point.fp, found.point.tn) == (1, 1)  # the first two by name are naevi


# --- manage.py import_readings


def test_the_command(worked: Worked, administrator: User, tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text("reader,case,answer\nA,1,1\n")
    arguments = [worked.study.pk, path, "--format", "long", "--as"]
    out = io.StringIO()
    call_command("import_readings", *arguments, administrator.email, "--check", stdout=out)
    assert "Checked, nothing stored: 1 readers, 1 answers, 9 cases not answered" in out.getvalue()
    assert not Reader.objects.filter(code="A").exists()
    call_command("import_readings", *arguments, administrator.email, stdout=out)
    assert "Stored: 1 readers" in out.getvalue()
    for wrong, said in (
        ([*arguments, "nobody@example.org"], "no administrator with the address nobody"),
        ([999_999, *arguments[1:], administrator.email], "no study 999999"),
        ([*arguments, administrator.email, "--test", "7"], "Choose a test by --test: 1"),
        ([worked.study.pk, tmp_path / "lost.csv", *arguments[2:], administrator.email], "lost.csv cannot be read"),
        ([*arguments, administrator.email], "has read this test already"),
    ):
        with pytest.raises(CommandError, match=said):
            call_command("import_readings", *wrong, stdout=out)
    assert Reading.objects.filter(reader__code="A").count() == 1


def test_a_file_in_another_encoding(bring: Bring, only_test: Test, administrator: User) -> None:
    checked = 0
    for fmt in FORMATS:
        checked += 1
        with pytest.raises(ResultsError, match="f: byte 0 is not UTF-8"):
            import_readings(test=only_test, content=b"\xff\xfe", file="f", fmt=fmt, actor=administrator)
    assert checked == 4
