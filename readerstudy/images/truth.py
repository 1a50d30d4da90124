"""What a diagnosis means: the taxonomy that every image set, test and model of this installation refers to."""

from functools import cache

from django.conf import settings

from model_core.taxonomy import Taxonomy


@cache
def taxonomy() -> Taxonomy:
    """The taxonomy of the installation: settings.TAXONOMY_CSV, or the one shipped with model_core."""
    return Taxonomy.read_csv(settings.TAXONOMY_CSV) if settings.TAXONOMY_CSV else Taxonomy.default()
