"""Which models there are: a checkpoint is read, hashed, copied into storage, and known by its hash from then on."""

import json
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files import File
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from model_core import checkpoint
from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.scoring.errors import ScoringError
from readerstudy.scoring.models import ModelVersion


def register_model(*, path: str | Path, name: str, created_by: User) -> ModelVersion:
    """Make a checkpoint a model version. The same bytes under any name are the version that exists already.

    Raises: ScoringError if the file is no checkpoint with metadata, or the name belongs to other weights.
    """
    metadata, digest = _read(path)
    if known := ModelVersion.objects.filter(sha256=digest).first():
        return known
    version = ModelVersion(name=name.strip(), sha256=digest, metadata=metadata, created_by=created_by)
    _check_name(version)
    with open(path, "rb") as content:
        version.file.save(f"{digest}.safetensors", File(content), save=False)
    try:
        with transaction.atomic():
            version.save()
            audit.record("model.registered", actor=created_by, target=version, name=version.name, sha256=digest)
    except IntegrityError:  # someone else registered it, or took the name, since we looked
        version.file.delete(save=False)
        if known := ModelVersion.objects.filter(sha256=digest).first():
            return known
        raise _name_taken(version) from None
    return version


def local_checkpoint(version: ModelVersion) -> Path:
    """A path to the model's checkpoint on this machine, its bytes checked against the version's hash.

    A file in object storage is fetched once, into VAR. Raises: ScoringError if it is gone or not what was registered.
    """
    try:
        path = Path(version.file.path)
    except NotImplementedError:
        path = settings.VAR / "checkpoints" / f"{version.sha256}.safetensors"
        if not path.exists():
            _fetch(version, path)
    try:
        digest = checkpoint.sha256(path)
    except checkpoint.CheckpointError as error:
        said = _("The weights of the model %(name)s are not in storage.") % {"name": version}
        raise ScoringError(f"{said} {error}") from error
    if digest != version.sha256:
        raise ScoringError(
            _(
                "The stored weights of the model %(name)s are not those that were registered: their SHA-256 is "
                "%(found)s, not %(expected)s. Register the checkpoint again from its source."
            )
            % {"name": version, "found": digest, "expected": version.sha256}
        )
    return path


def _read(path: str | Path) -> tuple[dict[str, Any], str]:
    """A checkpoint's metadata as plain JSON, and its hash."""
    try:
        metadata = checkpoint.read_metadata(path).to_json()
        text = json.dumps(metadata, allow_nan=False)
        digest = checkpoint.sha256(path)
    except checkpoint.CheckpointError as error:
        raise ScoringError(str(error), field="file") from error
    except ValueError as error:
        raise ScoringError(
            _("%(file)s: the metadata hold NaN or infinity, which JSON has not.") % {"file": Path(path).name},
            field="file",
        ) from error
    if "\\u0000" in text:  # no database stores it
        said = _("%(file)s: the metadata hold a null character.") % {"file": Path(path).name}
        raise ScoringError(said, field="file")
    return metadata, digest


def _check_name(version: ModelVersion) -> None:
    try:
        version.full_clean(exclude=["file", "metadata"], validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        said = _("The name “%(name)s”: %(problems)s") % {"name": version.name, "problems": " ".join(error.messages)}
        raise ScoringError(said, field="name") from error
    if ModelVersion.objects.filter(name=version.name).exists():
        raise _name_taken(version)


def _name_taken(version: ModelVersion) -> ScoringError:
    said = _("Another model is called “%(name)s”. Choose a name that tells them apart.") % {"name": version.name}
    return ScoringError(said, field="name")


def _fetch(version: ModelVersion, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
        try:
            with version.file.storage.open(version.file.name or "") as source:
                for piece in source.chunks():
                    part.write(piece)
            part.flush()
            Path(part.name).rename(path)
        except BaseException as error:
            Path(part.name).unlink(missing_ok=True)
            if isinstance(error, OSError):
                said = _("The weights of the model %(name)s cannot be fetched: %(why)s.")
                raise ScoringError(said % {"name": version, "why": error}) from error
            raise


def names_by_sha256() -> dict[str, str]:
    """SHA-256 -> name of each registered model, the newest first: what a protocol may name as its adviser."""
    return dict(ModelVersion.objects.values_list("sha256", "name"))
