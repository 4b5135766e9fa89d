"""The local Triton's model repository, derived from model folders: other backend, all else as in the cluster.

Requests may be larger, and none waits for others that could be run with it: the backend cuts them itself.

A model folder holds config.pbtxt (backend onnxruntime) and 1/model.onnx, 2/model.onnx …; the derived one has
backend python and a model.py beside each model.onnx. Nothing is copied where a hard link can be made.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from services.runtime import ConfigurationError

CONFIG = "config.pbtxt"
GRAPH = "model.onnx"
CODE = Path(__file__).with_name("judge_model.py")
_CODE_NAME = "model.py"  # what the python backend looks for
_REQUEST_ROWS = 1024  # that one request may hold, so that what it costs is little beside its rows


def model_folders(repositories: Sequence[Path]) -> dict[str, Path]:
    """The models of some repositories by name. Raises ConfigurationError: none, or one name twice."""
    found: dict[str, Path] = {}
    for repository in dict.fromkeys(path.absolute() for path in repositories):
        configs = sorted(repository.glob(f"*/{CONFIG}"))
        here = [config.parent for config in configs if not config.parent.name.startswith(".")]
        if not here:
            raise ConfigurationError(
                f"{repository} is no model repository: it should hold a folder for each model, with {CONFIG} "
                f"and 1/{GRAPH} in it, as `corpusworks judge export` writes it"
            )
        for folder in here:
            if folder.name in found:
                raise ConfigurationError(
                    f"two models are named {folder.name}: {found[folder.name]} and {folder}"
                )
            found[folder.name] = folder
    return found


@contextmanager
def derived(folder: Path, target: Path, threads: int) -> Iterator[None]:
    """Make `target` what Triton loads for a model folder; an error inside the block brings the former back.

    May run beside a server that has loaded from `target`. threads: of onnxruntime. Raises ConfigurationError
    naming the folder or file that is wrong.
    """
    # Built beside the repository, since the server reads that.
    with TemporaryDirectory(dir=target.parent.parent, prefix="model-") as scratch:
        made, former = Path(scratch) / "made", Path(scratch) / "former"
        try:
            _derive(folder, made, threads)
            target.parent.mkdir(exist_ok=True)
            if target.exists():
                target.rename(former)
            made.rename(target)
        except OSError as error:
            raise ConfigurationError(
                f"the local copy {target} of {folder} cannot be made: {error}"
            ) from error
        try:
            yield
        except BaseException:
            target.rename(made)
            if former.exists():
                former.rename(target)
            raise


def derive_all(repositories: Sequence[Path], target: Path, threads: int) -> None:
    """Make `target` the local repository for these, and nothing else. Raises ConfigurationError."""
    models = model_folders(repositories)
    shutil.rmtree(target, ignore_errors=True)
    for name, folder in models.items():
        with derived(folder, target / name, threads):
            pass


def local_config(text: str, threads: int) -> str:
    """config.pbtxt of the local server, from that of the cluster. Raises ValueError: not a model's."""
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    config: Any = model_config_pb2.ModelConfig()
    try:
        text_format.Parse(text, config)
    except text_format.ParseError as error:
        raise ValueError(str(error)) from error
    config.backend = "python"
    # What names the other backend, or its file, or its devices, or joins requests into one run.
    for field in ("platform", "default_model_filename", "optimization", "instance_group", "dynamic_batching"):
        config.ClearField(field)
    config.instance_group.add(kind=model_config_pb2.ModelInstanceGroup.KIND_CPU, count=1)
    config.parameters["threads"].string_value = str(threads)
    config.parameters["rows"].string_value = str(config.max_batch_size)
    config.max_batch_size = max(config.max_batch_size, _REQUEST_ROWS)
    return str(text_format.MessageToString(config))


def _derive(folder: Path, made: Path, threads: int) -> None:
    try:
        config = local_config((folder / CONFIG).read_text(), threads)
    except ValueError as error:
        raise ConfigurationError(f"{folder / CONFIG} is no model's configuration: {error}") from error
    graphs = [path for path in folder.glob(f"*/{GRAPH}") if path.parent.name.isdecimal()]
    if not graphs:
        raise ConfigurationError(f"{folder} holds no version of its model: 1/{GRAPH} is missing")
    made.mkdir()
    (made / CONFIG).write_text(config)
    for graph in graphs:
        version = made / graph.parent.name
        version.mkdir()
        shutil.copyfile(CODE, version / _CODE_NAME)
        for file in graph.parent.iterdir():  # large weights lie in files of their own beside the graph
            if file.is_file():
                _link(file, version / file.name)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or a file system or a user that may not
        shutil.copy2(source, target)
