"""The design of a test as sentences: only what differs from one reading of every case, in random order, at one go."""

from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from readerstudy.studies.allocation import n_shares
from readerstudy.studies.models import Test


def sentences(test: Test, *, drawn: tuple[int, int] | None) -> list[str]:
    """What a coordinator should know of the design at a glance; `drawn`: positive and negative cases, where known."""
    return [*_cases(test), *_enough(test, drawn), *_arms(test), *_beside(test), *_conduct(test)]


def _enough(test: Test, drawn: tuple[int, int] | None) -> Iterator[str]:
    """For how many readers, or batches of a reader, the cases are enough."""
    if drawn is None or not test.cases_per_reading:
        return
    n = n_shares(*drawn, size=test.cases_per_reading, n_positive=test.positives_per_reading)
    if test.cases_read == Test.Cases.DISJOINT:
        yield ngettext("The cases are enough for %(n)d reader.", "The cases are enough for %(n)d readers.", n) % {
            "n": n
        }
    if test.cases_read == Test.Cases.BATCHES and n < test.most_readings:
        told = ngettext("The cases are enough for %(n)d batch.", "The cases are enough for %(n)d batches.", n)
        yield told % {"n": n}


def _cases(test: Test) -> Iterator[str]:
    if test.images_per_case > 1:
        yield _("Up to %(n)d pictures of a lesion make a case.") % {"n": test.images_per_case}
    if test.cases_read != Test.Cases.EVERY:
        said = {
            "what": _capital(test.get_cases_read_display()),
            "n": test.cases_per_reading,
            "k": test.positives_per_reading,
        }
        if test.positives_per_reading is None:
            yield _("%(what)s: %(n)d cases.") % said
        else:
            yield _("%(what)s: %(n)d cases, %(k)d of them positive.") % said
    if test.most_readings > 1:
        yield _("At most %(n)d batches a reader.") % {"n": test.most_readings}
    if test.order != Test.Order.RANDOM:
        yield _("Order: %(order)s.") % {"order": test.get_order_display()}


def _arms(test: Test) -> Iterator[str]:
    if test.arms_design == Test.Arms.SINGLE:
        return
    arms = _capital(test.get_arms_design_display())
    if test.block_size:
        yield _("%(arms)s of %(n)d cases.") % {"arms": arms, "n": test.block_size}
    elif test.wash_out_days:
        yield ngettext("%(arms)s: %(n)d day.", "%(arms)s: %(n)d days.", test.wash_out_days) % {
            "arms": arms, "n": test.wash_out_days
        }  # fmt: skip
    else:
        yield f"{arms}."


def _beside(test: Test) -> Iterator[str]:
    """Cases that are in no result, and the tests before this one."""
    if test.practice_set:
        yield ngettext(
            "%(n)d practice case with feedback, from “%(set)s”.", "%(n)d practice cases with feedback, from “%(set)s”.",
            test.practice_cases,
        ) % {"n": test.practice_cases, "set": test.practice_set}  # fmt: skip
    if test.attention_set:
        yield ngettext(
            "%(n)d attention check, from “%(set)s”.", "%(n)d attention checks, from “%(set)s”.", test.attention_cases
        ) % {"n": test.attention_cases, "set": test.attention_set}
    if test.repeats:
        yield _("%(n)d cases come a second time, after %(distance)d others at least.") % {
            "n": test.repeats, "distance": test.repeat_distance
        }  # fmt: skip
    if test.pass_mark:
        yield _("Passed with %(n)d %% correct answers.") % {"n": test.pass_mark}
    if test.requires:
        yield _("Only for readers who passed “%(test)s”.") % {"test": test.requires}


def _conduct(test: Test) -> Iterator[str]:
    if test.changes != Test.Changes.NEVER:
        yield _("An answer may be changed %(when)s.") % {"when": test.get_changes_display()}
    if test.time_limit != Test.Limit.NONE:
        yield _("%(n)d seconds for a case: %(how)s.") % {
            "n": test.seconds_per_case, "how": test.get_time_limit_display()
        }  # fmt: skip
    if test.break_every:
        yield _("A break is suggested every %(n)d cases.") % {"n": test.break_every}
    if not test.zoom_allowed:
        yield _("The picture cannot be enlarged.")
    if test.screen_check != Test.ScreenCheck.NONE:
        yield _("Check of the screen: %(how)s.") % {"how": test.get_screen_check_display()}
    if test.shows_own_result:
        yield _("Readers see their own point after the end.")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
