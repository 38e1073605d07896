"""Templates of pages: those of one package, and the look that all share."""

from __future__ import annotations

from typing import Any


def render_page(package: str, template: str, **values: Any) -> str:
    """A page as HTML; everything is escaped but what is :class:`markupsafe.Markup`.

    Args:
        package: Whose ``templates`` hold the page; it may include those of this package, ``style.css`` above all.
        template: Name of the file.
        values: What the template needs; a name that it uses and that is missing is an error.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("weft.pages")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
