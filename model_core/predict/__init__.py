"""Pictures of a folder, a ZIP archive or a manifest -> their probabilities as Parquet and CSV."""

from model_core.predict.inputs import SUFFIXES, pictures

__all__ = ["SUFFIXES", "pictures"]
