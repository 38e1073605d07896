"""Names that core keeps for itself."""

from __future__ import annotations

import pytest

from weft.codecs.vocabulary import END, marker
from weft.errors import PluginError
from weft.interfaces.modality import Modality
from weft.plugins.validation import RESERVED_NAMES, check_modality


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_a_modality_cannot_have_the_name_of_a_special(name: str) -> None:
    path = "a.b:C"
    modality = Modality(name, {".x"}, "", path, path, {}, path, path)
    with pytest.raises(PluginError, match="modality name 'end' is one of Weft itself"):
        check_modality(modality)


def test_the_special_of_core_is_reserved() -> None:
    assert END in map(marker, RESERVED_NAMES)
