"""Our network against torchvision's own forward pass, and every way in which a backbone can fail to fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional
from torchvision.models import inception_v3

from model_core import network as network_module
from model_core.checkpoint import CheckpointError
from model_core.network import InceptionV3, build_network, load_backbone, load_imagenet, randomise
from model_core.transforms import Preprocessing
from tests.model_core.conftest import DrawnSet


@pytest.fixture(scope="module")
def pictures(drawn: DrawnSet) -> torch.Tensor:
    preprocessing = Preprocessing.for_range("unit")
    return torch.from_numpy(np.stack([preprocessing(Image.open(drawn.folder / name)) for name in drawn.files[1:4:2]]))


def torchvisions(network: InceptionV3) -> Any:
    plain = inception_v3(weights=None, init_weights=False, aux_logits=False, num_classes=network.fc.out_features)
    plain.load_state_dict(network.state_dict())
    return plain.eval()


def test_logits_equal_torchvisions(pictures: torch.Tensor, network: InceptionV3) -> None:
    including = InceptionV3(3).eval()
    including.load_state_dict(network.state_dict())
    with torch.inference_mode():
        expected = torchvisions(network)(pictures)
        assert (expected[0] - expected[1]).abs().max() > 1e-3  # the pictures come through to the logits
        torch.testing.assert_close(including(pictures), expected)
        torch.testing.assert_close(including.fc(including.features(pictures)), expected)


def test_pools_that_exclude_the_padding(
    pictures: torch.Tensor, network: InceptionV3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against torchvision's network with torch's own pooling told count_include_pad=False."""
    plain = torchvisions(network)
    with torch.inference_mode():
        including = plain(pictures)
        pool = functional.avg_pool2d
        monkeypatch.setattr(
            functional, "avg_pool2d", lambda *args, **options: pool(*args, **{**options, "count_include_pad": False})
        )
        expected = plain(pictures)
        monkeypatch.undo()
        torch.testing.assert_close(network(pictures), expected)
    assert (including - expected).abs().max() > 1e-3  # the two differ, so the comparison says something


def test_the_seed_fixes_the_weights_and_leaves_the_global_state() -> None:
    before = torch.random.get_rng_state()
    one, same, other = (build_network(2, seed=seed).Conv2d_1a_3x3.conv.weight for seed in (5, 5, 6))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_random_layers_are_orthogonal_and_drawn_from_the_seed() -> None:
    one, same, other = (build_network(2, seed=0) for _ in range(3))
    assert randomise(one, 5).source == "random orthogonal weights, seed 5"
    randomise(same, 5)
    randomise(other, 6)
    weight = one.Mixed_5b.branch1x1.conv.weight.detach().flatten(1)  # 64 x 192: its rows are orthonormal
    torch.testing.assert_close(weight @ weight.T, torch.eye(64), atol=1e-5, rtol=0)
    assert torch.equal(weight, same.Mixed_5b.branch1x1.conv.weight.flatten(1))
    assert not torch.equal(weight, other.Mixed_5b.branch1x1.conv.weight.flatten(1))


def backbone(network: InceptionV3) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in network.state_dict().items() if not k.startswith("fc.")}


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_a_backbone_is_loaded_with_or_without_other_heads(tmp_path: Path, network: InceptionV3, ending: str) -> None:
    state = backbone(network)
    with_heads = {**state, "fc.weight": torch.zeros(1000, 2048), "AuxLogits.fc.bias": torch.zeros(1000)}
    without_counts = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    for content, ignored in ((with_heads, ("AuxLogits.fc.bias", "fc.weight")), (without_counts, ())):
        path = tmp_path / f"weights{ending}"
        save_file(content, path) if ending == ".safetensors" else torch.save({"state_dict": content}, path)
        fresh = build_network(4, seed=2)
        own = fresh.fc.weight.clone()
        found = load_backbone(fresh, path)
        assert found.source == f"weights{ending}"
        assert found.ignored == ignored
        assert found.sha256 is not None
        assert torch.equal(fresh.Mixed_7c.branch1x1.conv.weight, network.Mixed_7c.branch1x1.conv.weight)
        assert torch.equal(fresh.fc.weight, own)


def test_backbones_that_do_not_fit(tmp_path: Path, network: InceptionV3) -> None:
    state = backbone(network)
    name = "Mixed_5b.branch1x1.conv.weight"
    cases: list[tuple[dict[str, torch.Tensor], str]] = [
        ({k: v for k, v in state.items() if k != name}, rf"lacks {name}\."),
        ({**state, "layer1.0.weight": torch.zeros(1)}, r"has layer1\.0\.weight, which Inception v3 has not"),
        ({**state, name: torch.zeros(2, 2)}, rf"{name} \[2, 2\] in place of \[64, 192, 1, 1\]"),
        ({**state, name: torch.full_like(state[name], torch.nan)}, f"not numbers in {name}"),
        ({"weight": torch.zeros(1)}, r"lacks Conv2d_1a_3x3\.conv\.weight, .* and \d+ more"),
    ]
    fresh = build_network(4, seed=2)
    before = {k: v.clone() for k, v in fresh.state_dict().items()}
    for content, message in cases:
        torch.save(content, tmp_path / "weights.pth")
        with pytest.raises(CheckpointError, match=message):
            load_backbone(fresh, tmp_path / "weights.pth")
    assert all(torch.equal(before[k], v) for k, v in fresh.state_dict().items())


class Evil:
    """What a pickle could run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("/nonexistent/was-run").touch, ())


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    network = build_network(4, seed=2)
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "text.safetensors").write_text("hello")
    torch.save({"a": Evil()}, tmp_path / "evil.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    names = ("text.pth", "text.safetensors", "evil.pth", "list.pth", "absent.pth", "absent.safetensors")
    for name in names:
        with pytest.raises(CheckpointError, match=name):
            load_backbone(network, tmp_path / name)


def test_imagenet_weights_offline_name_the_file_to_bring(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise network_module.URLError("no route to host")

    monkeypatch.setattr(type(network_module.Inception_V3_Weights.IMAGENET1K_V1), "get_state_dict", refuse)
    with pytest.raises(CheckpointError, match=r"no route to host.*inception_v3_google-0cc3c7bd\.pth.*--weights FILE"):
        load_imagenet(build_network(2, seed=0))
