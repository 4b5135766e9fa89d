"""What a run says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.cli.run import job_of, targets
from services.ledger import Account
from services.ledger.quarantine import quarantine
from services.local.run import attached, told
from services.mixer.recipe import Recipe
from services.runtime import ConfigurationError, Resources, load_settings
from services.runtime.clients.log import Log


def test_the_mix_is_held_to_the_recipe_that_is_in_force(tmp_path: Path) -> None:
    """Prevents: shares of the default beside a mix by another recipe, which an earlier call had named."""
    job = job_of([], tmp_path, None)
    stands = load_settings().model_copy(update={"recipe": Recipe.load("en-heavy").text})
    found = told(job, stands, Account(), 0, seconds=1.0, used={})
    shares = {each["phase"]: {b: of["target"] for b, of in each["mix"].items()} for each in found["phases"]}
    assert shares == targets("en-heavy") != targets(None)


def test_of_a_folder_that_cannot_be_written_what_its_kafka_left_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: `status` and `reconcile` that ask for another folder where a disk may only be read."""
    data = tmp_path / "state" / "kafka" / "data"
    data.mkdir(parents=True)
    monkeypatch.setattr("os.access", lambda *_: False)
    (data / ".kafka_cleanshutdown").touch()
    before = sorted(tmp_path.rglob("*"))
    with attached(tmp_path) as settings, Log(settings) as log:
        assert log.topics() == set()
        with pytest.raises(ConfigurationError, match="the river's Redis, which cannot be started"):
            _ = Resources(settings).redis
        with pytest.raises(ConfigurationError, match="the river's Kafka, which cannot be started"):
            quarantine(settings, [1], "spoils")
    assert sorted(tmp_path.rglob("*")) == before
