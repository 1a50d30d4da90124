"""What an administrator fills in to upload a set."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from readerstudy.images.archive import size_in_words
from readerstudy.images.errors import ImagesError
from readerstudy.images.manifest import MAX_BYTES as MANIFEST_MAX_BYTES
from readerstudy.images.models import ImageSet
from readerstudy.images.storing import refuse_taken_name
from readerstudy.images.upload import is_under_way


class UploadForm(forms.Form):
    """A ZIP, its manifest, and what the set is called. The files themselves are checked by a worker."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=120, help_text=gettext_lazy("Of the image set; no other set has it.")
    )
    archive = forms.FileField(
        label=gettext_lazy("ZIP of images"),
        widget=forms.FileInput(attrs={"accept": ".zip,application/zip"}),
    )
    manifest = forms.FileField(
        label=gettext_lazy("Manifest"),
        help_text=gettext_lazy("A CSV file (UTF-8) with a row for each image."),
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,text/csv"}),
    )
    description = forms.CharField(
        label=gettext_lazy("Description (optional)"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Where the images come from, under which licence."),
    )
    notice = forms.CharField(
        label=gettext_lazy("Notice (optional)"),
        required=False,
        max_length=ImageSet._meta.get_field("notice").max_length,
        help_text=gettext_lazy("Shown wherever these images are, for example “These pictures are drawn by a program.”"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limit = settings.UPLOAD_MAX_BYTES
        self.fields["archive"].widget.attrs["data-max-bytes"] = limit
        self.fields["archive"].help_text = _(
            "JPEG, PNG, TIFF or BMP; at most %(size)s and %(n)s images. Folders within it do not matter."
        ) % {"size": size_in_words(limit), "n": intcomma(settings.UPLOAD_MAX_IMAGES)}

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        try:
            refuse_taken_name(name)
        except ImagesError as error:
            raise ValidationError(str(error)) from error
        if is_under_way(name):
            raise ValidationError(
                _("An upload named “%s” is under way. Choose another name, or discard that one.") % name
            )
        return name

    def clean_archive(self) -> UploadedFile:
        return _bounded(self.cleaned_data["archive"], settings.UPLOAD_MAX_BYTES)

    def clean_manifest(self) -> UploadedFile:
        return _bounded(self.cleaned_data["manifest"], MANIFEST_MAX_BYTES)


def _bounded(file: UploadedFile, limit: int) -> UploadedFile:
    if (file.size or 0) > limit:
        raise ValidationError(too_much(file.name or "", file.size or 0, limit))
    return file


def too_much(name: str, size: int, limit: int) -> str:
    return _("“%(name)s” has %(size)s; allowed are %(limit)s. Divide it into several sets.") % {
        "name": name, "size": size_in_words(size), "limit": size_in_words(limit),
    }  # fmt: skip
