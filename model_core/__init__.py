"""The model half of a reader study: taxonomy, training classes, checkpoints and inference.

No Django and nothing of ``readerstudy`` is imported here. ``taxonomy`` and ``checkpoint`` do without torch as long as
no weights are loaded, so that a web process can read what a model is without paying for what it does.
"""

__version__ = "0.1.0"
