"""What nominates sounds as copies of one another: hashes of how a spectrum changes, and how loud its bands are.

Shapes are told by suffix letters: N samples, T frames, M mel bands, K keys.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
import torchaudio.functional as audio  # type: ignore[import-untyped]
from torch import Tensor

from weft_audio.cleaning import resample
from weft_audio.waveform import Waveform

_RATE = 8000
"""Sounds are looked at below 4 kHz, so that a corpus of any rate has the same keys."""
_HOP, _WINDOW = 64, 1024
"""A frame every 8 ms looks at 128 ms: a shift by part of a frame changes little."""
_BANDS, _LOWEST, _HIGHEST = 13, 60.0, 3600.0
_BLOCK = 4096
"""Frames that are analyzed at once, which bounds memory."""

_AROUND = 6
"""Frames before and after the one whose change is told."""
_APART = 8
"""Frames between the two whose changes make a key."""
_MARGIN = 16
"""Frames of silence that are looked at before the beginning and after the end."""
_FLOOR = 5e-3
_QUIET = 1e-3
"""Power, as a share of that of the loudest band nearby, and of the loudest frame, below which nothing counts."""
_CHANGE = 0.02
"""Least change of a ratio of neighboring bands, as a decimal logarithm: what stays the same has no keys."""
_BITS = np.uint64(1) << np.arange(_BANDS - 1, dtype=np.uint64)
_FEWEST_CHANGES = 3
_MOST_KEYS = 512
_FEW_KEYS = 24
"""Of so few keys, as a drum has, those are added that it would have if the least certain bits were others."""

_GROUPS = 4
_RANKS = (0, 2, 4, 8, 16, 32, 64, 128)
"""Places in the frames of a group of bands, from the loudest on, whose levels the sketch has."""
_SOFTEST = -24.0
_STEPS_PER_DECIBEL = 4
_LEVEL_WORDS = _GROUPS * len(_RANKS) // 8
_KEY_WORDS = 60
"""Of the keys with the smallest hashes so many are part of the sketch."""
_NO_KEY = np.uint64(2**64 - 1)
_LEAST_SHARED, _UNCERTAIN = 0.12, 16
"""Least share that copies have in common of their keys, save so many that damage may have changed."""
_TOLERANCE = 4.0
"""Decibels by which their levels differ in the mean at most."""

Words = npt.NDArray[np.uint64]


def mel_power(sound: Waveform) -> Tensor:
    """Power in mel bands, float64 ``(T, M)``, of a sound with silence around it."""
    samples_N = torch.from_numpy(resample(sound, _RATE).samples)
    edge = _WINDOW // 2 + _MARGIN * _HOP
    # Filled up to a whole number of steps, or what is at the very end would be seen or not by chance.
    padded_N = F.pad(samples_N, (edge, edge + -len(samples_N) % _HOP))
    filters = audio.melscale_fbanks(_WINDOW // 2 + 1, _LOWEST, _HIGHEST, _BANDS, _RATE)
    return torch.cat([(power_TF @ filters).double() for power_TF in _power(padded_N)])


def _power(samples_N: Tensor) -> Iterator[Tensor]:
    taper = torch.hann_window(_WINDOW)
    frames = (len(samples_N) - _WINDOW) // _HOP + 1
    for first in range(0, frames, _BLOCK):
        last = min(frames, first + _BLOCK)
        part = samples_N[first * _HOP : (last - 1) * _HOP + _WINDOW]
        yield torch.stft(part, _WINDOW, _HOP, window=taper, center=False, return_complex=True).mT.abs().square()


def keys_and_sketch(power_TM: Tensor) -> tuple[Words, Words]:
    """What nominates a sound ``(K,)``, sorted, at most 512, and what is known of it before it is read ``(words,)``.

    Keys are hashes of how the spectrum changes at each loud place. A frame is told by the signs of differences between
    neighboring bands and frames (Haitsma and Kalker 2002, "A highly robust audio fingerprinting system"), a key by two
    frames 64 ms apart. No key tells where it is, so a shift changes none. Of many those with the smallest hashes are
    kept, which copies agree upon. The sketch has levels and the smallest keys.
    """
    if not power_TM.any():
        return np.empty(0, np.uint64), _sketch(_levels(power_TM), np.empty(0, np.uint64))
    changes, loud = _changes(power_TM), _loud(power_TM)
    bits = (changes > 0) @ _BITS
    certain = _pairs(bits, bits, loud)
    found = certain
    if len(certain) < _FEW_KEYS:
        variants = _variants(changes)
        found = np.unique(np.concatenate([_pairs(one, other, loud) for one in variants for other in variants]))
    return found[:_MOST_KEYS], _sketch(_levels(power_TM), certain)


def _changes(power_TM: Tensor) -> npt.NDArray[np.float64]:
    """By how much more than a little the ratio of each pair of neighboring bands grows around a frame."""
    nearby = _maximum(power_TM.amax(1), _MARGIN)
    logs_TM = (power_TM / nearby[:, None].clamp(min=1e-12) + _FLOOR).log10()
    ratios = logs_TM[:, :-1] - logs_TM[:, 1:]
    changes: npt.NDArray[np.float64] = (ratios[2 * _AROUND :] - ratios[: -2 * _AROUND]).numpy() - _CHANGE
    return changes


def _variants(changes: npt.NDArray[np.float64]) -> list[Words]:
    """The bits of each frame, and those with either or both of the two turned over that are the least certain."""
    bits = (changes > 0) @ _BITS
    first, second = _BITS[np.argsort(np.abs(changes), axis=1, kind="stable")[:, :2]].T
    return [bits, bits ^ first, bits ^ second, bits ^ first ^ second]


def _pairs(one: Words, other: Words, loud: npt.NDArray[np.bool_]) -> Words:
    """Hashes of frames that are some way apart, where there is enough to be heard."""
    first, second = one[:-_APART], other[_APART:]
    enough = np.bitwise_count(first) + np.bitwise_count(second) >= _FEWEST_CHANGES
    chosen = (loud[:-_APART] | loud[_APART:]) & enough
    return np.unique(_mixed(first[chosen] | second[chosen] << np.uint64(32)))


def _loud(power_TM: Tensor) -> npt.NDArray[np.bool_]:
    total = power_TM.sum(1)
    near = _maximum(total, _AROUND)[_AROUND:-_AROUND]
    loud: npt.NDArray[np.bool_] = (near > _QUIET * total.max()).numpy()
    return loud


def _maximum(values_T: Tensor, reach: int) -> Tensor:
    return F.max_pool1d(values_T[None, None], 2 * reach + 1, 1, reach)[0, 0]


def _mixed(values: Words) -> Words:
    """Spread over 64 bits (the finalizer of SplitMix64, Steele et al. 2014)."""
    values = (values ^ values >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ values >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return values ^ values >> np.uint64(31)


def _sketch(levels: Words, keys: Words) -> Words:
    smallest = np.full(_KEY_WORDS, _NO_KEY)
    smallest[: min(len(keys), _KEY_WORDS)] = keys[:_KEY_WORDS]
    return np.concatenate([levels, smallest])


def _levels(power_TM: Tensor) -> Words:
    """Levels of groups of bands, the loudest frame first, then softer ones, in quarters of a decibel.

    Sorted by level, frames are the same wherever a sound lies and however much silence surrounds it.
    """
    levels = np.zeros((_GROUPS, len(_RANKS)), np.uint8)
    if power_TM.any():
        groups = torch.stack([group.sum(1) for group in power_TM.tensor_split(_GROUPS, dim=1)])
        ordered = F.pad(groups.sort(dim=1, descending=True).values, (0, _RANKS[-1] + 1))[:, list(_RANKS)]
        decibels = 10 * (ordered / groups.sum(0).max()).clamp(min=10 ** (_SOFTEST / 10)).log10()
        levels = ((decibels - _SOFTEST) * _STEPS_PER_DECIBEL).round().numpy().astype(np.uint8)
    return np.frombuffer(levels.tobytes(), "<u8").astype(np.uint64)


def alike(one: Words, others: Words) -> npt.NDArray[np.bool_]:
    """Which of ``(rows, words)`` sketches may be of a copy, ``(rows,)``."""
    alike: npt.NDArray[np.bool_] = _share_keys(one, others) & (_level_distances(one, others) <= _TOLERANCE)
    return alike


def _level_distances(one: Words, others: Words) -> npt.NDArray[np.float64]:
    """Mean differences in decibels of levels."""
    a = one[:_LEVEL_WORDS].astype("<u8").view(np.uint8).astype(np.int16)
    b = np.ascontiguousarray(others[:, :_LEVEL_WORDS].astype("<u8")).view(np.uint8).astype(np.int16)
    distances: npt.NDArray[np.float64] = np.abs(b - a).mean(axis=-1) / _STEPS_PER_DECIBEL
    return distances


def _share_keys(one: Words, others: Words) -> npt.NDArray[np.bool_]:
    """Which have enough keys in common, or so few that this tells nothing.

    Of those that have more keys than a sketch holds, the smaller ones tell (bottom-k sketches, Cohen and Kaplan 2007,
    https://doi.org/10.1145/1281100.1281133).
    """
    a, b = one[_LEVEL_WORDS:], others[:, _LEVEL_WORDS:]
    last = np.minimum(a[-1], b[:, -1:])
    usable = (b <= last) & (b < _NO_KEY)
    own = np.count_nonzero((a <= last) & (a < _NO_KEY), axis=1)
    fewest = np.minimum(own, np.count_nonzero(usable, axis=1))
    common = np.count_nonzero(np.isin(b, a) & usable, axis=1)
    tells_nothing = (a[_FEW_KEYS - 1] == _NO_KEY) & (b[:, _FEW_KEYS - 1] == _NO_KEY)
    enough: npt.NDArray[np.bool_] = (common >= _LEAST_SHARED * (fewest - _UNCERTAIN)) | tells_nothing
    return enough
