"""Pictures of a folder, a ZIP archive or a manifest -> their probabilities as Parquet and CSV."""
