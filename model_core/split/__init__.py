"""Splits free of leaks: what belongs together stays together. No torch here; a network's features come in as an array.

`components` builds the graph, from `hashing`, `keypoints`, `retrieval` and `exif`; `folds` cuts it; `leaks` compares
two manifests; `fingerprints` and `evidence` read the files; `command` is `python -m model_core split`.
"""

from model_core.split.command import add_arguments, run
from model_core.split.components import Components, Edge, Explanation, Similarity, similarity_components
from model_core.split.folds import grouped_folds, grouped_parts
from model_core.split.leaks import Leak, find_leaks

__all__ = [
    "Components",
    "Edge",
    "Explanation",
    "Leak",
    "Similarity",
    "add_arguments",
    "find_leaks",
    "grouped_folds",
    "grouped_parts",
    "run",
    "similarity_components",
]
