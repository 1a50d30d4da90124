"""The pages of image sets: list, upload, report, gallery, picture."""

from collections import Counter
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from readerstudy.accounts.access import administrator_required, signed_in, staff_required
from readerstudy.images.access import image_for, set_for, upload_for
from readerstudy.images.archive import size_in_words
from readerstudy.images.errors import ImagesError
from readerstudy.images.forms import UploadForm
from readerstudy.images.manifest import MAX_BYTES as MANIFEST_MAX_BYTES
from readerstudy.images.models import Confirmation, ImageSet, Modality, Upload
from readerstudy.images.pixels import thumbnail
from readerstudy.images.truth import name_of, path_of, taxonomy
from readerstudy.images.upload import discard, make, request_store

PICTURES_A_PAGE = 48
_FORM_BYTES = MANIFEST_MAX_BYTES + 2**20  # what a request may have beside the ZIP
_CACHE_SECONDS = 24 * 3600


@staff_required
@require_safe
def sets(request: HttpRequest) -> HttpResponse:
    uploads = Upload.objects.none()
    if signed_in(request).is_administrator:
        uploads = Upload.objects.exclude(state=Upload.State.STORED).select_related("created_by")
    image_sets = ImageSet.objects.annotate(n_diagnoses=Count("images__reference__diagnosis", distinct=True))
    return render(request, "images/sets.html", {"section": "sets", "image_sets": image_sets, "uploads": uploads})


# Django parses the whole body to find the CSRF token in it; what is too big must be refused before that.
@csrf_exempt
@administrator_required
@require_http_methods(["GET", "HEAD", "POST"])
def set_upload(request: HttpRequest) -> HttpResponseBase:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdecimal() and int(length) > settings.UPLOAD_MAX_BYTES + _FORM_BYTES:
        form = UploadForm()
        error = _("The files have %(size)s together; allowed are %(limit)s. Divide them into several sets.") % {
            "size": size_in_words(int(length)), "limit": size_in_words(settings.UPLOAD_MAX_BYTES),
        }  # fmt: skip
        response = _form(request, form, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error)
        response["Connection"] = "close"  # the rest of the body is not read
        return response
    return _set_upload(request)


@csrf_protect
def _set_upload(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        again = Upload.objects.filter(pk=_number(request.GET.get("after", ""))).first()
        fields = ("name", "description", "notice")
        return _form(request, UploadForm(initial={name: getattr(again, name) for name in fields} if again else {}))
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _form(request, form, HTTPStatus.BAD_REQUEST)
    try:
        upload = make(**form.cleaned_data, actor=signed_in(request))
    except ImagesError as error:
        form.add_error(None, str(error))
        return _form(request, form, error.status)
    return redirect("upload", upload.pk)


def _number(text: str) -> int:
    """An id out of an address; 0, which no row has, where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _form(request: HttpRequest, form: UploadForm, status: HTTPStatus = HTTPStatus.OK, error: str = "") -> HttpResponse:
    context = {
        "section": "sets",
        "form": form,
        "error": error,
        "confirmations": Confirmation.choices,
        "modalities": Modality.choices,
        "n_diagnoses": len(taxonomy().nodes),
    }
    return render(request, "images/set_upload.html", context, status=status)


@administrator_required
@require_safe
def upload(request: HttpRequest, pk: int) -> HttpResponse:
    found = upload_for(request.user, pk)
    diagnoses = found.report.get("diagnoses", {})
    context = {
        "section": "sets",
        "upload": found,
        "diagnoses": _named(diagnoses),
        "confirmations": _labelled(found.report.get("confirmations", {}), Confirmation.choices),
        "modalities": _labelled(found.report.get("modalities", {}), Modality.choices),
    }
    # htmx asks for the part that changes; a browser without script loads the page again.
    template = "images/upload_state.html" if request.headers.get("HX-Request") else "images/upload.html"
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request"])
    patch_cache_control(response, no_store=True)
    return response


@administrator_required
@require_POST
def upload_store(request: HttpRequest, pk: int) -> HttpResponse:
    found = upload_for(request.user, pk)
    try:
        request_store(found, actor=signed_in(request))
    except ImagesError as error:
        messages.error(request, str(error))
    return redirect("upload", pk)


@administrator_required
@require_POST
def upload_discard(request: HttpRequest, pk: int) -> HttpResponse:
    found = upload_for(request.user, pk)
    try:
        discard(found, actor=signed_in(request))
    except ImagesError as error:
        messages.error(request, str(error))
        return redirect("upload", pk)
    messages.success(request, _("The upload “%s” was discarded; its files are deleted.") % found.name)
    return redirect("sets")


@staff_required
@require_safe
def image_set(request: HttpRequest, pk: int) -> HttpResponse:
    found = set_for(request.user, pk)
    images = found.images.select_related("reference")
    counts = Counter(found.images.values_list("reference__diagnosis", flat=True))
    chosen = request.GET.get("diagnosis", "")
    if chosen:
        if chosen not in taxonomy().nodes:
            raise Http404
        images = images.diagnosed_under([chosen])
    page = Paginator(images, PICTURES_A_PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "section": "sets",
        "image_set": found,
        "diagnoses": _named(counts),
        "confirmations": _counted(found, "reference__confirmation", Confirmation.choices),
        "modalities": _counted(found, "modality", Modality.choices),
        "lesions": _n_lesions(found),
        "patients": found.images.exclude(reference__patient_id="").aggregate(
            n=Count("reference__patient_id", distinct=True)
        )["n"],
        "taxonomy_changed": found.taxonomy_sha256 != taxonomy().sha256,
        "page": page,
        "pictures": [(image, name_of(image.reference.diagnosis)) for image in page],
        "chosen": chosen,
        "nodes": _tree(counts),
    }
    return render(request, "images/set.html", context)


@staff_required
@require_safe
def set_image(request: HttpRequest, pk: int, uuid: UUID) -> HttpResponseBase:
    image = image_for(request.user, pk, uuid)
    response: HttpResponseBase
    if "thumb" in request.GET:
        with image.file.open("rb") as file:
            response = HttpResponse(thumbnail(file.read()), content_type="image/jpeg")
    else:
        response = FileResponse(image.file.open("rb"), content_type=image.media_type)
    patch_cache_control(response, private=True, max_age=_CACHE_SECONDS)
    return response


def _named(counts: dict[str, int]) -> list[tuple[str, str, int]]:
    """(name, path, count) of each diagnosis, in the taxonomy's order; what it does not know comes last."""
    order = {node: position for position, node in enumerate(taxonomy().nodes)}
    nodes = sorted(counts, key=lambda node: (order.get(node, len(order)), node))
    return [(name_of(node), path_of(node), counts[node]) for node in nodes]


def _labelled(counts: dict[str, int], choices: list[tuple[str, Any]]) -> list[tuple[str, int]]:
    return [(str(label), counts[value]) for value, label in choices if counts.get(value)]


def _counted(found: ImageSet, field: str, choices: list[tuple[str, Any]]) -> list[tuple[str, int]]:
    return _labelled(Counter(found.images.values_list(field, flat=True)), choices)


def _n_lesions(found: ImageSet) -> int:
    """As in an upload's report: of one patient and one id; an image that states none is a lesion of its own."""
    stated = found.images.exclude(reference__lesion_id="")
    pairs = stated.values("reference__lesion_id", "reference__patient_id").distinct().order_by()
    return pairs.count() + found.n_images - stated.count()


def _tree(counts: dict[str, int]) -> list[tuple[str, str, int]]:
    """(node, indented name, count with everything under it) of the diagnoses that occur and the nodes above them."""
    found = taxonomy()
    totals: Counter[str] = Counter()
    for node, n in counts.items():
        if node in found.nodes:
            for above in (node, *found.ancestors(node)):
                totals[above] += n
    indent = "\N{EM SPACE}"
    return [
        (node, indent * (found.depth(node) - 1) + found.name(node), totals[node])
        for node in found.nodes
        if node in totals
    ]
