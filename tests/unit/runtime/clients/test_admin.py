"""What is asked of the cluster, where a coordinator is not where it was."""

from __future__ import annotations

from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import NoError, NotCoordinatorError, UnknownMemberIdError
from kafka.structs import OffsetAndMetadata

from services.runtime import Settings
from services.runtime.clients import admin, kafka
from services.runtime.clients.admin import Admin

PLACE = TopicPartition("docs.raw", 0)


class Client:
    """Knows the coordinator that there was when it was made."""

    coordinator, asked = 2, 0
    alter: Any = NoError

    def __init__(self, **_: object) -> None:
        self._found = Client.asked

    def list_group_offsets(self, groups: list[str]) -> dict[str, dict[TopicPartition, OffsetAndMetadata]]:
        self._refuse_stale()
        return {group: {PLACE: OffsetAndMetadata(7, "", -1)} for group in groups}

    def alter_group_offsets(self, *_: object) -> dict[TopicPartition, Any]:
        try:
            self._refuse_stale()
        except NotCoordinatorError:
            return {PLACE: NotCoordinatorError}
        return {PLACE: Client.alter}

    def close(self) -> None:
        pass

    def _refuse_stale(self) -> None:
        Client.asked += 1
        if self._found < Client.coordinator:
            raise NotCoordinatorError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Admin:
    monkeypatch.setattr(kafka, "KafkaAdminClient", Client)
    monkeypatch.setattr(admin, "admitted", lambda _: None)
    monkeypatch.setattr(Client, "asked", 0)
    return Admin(Settings())


def test_a_coordinator_that_moved_is_looked_for_again(asked: Admin) -> None:
    """Prevents a start, and any look at a cluster, that fails since a broker was busy or went."""
    assert asked.committed("parse") == {("docs.raw", 0): 7}
    assert Client.asked == Client.coordinator + 1


def test_offsets_are_set_once_the_coordinator_is_found(asked: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a set-up that ends since a broker has only just begun."""
    assert asked.set_offsets("parse", {("docs.raw", 0): 3})
    monkeypatch.setattr(Client, "alter", UnknownMemberIdError)
    assert not asked.set_offsets("parse", {("docs.raw", 0): 3})
