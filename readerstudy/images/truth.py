"""What a diagnosis means: the taxonomy that every image set, test and model of this installation refers to."""

from functools import cache

from django.conf import settings

from model_core.taxonomy import Taxonomy


@cache
def taxonomy() -> Taxonomy:
    """The taxonomy of the installation: settings.TAXONOMY_CSV, or the one shipped with model_core."""
    return Taxonomy.read_csv(settings.TAXONOMY_CSV) if settings.TAXONOMY_CSV else Taxonomy.default()


def name_of(node: str) -> str:
    """How a person reads a diagnosis; the id itself, should the taxonomy have been changed since it was stored."""
    found = taxonomy()
    return found.name(node) if node in found.nodes else node


def path_of(node: str) -> str:
    """The names from the root down to the parent of a diagnosis, as `a › b`; empty for a root or an unknown node."""
    found = taxonomy()
    return " › ".join(found.name(above) for above in reversed(found.ancestors(node))) if node in found.nodes else ""
