"""Photos that ship inside scikit-image and scikit-learn, and a few human masks of them: what the demo runs on."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_ANNOTATIONS = Path(__file__).parent / "sample_annotations"


@dataclass(frozen=True)
class SamplePhoto:
    """One photo inside an installed package, and its credit as the package's own documentation gives it.

    Attributes:
        file_name: name of the file, also in the folder to which it is copied.
        package: import name of the package that ships it.
        folder: where it lies inside that package.
        title: what it shows.
        author: who took it.
        licence: name of its licence.
        source: web page of the photo or of its author; empty where the package names none.
    """

    file_name: str
    package: str
    folder: str
    title: str
    author: str
    licence: str
    source: str

    @property
    def path(self) -> Path:
        """The installed file; neither imports the package nor downloads anything.

        Raises:
            FileNotFoundError: the package is missing, or this version of it does not ship the photo.
        """
        spec = find_spec(self.package)
        if spec is None or spec.origin is None:
            raise FileNotFoundError(f"{self.file_name} ships in {self.package}, which is not installed")
        path = Path(spec.origin).parent / self.folder / self.file_name
        if not path.is_file():
            raise FileNotFoundError(f"this version of {self.package} does not ship {self.file_name} (looked at {path})")
        return path

    @property
    def credit(self) -> str:
        """One line that may stand under the photo."""
        return f"{self.title}: {self.author}, {self.licence}"


# scikit-learn's README repeats china.jpg's author for flower.jpg, but the photo's page that it links is vultilion's.
SAMPLE_PHOTOS = (
    SamplePhoto(
        "astronaut.png", "skimage", "data", "Eileen Collins", "NASA", "public domain", "https://flic.kr/p/r9qvLn"
    ),
    SamplePhoto(
        "coffee.png", "skimage", "data", "Coffee cup", "Rachel Michetti, courtesy of Pikolo Espresso Bar", "CC0", ""
    ),
    SamplePhoto("chelsea.png", "skimage", "data", "Chelsea the cat", "Stéfan van der Walt", "CC0", ""),
    SamplePhoto(
        "rocket.jpg",
        "skimage",
        "data",
        "Launch of DSCOVR on a Falcon 9",
        "SpaceX",
        "public domain",
        "https://www.flickr.com/photos/spacexphotos/16511594820/",
    ),
    SamplePhoto(
        "china.jpg",
        "sklearn",
        "datasets/images",
        "Chinese temple",
        "danielbuechele",
        "CC BY 2.0",
        "https://www.flickr.com/photos/danielbuechele/6061409035/",
    ),
    SamplePhoto(
        "flower.jpg",
        "sklearn",
        "datasets/images",
        "Dahlia",
        "vultilion",
        "CC BY 2.0",
        "https://www.flickr.com/photos/vultilion/6056698931/",
    ),
)


def write_sample_photos(folder: str | Path) -> list[Path]:
    """Copy the sample photos into `folder`, byte for byte, and return their paths in the order of `SAMPLE_PHOTOS`.

    A photo that is already there with the same size stays as it is, so that a second call changes no file.

    Raises:
        FileNotFoundError: an installed package does not ship one of them.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return [_copied(photo.path, folder / photo.file_name) for photo in SAMPLE_PHOTOS]


def write_sample_annotations(folder: str | Path) -> list[Path]:
    """Write the human masks of the sample photos beside them, an SA-1B JSON a photo, and return their paths.

    They are this project's own polygons, two to four a photo, and leave things out on purpose.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return [_copied(path, folder / path.name) for path in sorted(_ANNOTATIONS.glob("*.json"))]


def credit_of(file_name: str) -> str | None:
    """The credit line of a sample photo by its file name (folders before it are ignored); None for any other file."""
    name = Path(file_name).name
    return next((photo.credit for photo in SAMPLE_PHOTOS if photo.file_name == name), None)


def _copied(source: Path, target: Path) -> Path:
    if not target.exists() or target.stat().st_size != source.stat().st_size:
        partial = target.with_name(f".{target.name}.part")
        shutil.copyfile(source, partial)
        os.replace(partial, target)
    return target
