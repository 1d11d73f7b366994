"""The register of datasets with human masks, which `unsam evaluate` scores against."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ops.ground_truth import DatasetError, GroundTruth, ImageId, shown

DATASETS_VARIABLE = "UNSAM_DATASETS"
SHIPPED = Path(__file__).resolve().parent.parent / "configs" / "datasets.yaml"
FORMATS = ("coco", "sa1b", "ade20k", "bsds500")
_TWO_PLACES = ("coco", "ade20k")
_NAME = re.compile(r"[A-Za-z0-9](?!.*\.\.)[A-Za-z0-9._-]{0,63}")


class UnknownDataset(DatasetError):
    """No dataset of that name is registered."""


class Dataset(BaseModel):
    """One registered dataset; its files are looked at when it is loaded, not before.

    Attributes:
        name: what it is called in the register, which is also its partition in the UI.
        format: one of `FORMATS`.
        images: folder of the photos.
        annotations: JSON file (coco) or folder (ade20k, sa1b, bsds500; for the last two the photos' unless given).
        limit: the first so many images, or a file with one image id a line; empty takes all.
        paper: AR@1000 in % by method, as published for this dataset.
        base: folder against which relative paths count.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    format: str
    images: str
    annotations: str = ""
    limit: int | str | None = None
    paper: dict[str, float] = Field(default_factory=dict)
    base: Path

    @field_validator("name")
    @classmethod
    def _can_be_a_partition(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(
                "a name has letters, digits, dot, dash and underscore, 64 at most, and no two dots in a row"
            )
        return name

    @field_validator("format")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in FORMATS:
            raise ValueError(f"there are the formats {', '.join(FORMATS)}")
        return name

    @field_validator("limit")
    @classmethod
    def _is_positive(cls, limit: int | str | None) -> int | str | None:
        if isinstance(limit, int) and limit < 1:
            raise ValueError("at least 1 image")
        return limit

    @model_validator(mode="after")
    def _has_annotations(self) -> Dataset:
        if self.format in _TWO_PLACES and not self.annotations:
            raise ValueError(f"format {self.format} needs 'annotations' beside 'images'")
        return self

    @property
    def images_folder(self) -> Path:
        return self._path("images", self.images)

    @property
    def annotations_folder(self) -> Path:
        """Folder or file of the annotations; the photos' folder where none is named."""
        return self._path("annotations", self.annotations) if self.annotations else self.images_folder

    def load(self, limit: int | None = None) -> GroundTruth:
        """Read the human masks.

        Args:
            limit: the first so many of the dataset's images; empty takes all.

        Raises:
            DatasetError: a path that is wrong, annotations that are broken or of other photos.
        """
        from ops.ground_truth_formats import FORMATS as READERS

        def choose(image_ids: Sequence[ImageId]) -> Sequence[ImageId]:
            return self._limited(image_ids)[:limit]

        try:
            return READERS[self.format](self.images_folder, self.annotations_folder, choose)
        except DatasetError as error:
            raise DatasetError(f"dataset {self.name}: {error}") from error

    def _limited(self, image_ids: Sequence[ImageId]) -> Sequence[ImageId]:
        if self.limit is None or isinstance(self.limit, int):
            return image_ids[: self.limit]
        path = self._path("limit", self.limit)
        try:
            wanted = set(path.read_text().split())
        except OSError as error:
            raise DatasetError(f"the list of image ids {path} cannot be read: {error.strerror}") from error
        unknown = wanted - set(map(str, image_ids))
        if unknown:
            raise DatasetError(f"{path} lists images that are not annotated: {shown(unknown)}")
        return [image_id for image_id in image_ids if str(image_id) in wanted]

    def _path(self, key: str, text: str) -> Path:
        try:
            expanded = Template(text).substitute(os.environ)
        except KeyError as error:
            raise DatasetError(f"{key} is {text!r}, but the environment variable {error.args[0]} is not set") from error
        except ValueError as error:
            raise DatasetError(f"{key} is {text!r}: {error}; write $$ for a dollar sign") from error
        return self.base / Path(expanded).expanduser()


def datasets_file() -> Path:
    """The register that `UNSAM_DATASETS` names, else the one that ships in configs/."""
    return Path(os.environ.get(DATASETS_VARIABLE) or SHIPPED)


def load_datasets(file: str | Path | None = None) -> dict[str, Dataset]:
    """The registered datasets by name.

    Args:
        file: YAML register; empty takes `datasets_file()`.

    Raises:
        DatasetError: the file cannot be read, or an entry is not as it should be; the message names it.
    """
    path = Path(file) if file else datasets_file()
    entries = _entries(path)
    published = entries if path.resolve() == SHIPPED else {}
    return {str(name): _dataset(str(name), entry, path, published) for name, entry in entries.items()}


def pick(datasets: dict[str, Dataset], names: Iterable[str] = ()) -> list[Dataset]:
    """The datasets of these names, in their order; all where none is named.

    Raises:
        UnknownDataset: naming what there is.
    """
    names = list(names) or list(datasets)
    unknown = [name for name in names if name not in datasets]
    if unknown:
        close = difflib.get_close_matches(unknown[0], datasets, 1)
        hint = f", did you mean {close[0]!r}?" if close else ";"
        raise UnknownDataset(f"unknown dataset {unknown[0]!r}{hint} there are {', '.join(datasets) or 'none'}")
    return [datasets[name] for name in names]


def _entries(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise DatasetError(f"dataset file {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DatasetError(f"dataset file {path} is no YAML: {' '.join(str(error).split())}") from error
    entries = document.get("datasets") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise DatasetError(f"dataset file {path} must have 'datasets:' with an entry for each name")
    return entries


def _dataset(name: str, entry: Any, path: Path, published: dict[str, Any]) -> Dataset:
    if not isinstance(entry, dict):
        raise DatasetError(f"{path}: dataset {name} must have keys such as format, images and annotations")
    paper = entry.get("paper", {})
    if isinstance(paper, str):
        entry = entry | {"paper": _published(paper, name, path, published)}
    try:
        return Dataset.model_validate({**entry, "name": name, "base": path.resolve().parent})
    except ValidationError as error:
        problems = [_explained(problem) for problem in error.errors()]
        raise DatasetError(f"{path}: dataset {name!r}: {'; '.join(problems)}") from error


def _published(source: str, name: str, path: Path, published: dict[str, Any]) -> dict[str, float]:
    """Numbers of a dataset that ships, for a user's own copy of it."""
    known = published or _entries(SHIPPED)
    if source not in known:
        raise DatasetError(f"{path}: dataset {name!r}: paper: there is no {source!r} among {', '.join(known)}")
    return known[source].get("paper", {})


def _explained(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    value = f", got {problem['input']!r}" if problem["type"] not in ("missing",) and place else ""
    message = problem["msg"].removeprefix("Value error, ")
    return f"{place}: {message}{value}" if place else message
