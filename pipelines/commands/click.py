"""`unsam click`: a local page to click on."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipelines.commands.console import errors_in_one_line, out
from stores.home import Home

_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def serve(photos: Sequence[str], model: str, clip: str | None, host: str, port: int) -> int:
    """Serve the page until Ctrl-C."""
    with errors_in_one_line(ModuleNotFoundError, FileNotFoundError):
        places = photos_in(photos)
        if importlib.util.find_spec("gradio") is None:
            raise ModuleNotFoundError("the page needs gradio: pip install 'unsam-pipeline[click]'")
    from models.backbone import best_device
    from models.weights import WeightsUnavailable
    from ops.promptable.desk import PromptDesk
    from ops.promptable.files import load_promptable_named
    from ops.promptable.text import TextEncoder
    from ops.sample_photos import write_sample_photos
    from pipelines.click_page import MOST_UPLOAD, STYLE, build_page
    from stores.versions import IncompleteVersion, NoVersion

    with tempfile.TemporaryDirectory(prefix="unsam-click-") as folder:
        with errors_in_one_line(NoVersion, IncompleteVersion, WeightsUnavailable, FileNotFoundError):
            device = best_device()
            network = load_promptable_named(Home.from_environment(), model, device)
            words = TextEncoder(clip, device) if clip else None
        if not photos:
            write_sample_photos(Path(folder))
            places = photos_in([folder])
        page = build_page(PromptDesk(network, words), places)
        out.print(f"Click at [bold]http://{host}:{port}[/bold]   (Ctrl-C stops it)")
        with errors_in_one_line(OSError):
            page.launch(
                server_name=host,
                server_port=port,
                quiet=True,
                max_file_size=MOST_UPLOAD,
                allowed_paths=sorted({str(path.parent) for path in places}),
                footer_links=[],
                css=STYLE,
            )
    return 0


def photos_in(names: Sequence[str]) -> list[Path]:
    """Photos by path, and all photos of the folders among them, in order.

    Raises:
        FileNotFoundError: a path that is not there, or a folder without photos.
    """
    found: list[Path] = []
    for name in names:
        path = Path(name).absolute()
        if not path.exists():
            raise FileNotFoundError(f"there is no {name}")
        inside = (
            sorted(file for file in path.rglob("*") if file.suffix.lower() in _ENDINGS) if path.is_dir() else [path]
        )
        if not inside:
            raise FileNotFoundError(f"no photos in {name}")
        found += inside
    return found
