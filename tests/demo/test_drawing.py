"""The drawn lesions: reproducible, and hard enough that no single feature decides."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from readerstudy.demo.drawing import HEIGHT, WIDTH, Look, _features, draw


@pytest.mark.parametrize("look", list(Look))
def test_the_same_arguments_draw_the_same_pixels(look: Look) -> None:
    once, again = (np.asarray(draw(look, malignant=True, seed=5)) for _ in range(2))
    other = np.asarray(draw(look, malignant=True, seed=6))
    assert once.shape == (HEIGHT, WIDTH, 3)
    assert (once == again).all()
    assert (once != other).mean() > 0.5


def test_the_classes_overlap_in_every_feature_and_differ_in_each() -> None:
    drawn = {
        malignant: np.array(
            [
                list(vars(_features(np.random.default_rng([n, malignant]), bool(malignant))).values())
                for n in range(1500)
            ]
        )
        for malignant in (0, 1)
    }
    truth = np.repeat([0, 1], 1500)
    aucs = [roc_auc_score(truth, np.concatenate([drawn[0][:, i], drawn[1][:, i]])) for i in range(5)]
    assert len(aucs) == 5
    # Worked by hand: each feature's classes lie SEPARATION * sqrt(0.5) = 1.77 apart, with standard deviation 1 (half
    # from z, half its own), so its AUC is Phi(1.77 / sqrt(2)) = 0.894.
    assert aucs == pytest.approx([0.894] * 5, abs=0.03)
