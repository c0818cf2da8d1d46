"""Creates the tables of locks by migrations, with the rights of those who migrate."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from django.db import DatabaseError, router, transaction
from django.db.migrations.exceptions import IrreversibleError
from django.db.migrations.operations.base import Operation

#: Vendor of a database that can keep locks -> its types, for those in braces.
TYPES = {
    "postgresql": {
        "name": "VARCHAR(200)",
        "bytes": "BYTEA",
        "double": "DOUBLE PRECISION",
        "engine": "",
    },
    "mysql": {
        "name": "VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin",
        "bytes": "LONGBLOB",
        "double": "DOUBLE",
        # The one that knows transactions.
        "engine": " ENGINE=InnoDB",
    },
    "sqlite": {
        "name": "VARCHAR(200)",
        "bytes": "BLOB",
        "double": "DOUBLE",
        "engine": "",
    },
}


class CreateTable(Operation):
    """Creates a table and its index where they are missing.

    A worker that may do so creates them, too, before the migration or at the same time.
    Databases that keep no locks, and those that a router leaves out, get none.

    Backwards, it drops the table, also if a worker has made it, unless locks are held
    there: tasks that run would lose them.

    Arguments:
        name: of the table.
        columns: their names and types, as in SQL.
        index: name of its index.
        indexed: columns of the index.
        held: the condition of a row that stands for a lock held at the time ``%s``, in
            microseconds since 1970; empty if there are none.
    """

    reduces_to_sql = True
    reversible = True

    def __init__(
        self,
        name: str,
        columns: Sequence[str],
        *,
        index: str,
        indexed: Sequence[str],
        held: str = "",
    ) -> None:
        self.name = name
        self.columns = columns
        self.index = index
        self.indexed = indexed
        self.held = held

    def describe(self) -> str:
        return f"Create the table {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        return self.name

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Change nothing: no model stands for the table."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if not _is_wanted(app_label, schema_editor.connection):
            return
        table, index = self.statements(schema_editor.connection.vendor)
        _make(schema_editor, table, self._has_table)
        _make(schema_editor, index, self._has_index)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if not _is_wanted(app_label, schema_editor.connection):
            return
        if not schema_editor.collect_sql:
            self._check_free(schema_editor.connection)
        schema_editor.execute(f"DROP TABLE IF EXISTS {self.name}", params=None)

    def statements(self, vendor: str) -> tuple[str, str]:
        """Return the statement that creates the table, and that for the index."""
        types = TYPES[vendor]
        columns = ",\n    ".join(self.columns).format_map(types)
        exists = "" if vendor == "mysql" else " IF NOT EXISTS"
        return (
            f"CREATE TABLE IF NOT EXISTS {self.name} (\n    {columns},\n"
            f"    PRIMARY KEY (name)\n){types['engine']}",
            f"CREATE INDEX{exists} {self.index} "
            f"ON {self.name} ({', '.join(self.indexed)})",
        )

    def _has_table(self, connection: Any) -> bool:
        with connection.cursor() as cursor:
            return self.name in connection.introspection.table_names(cursor)

    def _has_index(self, connection: Any) -> bool:
        with connection.cursor() as cursor:
            found = connection.introspection.get_constraints(cursor, self.name)
        return any(one["columns"] == list(self.indexed) for one in found.values())

    def _check_free(self, connection: Any) -> None:
        if not self.held or not self._has_table(connection):
            return
        with connection.cursor() as cursor:
            query = f"SELECT COUNT(*) FROM {self.name} WHERE {self.held}"
            cursor.execute(query, [time.time_ns() // 1000])
            [held] = cursor.fetchone()
        if held:
            raise IrreversibleError(
                f"{held} locks are held in the table {self.name}: stop the workers, "
                "release the locks or wait for their end, then migrate back"
            )


def _is_wanted(app_label: str, connection: Any) -> bool:
    """Tell whether the database of a connection gets the tables."""
    may = router.allow_migrate(connection.alias, app_label, model_name="lock")
    return bool(may) and connection.vendor in TYPES


def _make(schema_editor: Any, statement: str, is_there: Callable[[Any], bool]) -> None:
    """Run a statement, unless what it creates is there or comes meanwhile."""
    connection = schema_editor.connection
    # Whoever may not create a table may not even say IF NOT EXISTS.
    if not schema_editor.collect_sql and is_there(connection):
        return
    inside = connection.in_atomic_block
    savepoint = transaction.atomic(connection.alias) if inside else nullcontext()
    try:
        with savepoint:
            schema_editor.execute(statement, params=None)
    except DatabaseError:
        # PostgreSQL fails in spite of IF NOT EXISTS if another one creates it just now.
        if not is_there(connection):
            raise
