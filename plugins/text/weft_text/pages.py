"""Web pages to their main text, by trafilatura (Barbaresi, ACL 2021)."""

from __future__ import annotations

import logging

import weft


def main_text(page: bytes) -> str:
    """The article of a page without menus, comments and footers; its encoding is found out.

    Raises:
        weft.UnreadableError: There is no main text in it.
    """
    from trafilatura import extract

    # It logs what cannot be parsed, which is for the verdict to say.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    text = extract(page, include_comments=False, with_metadata=False) if page.strip() else None
    if not text:
        raise weft.UnreadableError("no main text is found in this page: menus, links or scripts are all there is")
    return text
