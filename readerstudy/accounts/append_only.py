"""Tables that only grow: the database itself refuses UPDATE and DELETE (design, section 4.2).

Used as a migration operation, so that the rule is part of the schema on SQLite and on PostgreSQL.
"""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation

_SQLITE = """
CREATE TRIGGER {table}_no_{event} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} only grows: {verb} is refused'); END;
"""
_POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION {table}_only_grows() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{table} only grows: % is refused', TG_OP USING ERRCODE = 'restrict_violation'; END $$;
"""
_POSTGRES_TRIGGER = """
CREATE TRIGGER {table}_no_{event} BEFORE {verb} ON {table} FOR EACH {level} EXECUTE FUNCTION {table}_only_grows();
"""


def install(schema_editor: BaseDatabaseSchemaEditor, table: str) -> None:
    """Make `table` refuse UPDATE and DELETE (and TRUNCATE, on PostgreSQL)."""
    if schema_editor.connection.vendor == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            schema_editor.execute(_SQLITE.format(table=table, event=verb.lower(), verb=verb))
        return
    if schema_editor.connection.vendor != "postgresql":
        raise NotImplementedError(
            f"append-only tables need SQLite or PostgreSQL, not {schema_editor.connection.vendor}"
        )
    schema_editor.execute(_POSTGRES_FUNCTION.format(table=table), params=None)  # None: its % is not a placeholder
    for verb, level in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
        schema_editor.execute(_POSTGRES_TRIGGER.format(table=table, event=verb.lower(), verb=verb, level=level))


def remove(schema_editor: BaseDatabaseSchemaEditor, table: str) -> None:
    """Undo `install`."""
    if schema_editor.connection.vendor == "sqlite":
        for event in ("update", "delete"):
            schema_editor.execute(f"DROP TRIGGER IF EXISTS {table}_no_{event}")
        return
    for event in ("update", "delete", "truncate"):
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {table}_no_{event} ON {table}")
    schema_editor.execute(f"DROP FUNCTION IF EXISTS {table}_only_grows()")


class AppendOnly(Operation):
    """Migration operation: from here on, the model's table only grows."""

    reversible = True

    def __init__(self, model_name: str) -> None:
        self.model_name = model_name

    def state_forwards(self, app_label: str, state: Any) -> None:
        pass

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        install(schema_editor, to_state.apps.get_model(app_label, self.model_name)._meta.db_table)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        remove(schema_editor, from_state.apps.get_model(app_label, self.model_name)._meta.db_table)

    def describe(self) -> str:
        return f"Let the table of {self.model_name} only grow"


class Alterable(AppendOnly):
    """Migration operation: the opposite, for altering a table; `AppendOnly` follows it in the same migration."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        super().database_backwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        super().database_forwards(app_label, schema_editor, from_state, to_state)

    def describe(self) -> str:
        return f"Let the table of {self.model_name} be altered"
