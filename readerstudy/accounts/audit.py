"""The record of each act, written by hand in the same transaction as the act itself."""

from typing import Any

from django.db import models, transaction

from readerstudy.accounts.models import AuditEntry, User


def record(action: str, *, actor: User | None, target: models.Model, **details: Any) -> AuditEntry:
    """Write that `actor` (None: the system itself) did `action` to `target`.

    Must be called inside the transaction that does the act, so that neither can exist without the other.
    `details` is JSON: plain values only, no personal data beyond ids and codes.
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError(f"audit.record({action!r}) belongs inside the act's transaction")
    return AuditEntry.objects.create(
        action=action,
        actor=actor,
        target_type=target._meta.label_lower,
        target_id=str(target.pk),
        details=details,
    )
