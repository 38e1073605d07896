"""What a plugin registers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

API_VERSION = 1
"""Version of the plugin interface; a plugin that asks for another one is quarantined."""

MODALITY_NAME = re.compile(r"[a-z][a-z0-9_]*")
"""The whole of a modality's name, which is also the name of folders."""

NEXT_TOKEN_TRAINER = "weft.training.next_token:NextTokenTrainer"


@dataclass(frozen=True, slots=True)
class Modality:
    """A content type, by names and import paths (``package.module:Class``) alone, so that registering stays light.

    Attributes:
        name: Lower-case identifier: the prefix of its options, the value of ``--to`` and ``--modality``.
        extensions: File extensions it reads, lower case, with the dot.
        summary: A few words for ``weft plugins``.
        preparer: A :class:`weft.Preparer`.
        payload: A :class:`weft.PayloadFormat`.
        codecs: Registered codec name to a :class:`weft.Codec`.
        generator: A :class:`weft.Generator`.
        options: A dataclass of preparation options, each field with ``metadata`` made by :func:`weft.option`.
        trainer: A :class:`weft.Trainer`; core's next-token objective unless given.
        demo: A :class:`weft.Demo`, where the modality takes part in ``weft demo``.
        api_version: The plugin interface that it was written for.
    """

    name: str
    extensions: frozenset[str] | set[str]
    summary: str
    preparer: str
    payload: str
    codecs: Mapping[str, str]
    generator: str
    options: str
    trainer: str = NEXT_TOKEN_TRAINER
    demo: str | None = None
    api_version: int = field(default=API_VERSION)
