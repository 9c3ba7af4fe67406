"""Spans and the critical path, from the CLI's events as it writes them."""

from typing import Any

import pytest
from cloud.bench.timeline import critical_path, dependencies
from cloud.pulumi import Span, spans, urn_name

pytestmark = pytest.mark.unit

PREFIX = "urn:pulumi:lab::mysql-ring::some:type:Type::"


def begun(name: str, *, custom: bool = True) -> dict[str, Any]:
    return {
        "resourcePreEvent": {"metadata": {"urn": PREFIX + name, "new": {"custom": custom}}},
        "timestamp": 0,
    }


def ended(name: str) -> dict[str, Any]:
    return {"resOutputsEvent": {"metadata": {"urn": PREFIX + name}}, "timestamp": 0}


def test_a_resource_lasts_from_its_begin_to_its_outputs() -> None:
    events = [
        (1.5, begun("vpc")),
        (1.7, begun("bucket")),
        (2.0, ended("bucket")),
        (4.5, ended("vpc")),
    ]
    assert [(span.name, span.start, span.seconds) for span in spans(events)] == [
        ("vpc", 1.5, 3.0),
        ("bucket", 1.7, pytest.approx(0.3)),
    ]


def test_components_and_resources_without_an_end_are_left_out() -> None:
    events = [
        (0.0, begun("ring", custom=False)),
        (1.0, begun("vpc")),
        (2.0, ended("ring")),
        (2.0, {"summaryEvent": {"resourceChanges": {}}}),
    ]
    assert spans(events) == []


def test_the_path_goes_back_to_the_dependency_that_ended_last() -> None:
    done = [
        Span("a::key", 1.0, 1.2),
        Span("a::network", 1.0, 2.0),
        Span("a::instance", 2.1, 6.0),
        Span("a::bucket", 1.0, 3.0),
        Span("a::install", 6.5, 9.0),
    ]
    waits = {
        "a::instance": {"a::key", "a::network"},
        "a::install": {"a::instance", "a::bucket"},
    }
    path = critical_path(done, waits)
    assert [link.span.name for link in path] == ["network", "instance", "install"]
    assert [link.waited for link in path] == [
        pytest.approx(1.0),
        pytest.approx(0.1),
        pytest.approx(0.5),
    ]


def test_the_path_of_nothing_is_empty() -> None:
    assert critical_path([], {}) == []


def test_dependencies_are_read_from_an_export() -> None:
    export = {
        "deployment": {
            "resources": [
                {"urn": "a::vpc"},
                {"urn": "a::subnet", "dependencies": ["a::vpc"]},
            ]
        }
    }
    assert dependencies(export) == {"a::vpc": set(), "a::subnet": {"a::vpc"}}


def test_a_resource_is_called_by_its_own_name() -> None:
    assert urn_name(PREFIX + "node-1-seed") == "node-1-seed"
