from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from model_core.taxonomy import TaxonomyError


class ImagesConfig(AppConfig):
    name = "readerstudy.images"

    def ready(self) -> None:
        """A taxonomy of one's own that cannot be read stops the start, not the first page that needs it."""
        from readerstudy.images.truth import taxonomy

        if settings.TAXONOMY_CSV:
            try:
                taxonomy()
            except TaxonomyError as error:
                raise ImproperlyConfigured(f"READERSTUDY_TAXONOMY: {error}") from error
