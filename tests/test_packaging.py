"""What the five distributions declare, and the exact versions that development uses."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import weft

ROOT = Path(__file__).parents[1]
PROJECTS = [".", "core", "plugins/text", "plugins/image", "plugins/audio"]


def project(folder: str) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    return table


def constraints() -> list[Requirement]:
    return [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines()]


def requirements() -> list[Requirement]:
    tables = [project(folder) for folder in PROJECTS]
    lines = [line for table in tables for line in table["dependencies"]]
    extras = [line for table in tables for group in table.get("optional-dependencies", {}).values() for line in group]
    return [Requirement(line) for line in lines + extras]


@pytest.mark.parametrize("folder", PROJECTS)
def test_every_distribution_carries_its_license_and_readme(folder: str) -> None:
    table = project(folder)
    assert table["license"] == "Apache-2.0"
    assert (ROOT / folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert (ROOT / folder / table["readme"]).read_text().strip()


def test_our_own_requirements_take_the_current_version() -> None:
    own = [each for each in requirements() if each.name.startswith("weft")]
    assert len(own) == 7
    for each in own:
        assert weft.__version__ in each.specifier, f"{each} does not take {weft.__version__}"


def test_constraints_are_exact_and_name_no_place() -> None:
    for each in constraints():
        assert each.url is None
        assert [part.operator for part in each.specifier] == ["=="]
    assert not [each for each in constraints() if each.name.startswith("weft")]


def test_every_requirement_has_exact_versions_that_it_takes() -> None:
    exact: dict[str, list[str]] = {}
    for each in constraints():
        exact.setdefault(canonicalize_name(each.name), []).extend(part.version for part in each.specifier)
    for each in requirements():
        if each.name.startswith("weft"):
            continue
        versions = exact.get(canonicalize_name(each.name), [])
        assert versions, f"{each} is not in constraints.txt; run `make constraints`"
        assert all(version in each.specifier for version in versions), f"{each}: constraints.txt has {versions}"


def test_continuous_integration_can_run() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    assert "make check test" in script.read_text()
