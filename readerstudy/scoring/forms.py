"""What a researcher types in."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django import forms
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.utils.translation import gettext_lazy as _

from readerstudy.scoring.models import ModelVersion

CHECKPOINT_MAX_BYTES = 4 * 2**30


class ModelForm(forms.Form):
    name = forms.CharField(
        label=_("Name"),
        max_length=ModelVersion._meta.get_field("name").max_length,
        help_text=_("What figures and tables will call it, for example “Inception v3, 757 classes, fold 1”."),
    )
    file = forms.FileField(
        label=_("Checkpoint"),
        help_text=_("A .safetensors file that “python -m model_core” wrote: weights with their metadata."),
        widget=forms.FileInput(attrs={"accept": ".safetensors"}),
    )

    def clean_file(self) -> UploadedFile:
        file: UploadedFile = self.cleaned_data["file"]
        if file.size is not None and file.size > CHECKPOINT_MAX_BYTES:
            raise forms.ValidationError(
                _("The file has %(size)d bytes; a checkpoint has at most %(limit)d."),
                params={"size": file.size, "limit": CHECKPOINT_MAX_BYTES},
            )
        return file

    @contextmanager
    def checkpoint_path(self) -> Iterator[Path]:
        """A path to the uploaded bytes, under the name that they were uploaded with (for messages), while it lasts."""
        file: Any = self.cleaned_data["file"]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / file.name[-60:]  # Django has stripped it of folders; names have at most 255 bytes
            if isinstance(file, TemporaryUploadedFile):
                path.symlink_to(file.temporary_file_path())
            else:
                path.write_bytes(file.read())
            yield path


class ValidationForm(forms.Form):
    table = forms.FileField(
        label=_("Table"),
        help_text=_("The file table.csv that “python -m model_core crossvalidate” wrote."),
        widget=forms.FileInput(attrs={"accept": ".csv"}),
    )
