"""Who may see what of this room: loading and permission are one function; what may not be seen does not exist."""

from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.http import Http404

from readerstudy.accounts.models import User
from readerstudy.images.models import Image, ImageSet, Upload


def set_for(user: User | AnonymousUser, pk: int) -> ImageSet:
    """The image set, for an administrator or a researcher; else Http404."""
    found = _sees_truth(user) and ImageSet.objects.select_related("created_by").filter(pk=pk).first()
    if not found:
        raise Http404
    return found


def image_for(user: User | AnonymousUser, pk: int, uuid: UUID) -> Image:
    """The picture of that set, for whoever may see the set; else Http404. Readers get theirs in `readings`."""
    found = _sees_truth(user) and Image.objects.filter(image_set_id=pk, uuid=uuid).first()
    if not found:
        raise Http404
    return found


def upload_for(user: User | AnonymousUser, pk: int) -> Upload:
    """The upload, for an administrator; else Http404."""
    allowed = user.is_authenticated and user.is_administrator
    found = allowed and Upload.objects.select_related("created_by", "image_set").filter(pk=pk).first()
    if not found:
        raise Http404
    return found


def _sees_truth(user: User | AnonymousUser) -> bool:
    return user.is_authenticated and user.is_staff_of_studies
