"""Print requirements: each package of the tests in the lowest version that pyproject.toml allows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

EXTRAS = ("aws", "cli", "server", "pydantic", "otel")
# More than one list may name a package: the highest of the lower bounds is the lowest version of all.
PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(\[[a-z,]+\])?>=(?P<version>[0-9.]+)(,<[0-9.]+)?"
)


def lowest_versions() -> dict[str, str]:
    """Map each package to the highest of its lower bounds."""
    project = PROJECT["project"]
    requirements = [*project["dependencies"], *PROJECT["dependency-groups"]["test"]]
    for extra in EXTRAS:
        requirements += project["optional-dependencies"][extra]
    versions: dict[str, str] = {}
    for requirement in requirements:
        parts = REQUIREMENT.fullmatch(requirement)
        if parts is None:
            raise SystemExit(
                f"{requirement} in pyproject.toml: expected a lower bound, as in name>=1.2"
            )
        name, version = parts["name"], parts["version"]
        versions[name] = max(versions.get(name, version), version, key=_numbers)
    return versions


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


if __name__ == "__main__":
    print(*(f"{name}=={version}" for name, version in sorted(lowest_versions().items())))
