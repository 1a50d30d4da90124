"""Published reader data: formats (files to rows, no database), and matching (rows to the cases of a test)."""
