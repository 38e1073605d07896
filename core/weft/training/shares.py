"""The shares of a mixture as they are typed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from weft.errors import OptionError


def parse_mix(mix: str | Mapping[str, float]) -> dict[str, float]:
    """Shares by modality, of any scale, from ``text=1,image=2`` or from a mapping.

    Raises:
        OptionError: A share that is no number above 0, or a modality that is named twice.
    """
    pairs = [entry.split("=", 1) for entry in mix.split(",")] if isinstance(mix, str) else list(mix.items())
    shares: dict[str, float] = {}
    for pair in pairs:
        name, share = _share(*pair) if len(pair) == 2 else _share(pair[0], "")
        if name in shares:
            raise OptionError(f"the mixture names {name} twice; give one share for each modality")
        shares[name] = share
    return shares


def _share(name: str, share: str | float) -> tuple[str, float]:
    name = name.strip()
    try:
        value = float(share)
    except ValueError:
        raise OptionError(
            f"the mixture must look like text=1,image=2,audio=1, but {name or 'a modality'} has no number for a share"
        ) from None
    if not 0 < value < math.inf:
        raise OptionError(
            f"the share of {name} in the mixture must be above 0, and finite, got {share}; to learn nothing of a "
            f"corpus leave it out"
        )
    return name, value


def check_mix(mix: Mapping[str, float], modalities: Sequence[str]) -> None:
    """Hold the shares of a mixture against what the corpora are.

    Raises:
        OptionError: It names a modality that no corpus has, or leaves out one that they have.
    """
    known = ", ".join(dict.fromkeys(modalities))
    for name in mix:
        if name not in modalities:
            raise OptionError(
                f"the mixture names {name}, but no corpus of {name} is given; shares are of modalities ({known})"
            )
    missing = [name for name in dict.fromkeys(modalities) if name not in mix]
    if missing:
        raise OptionError(f"the mixture says nothing of {', '.join(missing)}; give each of {known} a share")
