"""The house rules of docs/architecture.md, read off the import statements."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "stores": {"stores"},
    "models": {"models", "stores"},
    "ops": {"ops", "models", "stores"},
    "assets": {"assets", "ops", "models", "stores"},
    "pipelines": {"pipelines", "assets", "ops", "models", "stores"},
}
ONLY_IN = {
    "dagster": lambda path: path.parts[0] in ("assets", "pipelines"),
    "ray": lambda path: path.as_posix() in ("ops/fanout.py", "ops/training_launcher.py"),
}


def sources() -> list[Path]:
    return sorted(path.relative_to(ROOT) for room in MAY_IMPORT for path in (ROOT / room).rglob("*.py"))


def imported_packages(path: Path) -> set[str]:
    packages = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            packages.add(str(node.module).split(".")[0])
    return packages


@pytest.mark.parametrize("path", sources(), ids=str)
def test_imports_run_one_way(path: Path) -> None:
    rooms = imported_packages(path) & set(MAY_IMPORT)
    assert rooms <= MAY_IMPORT[path.parts[0]], f"{path} imports {sorted(rooms)}"


@pytest.mark.parametrize("path", sources(), ids=str)
@pytest.mark.parametrize("package", ONLY_IN)
def test_dagster_and_ray_keep_to_their_places(path: Path, package: str) -> None:
    assert package not in imported_packages(path) or ONLY_IN[package](path)
