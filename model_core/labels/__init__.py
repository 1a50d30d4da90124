"""Publishers' label files to one manifest: what they say, what it means in a taxonomy, and what is wrong with it.

`read_labels` does it all; `formats` knows the publishers' columns, `values` their spellings, `joining` brings the rows
of one image together, `files` compares with a folder of images, `command` is `python -m model_core labels`.
"""

from model_core.labels.command import add_arguments, run
from model_core.labels.formats import FORMATS, Format, Sighting, Table, read_label_file
from model_core.labels.joining import Labels, Problem, read_labels

__all__ = [
    "FORMATS",
    "Format",
    "Labels",
    "Problem",
    "Sighting",
    "Table",
    "add_arguments",
    "read_label_file",
    "read_labels",
    "run",
]
