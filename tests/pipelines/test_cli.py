"""The command line itself: quick, and honest about where it is."""

import io
import subprocess
import sys
import tarfile

from tests.pipelines.conftest import PROJECT

HEAVY = ("dagster", "numba", "numpy", "ray", "torch", "zarr")


def test_start_up_imports_nothing_heavy():
    code = f"import sys, pipelines.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_code_location_leaves_heavy_libraries_to_the_steps():
    late = ("numba", "scipy.stats", "sklearn", "tensorboardX", "timm", "torch", "transformers")
    code = f"import sys, pipelines.definitions; print([name for name in {late!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_help_names_every_command(unsam):
    result = unsam("--help")
    assert result.exit_code == 0
    for command in (
        "add",
        "run",
        "backfill",
        "status",
        "label",
        "train",
        "plus",
        "segment",
        "evaluate",
        "export",
        "ui",
        "demo",
        "gc",
        "doctor",
    ):
        assert f" {command} " in result.stdout


def test_doctor_says_what_is_here(unsam, tmp_path):
    result = unsam("doctor")
    assert result.exit_code == 0, result.stderr
    for part in ("Python", "Ray", "GPU", "augnet_resnet50", str(tmp_path / "home")):
        assert part in result.stdout, part


def test_an_image_in_two_tars_is_refused_with_both_names(unsam, tmp_path):
    for name in ("one", "two"):
        with tarfile.open(tmp_path / f"{name}.tar", "w") as archive:
            archive.addfile(tarfile.TarInfo("sa_7.jpg"), io.BytesIO())
    assert unsam("add", tmp_path / "one.tar").exit_code == 0
    refused = unsam("add", tmp_path / "two.tar")
    assert refused.exit_code != 0
    text = " ".join(refused.stderr.split())
    assert "image 7 of SA-1B is there twice" in text
    assert "one.tar" in text
    assert "two.tar" in text
    assert "Traceback" not in text
