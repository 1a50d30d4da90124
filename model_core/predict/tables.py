"""Probabilities as a table: a row for each picture, null where there is no number; as Parquet and as CSV."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from model_core.files import write_atomically
from model_core.taxonomy import Taxonomy, TrainingClass

ROW_GROUP = 8192  # rows; 25 MB of 757 classes


class PredictionTable:
    """Columns: file; diagnosis, where a manifest gives it; each training class by its id; "node ID" for each node asked
    for; sha256 of the file's bytes; error, why a picture has no numbers."""

    def __init__(
        self, classes: Sequence[TrainingClass], taxonomy: Taxonomy, nodes: Sequence[str], *, labelled: bool
    ) -> None:
        """Raises: TaxonomyError for a node that contains part of a training class."""
        self._classes, self._taxonomy, self._nodes = tuple(classes), taxonomy, tuple(nodes)
        self._labelled = labelled
        taxonomy.sum_probabilities(classes, np.zeros((1, len(classes))), nodes)
        text = [("file", pa.string()), *([("diagnosis", pa.string())] if labelled else [])]
        numbers = [(name, pa.float32()) for name in (*(c.id for c in classes), *(f"node {node}" for node in nodes))]
        self.schema = pa.schema([*text, *numbers, ("sha256", pa.string()), ("error", pa.string())])

    def rows(
        self,
        names: Sequence[str],
        diagnoses: Sequence[str] | None,
        probabilities: NDArray[np.float32],
        digests: Sequence[str | None],
        errors: Sequence[str | None],
    ) -> pa.Table:
        """n rows. probabilities: (n, k), NaN for a picture that has an error."""
        sums = self._taxonomy.sum_probabilities(self._classes, probabilities, self._nodes)
        values = np.concatenate([probabilities, sums.astype(np.float32)], 1)
        columns = [pa.array(column, mask=np.isnan(column)) for column in np.ascontiguousarray(values.T)]
        text = [pa.array(names), *([pa.array(diagnoses)] if self._labelled else [])]
        ends = [pa.array(digests, pa.string()), pa.array(errors, pa.string())]
        return pa.Table.from_arrays([*text, *columns, *ends], schema=self.schema)


def write_parquet(path: Path, tables: Iterable[pa.Table], schema: pa.Schema, about: dict[str, Any]) -> None:
    """about: kept in the file under the key "model_core"."""
    schema = schema.with_metadata({"model_core": json.dumps(about)})

    def fill(temporary: str) -> None:
        with pyarrow.parquet.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for table in _grouped(tables):
                writer.write_table(table.replace_schema_metadata(schema.metadata), row_group_size=ROW_GROUP)

    write_atomically(path, fill)


def write_csv(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    """UTF-8. Each number in as many digits as give the same float32 again."""
    options = pyarrow.csv.WriteOptions(quoting_style="needed")

    def fill(temporary: str) -> None:
        with pyarrow.csv.CSVWriter(temporary, schema, write_options=options) as writer:
            for table in tables:
                writer.write_table(table)

    write_atomically(path, fill)


def _grouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Few large tables of the many small ones."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(len(one) for one in held) >= ROW_GROUP:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)
