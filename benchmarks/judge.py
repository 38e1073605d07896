"""The judge of generated images and sounds: a small classifier that has seen real samples only.

Its accuracy on held-out real samples says how far its word can be trusted; the distance between generated and real
samples is measured in its features, since guidance buys accuracy with diversity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPOCHS = 24
BATCH = 32
SHIFT = 2
"""Pixels that pictures are moved by while the judge learns, up to this many in each direction."""
STRIDES = (2, 2, 1)
FEATURES = 64


class Network(nn.Module):
    """A convolutional classifier of single- or three-channel pictures of at least 16 x 16 pixels (spectrograms too)."""

    def __init__(self, channels: int, classes: int, width: int = 24) -> None:
        super().__init__()
        sizes = [channels, width, 2 * width, 4 * width]
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(before, after, 3, padding=1, stride=stride), nn.BatchNorm2d(after), nn.ReLU())
                for (before, after), stride in zip(pairwise(sizes), STRIDES, strict=True)
            ),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(16 * sizes[-1], FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(FEATURES, classes))

    def features(self, x: Tensor) -> Tensor:
        """``(B, FEATURES)`` of ``(B, channels, height, width)``."""
        features: Tensor = self.blocks(x)
        return features

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits


@dataclass(frozen=True, slots=True)
class Judge:
    """A fitted classifier.

    Attributes:
        network: In evaluation mode.
        classes: Names, in the order of the logits.
        accuracy: On real samples that it was not fitted on.
    """

    network: Network
    classes: Sequence[str]
    accuracy: float

    def classify(self, pictures: Tensor) -> list[str]:
        """Names of the classes of ``(N, C, H, W)``."""
        return [self.classes[i] for i in self._run(self.network, pictures).argmax(1).tolist()]

    def right(self, pictures: Tensor, wanted: Sequence[str]) -> float:
        """Share of pictures whose class is the wanted one."""
        return float(np.mean([a == b for a, b in zip(self.classify(pictures), wanted, strict=True)]))

    def features(self, pictures: Tensor) -> np.ndarray:
        """``(N, features)`` in float64."""
        return self._run(self.network.features, pictures).double().numpy()

    @staticmethod
    @torch.no_grad()
    def _run(function: object, pictures: Tensor) -> Tensor:
        assert callable(function)
        return torch.cat([function(part) for part in pictures.split(256)])


def fit_judge(
    pictures: Tensor, labels: Sequence[str], held_out: Tensor, held_out_labels: Sequence[str], seed: int = 0
) -> Judge:
    """Fit a classifier on real pictures ``(N, C, H, W)``, float32, about zero mean and unit range."""
    classes = sorted(set(labels))
    targets = torch.tensor([classes.index(label) for label in labels])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Network(pictures.shape[1], len(classes))
        steps = EPOCHS * -(-len(targets) // BATCH)
        optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
        for _ in range(EPOCHS):
            for chosen in torch.randperm(len(targets)).split(BATCH):
                loss = F.cross_entropy(network(_shifted(pictures[chosen])), targets[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    judge = Judge(network.eval(), classes, 0.0)
    return Judge(judge.network, classes, judge.right(held_out, held_out_labels))


def _shifted(pictures: Tensor) -> Tensor:
    """The same pictures, moved together by a random few pixels; what leaves on one side comes in on the other."""
    by = torch.randint(-SHIFT, SHIFT + 1, (2,)).tolist()
    return pictures.roll(by, dims=(2, 3))


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Distance between Gaussians fitted to two sets of features (Heusel et al. 2017, arXiv:1706.08500)."""
    mean_a, mean_b = a.mean(0), b.mean(0)
    covariance_a, covariance_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # The trace of the root of a product, by eigenvalues: exact where a covariance is singular.
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    eigenvalues = np.linalg.eigvalsh(root @ covariance_b @ root)
    overlap = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(covariance_a) + np.trace(covariance_b) - 2 * overlap)
