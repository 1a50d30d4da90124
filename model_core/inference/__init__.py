"""From pictures to training-class probabilities, in batches, on CPU or GPU, in bounded memory.

`decoding` turns files into pixels on threads of its own, `lanes` spreads the arithmetic over the processor's cores,
`precision` chooses what is calculated with, `agreement` tries it, `classifier` and `features` bring them together.
"""

from model_core.inference.classifier import Batch, Classifier, Failure, Predictions
from model_core.inference.decoding import decoded_batches
from model_core.inference.features import FeatureExtractor
from model_core.inference.precision import PRECISIONS, calculates_bfloat16, find_device

__all__ = [
    "PRECISIONS",
    "Batch",
    "Classifier",
    "Failure",
    "FeatureExtractor",
    "Predictions",
    "calculates_bfloat16",
    "decoded_batches",
    "find_device",
]
