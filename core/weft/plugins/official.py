"""The plugins that are kept beside core, so that an error can say which of them to install."""

from __future__ import annotations

from dataclasses import dataclass

from weft.interfaces.modality import Modality

MOST_EXTENSIONS = 8
"""Extensions that a person is shown of a modality that reads dozens."""


@dataclass(frozen=True, slots=True)
class OfficialPlugin:
    """A plugin in the same source folder as core.

    Attributes:
        modality: What it adds.
        distribution: What it is installed as.
        folder: Where it lies, below the root of the source folder.
        extensions: The common ones that it reads; the plugin itself has the last word.
    """

    modality: str
    distribution: str
    folder: str
    extensions: frozenset[str]

    @property
    def install_hint(self) -> str:
        """How to get it, as the second half of a sentence."""
        return f"install {self.distribution}: run `pip install ./{self.folder}` in Weft's source folder"


OFFICIAL_PLUGINS = (
    OfficialPlugin("audio", "weft-audio", "plugins/audio", frozenset({".wav", ".flac", ".ogg", ".mp3", ".opus"})),
    OfficialPlugin(
        "image",
        "weft-image",
        "plugins/image",
        frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff"}),
    ),
    OfficialPlugin("text", "weft-text", "plugins/text", frozenset({".txt", ".md", ".jsonl"})),
)


def official_plugin(modality: str) -> OfficialPlugin | None:
    """The official plugin for a modality, if there is one."""
    return next((plugin for plugin in OFFICIAL_PLUGINS if plugin.modality == modality), None)


def official_plugin_for(extension: str) -> OfficialPlugin | None:
    """The official plugin that reads files of an extension (lower case, with its dot), if there is one."""
    return next((plugin for plugin in OFFICIAL_PLUGINS if extension in plugin.extensions), None)


def common_extensions(modality: Modality) -> list[str]:
    """The extensions of a modality that people know, and the words "and more" where it reads others as well."""
    official = official_plugin(modality.name)
    known = sorted(modality.extensions & official.extensions if official else modality.extensions)[:MOST_EXTENSIONS]
    return [*known, "and more"] if len(known) < len(modality.extensions) else known
