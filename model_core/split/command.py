"""`python -m model_core split`."""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_core.manifest import DataError, read_manifest
from model_core.provenance import seed_option, write_record
from model_core.quality import Screening
from model_core.split.components import Components, Similarity
from model_core.split.evidence import Evidence, gather, join
from model_core.split.folds import EXCLUDED, check_folds, check_fractions, grouped_folds, grouped_parts
from model_core.split.leaks import find_leaks

EXPLAINED = 50  # large components at most
DEFAULT_FRACTIONS = "train=0.8,validation=0.1,test=0.1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    likeness, screening = Similarity(), Screening()
    parser.description = (
        "Split a manifest into parts or folds so that images of one lesion, patient, sitting or picture stay together, "
        "or, with --against, find images that another manifest has too. Blurred and distant images leave test and "
        "validation, never training. Exits with 1 where --against finds a leak."
    )
    add = parser.add_argument
    add("manifest", type=Path, help="CSV: file, diagnosis[, lesion_id, patient_id]")
    add("--output", type=Path, required=True, help="CSV: the split, or with --against the leaks")
    add("--images", type=Path, help="folder of the images (default: the manifest's)")
    add("--fractions", default=DEFAULT_FRACTIONS, help="parts and their sizes (default: %(default)s)")
    add("--folds", type=int, help="this many folds instead of parts")
    add("--classes", type=Path, help="training classes (from `partition`) to stratify by (default: the diagnosis)")
    add("--seed", type=seed_option, default=0, help="default: %(default)s")
    add("--against", type=Path, help="another manifest")
    add("--against-images", type=Path, help="folder of its images (default: the manifest's)")
    add("--features", type=Path, help="features of a network: .npy in the manifest's order, or .npz: features, files")
    add("--against-features", type=Path, help="the same for --against")
    add("--metadata-only", action="store_true", help="do not open the images")
    add("--hash-distance", type=int, default=likeness.hash_distance, help="bits of 255 (default: %(default)s)")
    add("--points", type=int, default=likeness.points, help="points in common that join (default: %(default)s)")
    add("--candidates", type=int, default=likeness.candidates, help="neighbours to compare (default: %(default)s)")
    add("--cosine", type=float, default=likeness.cosine, help="of features, that joins (default: %(default)s)")
    add("--exif-gap", type=float, default=120, help="seconds between exposures of a sitting (default: %(default)s)")
    add("--min-sharpness", type=float, default=screening.min_sharpness, help="0: keep all (default: %(default)s)")
    add("--min-lesion-fraction", type=float, default=screening.min_lesion_fraction, help="default: %(default)s")
    add("--explain-from", type=int, default=10, help="explain components of this many images (default: %(default)s)")
    add("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    add("--cache", type=Path, help="folder for what was found in the images (default: OUTPUT.fingerprints)")


def run(args: argparse.Namespace) -> int:
    """Write the split or the leaks, every edge, and the record; print what joined large components."""
    fractions = _fractions(args.fractions)
    if not args.against:  # refuse before the work what could not be done after it
        rows = read_manifest(args.manifest)
        _labels(args.classes, [row.diagnosis for row in rows], args.manifest.name)
        if args.folds is not None:
            check_folds(args.folds, len(rows))
    for name in ("hash_distance", "points", "candidates", "exif_gap", "min_sharpness", "min_lesion_fraction"):
        if not getattr(args, name) >= 0:
            raise DataError(f"--{name.replace('_', '-')} must be at least 0, not {getattr(args, name)}.")
    cache = args.cache or args.output.with_name(args.output.name + ".fingerprints")
    look: dict[str, Any] = {"look": not args.metadata_only, "workers": args.workers, "cache": cache}
    args.output.parent.mkdir(parents=True, exist_ok=True)
    evidence = [gather(args.manifest, images=args.images, features=args.features, **look)]
    if args.against:
        evidence.append(gather(args.against, images=args.against_images, features=args.against_features, **look))
    for one in evidence:
        _print_errors(one)
    similarity = Similarity(args.hash_distance, args.points, args.candidates, args.cosine, args.seed)
    components = join(evidence, similarity, datetime.timedelta(seconds=args.exif_gap))
    edges = _write_edges(args.output, components, [row.file for one in evidence for row in one.rows])
    results: dict[str, Any] = {
        "images": [len(one) for one in evidence],
        "unreadable": {one.rows[i].file: why for one in evidence for i, why in one.errors.items()},
        "components": len(components.sizes),
        "edges": dict(Counter(edge.reason for edge in components.edges).most_common()),
        "large_components": _explain(components, evidence, args.explain_from),
    }
    code = (
        _leaks(args, evidence, components, results)
        if args.against
        else _split(args, evidence[0], components, fractions, results)
    )
    inputs = [args.manifest, args.against, args.features, args.against_features, args.classes]
    write_record(args.output, "split", args, inputs=inputs, outputs=[edges], results=results)
    return code


def _split(
    args: argparse.Namespace,
    evidence: Evidence,
    components: Components,
    fractions: dict[str, float],
    results: dict[str, Any],
) -> int:
    reasons = _screen(evidence, Screening(args.min_sharpness, args.min_lesion_fraction))
    labels = _labels(args.classes, [row.diagnosis for row in evidence.rows], evidence.name)
    readable = np.array([i not in evidence.errors for i in range(len(evidence))])
    index = np.flatnonzero(readable)
    chosen = [labels[i] for i in index]
    unfit = np.array([bool(r) for r in reasons])
    part: NDArray[Any] = np.full(len(evidence), EXCLUDED, dtype=object)
    if args.folds is not None:
        part[index] = grouped_folds(components.of[index], chosen, folds=args.folds, seed=args.seed)
    else:
        part[index] = grouped_parts(
            components.of[index], chosen, fractions=fractions, seed=args.seed, unfit=unfit[index]
        )
    column = "fold" if args.folds else "part"
    _write_split(args.output, column, evidence, components, part, reasons)
    table: dict[str, Counter[str]] = {}
    for p, label in zip(part, labels, strict=True):
        table.setdefault(str(p), Counter())[label] += 1
    results["parts"] = {p: sum(counts.values()) for p, counts in sorted(table.items())}
    results["classes"] = {p: dict(sorted(counts.items())) for p, counts in sorted(table.items())}
    results["screened"] = dict(Counter(reason for found in reasons for reason in found))
    results["groups_by_class"] = _groups_by_class(components, labels, readable)
    for name, n in results["parts"].items():
        print(f"{column} {name}: {n} images, {len(table[name])} classes")
    for reason, n in results["screened"].items():
        print(f"{reason}: {n} images, {'to leave out of tested folds' if args.folds else 'none is tested on'}")
    _warn_of_few(results["groups_by_class"], args.folds or len(fractions), column)
    return 0


def _leaks(
    args: argparse.Namespace, evidence: Sequence[Evidence], components: Components, results: dict[str, Any]
) -> int:
    ours, theirs = evidence
    leaks = find_leaks(components, len(ours))
    with args.output.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "other", "reason", "detail"))
        writer.writerows((ours.rows[k.image].file, theirs.rows[k.other].file, k.reason, k.detail) for k in leaks)
    images = {leak.image for leak in leaks}
    results["leaking_images"] = len(images)
    results["leaks"] = dict(Counter(leak.reason for leak in leaks).most_common())
    print(f"{len(images)} of the {len(ours)} images of {ours.name} leak into {theirs.name}.")
    for reason, n in results["leaks"].items():
        print(f"  {n} by {reason}")
    return 1 if leaks else 0


def _fractions(text: str) -> dict[str, float]:
    try:
        fractions = {name.strip(): float(share) for name, share in (item.split("=") for item in text.split(","))}
    except ValueError:
        raise DataError(f"The fractions {text!r} must read like {DEFAULT_FRACTIONS}.") from None
    check_fractions(fractions)
    return fractions


def _screen(evidence: Evidence, screening: Screening) -> list[tuple[str, ...]]:
    if evidence.prints is None:
        return [()] * len(evidence)
    pairs = zip(evidence.prints, evidence.rows, strict=True)
    return [() if p.error else screening.reasons(p.quality, row.modality) for p, row in pairs]


def _labels(classes: Path | None, diagnoses: list[str], manifest: str) -> list[str]:
    if classes is None:
        return diagnoses
    try:
        listed = json.loads(classes.read_bytes())["classes"]
        of = {disease: c["id"] for c in listed for disease in c["diseases"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{classes} cannot be read as training classes (`partition` writes them): {error}.") from error
    if unknown := sorted(set(diagnoses) - of.keys()):
        raise DataError(f"{manifest} has the diagnosis {unknown[0]!r}, which is in no class of {classes.name}.")
    return [of[diagnosis] for diagnosis in diagnoses]


def _groups_by_class(components: Components, labels: Sequence[str], readable: NDArray[np.bool_]) -> dict[str, int]:
    groups: dict[str, set[int]] = {}
    for label, component, ok in zip(labels, components.of.tolist(), readable.tolist(), strict=True):
        if ok:
            groups.setdefault(label, set()).add(component)
    return {label: len(found) for label, found in sorted(groups.items())}


def _warn_of_few(groups: dict[str, int], parts: int, column: str) -> None:
    for label, n in groups.items():
        if n < parts:
            print(f"{label}: {n} group{'s' * (n > 1)} of images only, so it is missing from some {column}s")


def _explain(components: Components, evidence: Sequence[Evidence], least: int) -> list[dict[str, Any]]:
    files = [row.file for one in evidence for row in one.rows]
    told = []
    large = np.flatnonzero(components.sizes >= max(2, least))
    for component in large[np.argsort(-components.sizes[large], kind="stable")][:EXPLAINED]:
        explanation = components.explain(int(component))
        first = files[components.members(int(component))[0]]
        print(f"component {component} ({first}, ...): {explanation}")
        told.append({"component": int(component), "first": first, "size": explanation.size, "text": str(explanation)})
    if len(large) > EXPLAINED:
        print(f"and {len(large) - EXPLAINED} more components of at least {least} images")
    return told


def _print_errors(evidence: Evidence) -> None:
    for i, why in list(evidence.errors.items())[:20]:
        print(f"{evidence.name}, row {evidence.rows[i].row}: {evidence.rows[i].file} {why}; it is left out")
    swapped = [p for p in evidence.prints or () if p.quality.blue_over_red > 0]
    if swapped:
        print(f"{len(swapped)} images of {evidence.name} are bluer than red: no skin, or channels stored as BGR?")


def _write_edges(output: Path, components: Components, files: Sequence[str]) -> Path:
    path = output.with_name(output.name + ".edges.csv")
    _write(path, ("file", "other", "reason", "detail", "component"), (
        (files[e.first], files[e.second], e.reason, e.detail, components.of[e.first]) for e in components.edges
    ))  # fmt: skip
    return path


def _write_split(
    output: Path,
    column: str,
    evidence: Evidence,
    components: Components,
    part: NDArray[Any],
    reasons: Sequence[tuple[str, ...]],
) -> None:
    def rows() -> Iterable[tuple[Any, ...]]:
        for i, row in enumerate(evidence.rows):
            screened = "; ".join(reasons[i]) or evidence.errors.get(i, "")
            measures: tuple[str, str] = ("", "")
            if evidence.prints is not None and i not in evidence.errors:
                quality = evidence.prints[i].quality
                measures = (f"{quality.sharpness:.3f}", f"{quality.lesion_fraction:.4f}")
            yield (row.file, row.diagnosis, part[i], components.of[i], screened, *measures)

    _write(output, ("file", "diagnosis", column, "component", "screened", "sharpness", "lesion_fraction"), rows())


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
