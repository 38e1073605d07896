"""Whether corpora are those that a run was begun with."""

from __future__ import annotations

from collections.abc import Sequence

from weft.errors import FolderError
from weft.storage.run import RunFolder

_DIGITS = 12


def check_same_corpora(folder: RunFolder, corpora: Sequence[tuple[str, str]]) -> None:
    """Compare corpora with what a run says.

    Args:
        folder: The run.
        corpora: Name and content hash of each.

    Raises:
        FolderError: One has changed since, or they are others, or in another order.
    """
    begun = [(corpus.name, corpus.sha256) for corpus in folder.manifest.corpora]
    if [digest for _, digest in begun] == [digest for _, digest in corpora]:
        return
    if [name for name, _ in begun] == [name for name, _ in corpora]:
        name, before, now = next((n, a, b) for (n, a), (_, b) in zip(begun, corpora, strict=True) if a != b)
        raise FolderError(
            f"the corpus {name} has changed since {folder.path} was begun (its content was {before[:_DIGITS]}, now "
            f"{now[:_DIGITS]}): bring it back as it was, or train into a new folder"
        )
    raise FolderError(
        f"{folder.path} was begun with {_listed(begun)}, and cannot go on with {_listed(corpora)}: name the same "
        f"corpora in the same order, or train into a new folder"
    )


def _listed(corpora: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} ({digest[:_DIGITS]})" for name, digest in corpora)
