"""Alerts: each fires when it should and keeps quiet when it should not, as Prometheus evaluates them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
import yaml

from charts.monitoring.__main__ import CHART, DASHBOARDS
from charts.monitoring.alerts import ALERTS, RUNBOOKS
from services.cli.app import app

RULES = CHART / "rules" / "corpusworks.yaml"
BY_NAME = {alert.name: alert for alert in ALERTS}
N = 'namespace="n"'
JUDGED = "corpusworks_rules_judged_documents_total"


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Debian's package `prometheus` has it."""
    if (found := shutil.which("promtool")) is None:
        pytest.skip("promtool is not here: install the package `prometheus`")
    return subprocess.run(
        [found, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False
    )


@dataclass(frozen=True)
class Case:
    """series: values as promtool writes them, one a minute. fires: labels of each alert that stands at the
    end, with the value as its text shows it.
    """

    alert: str
    why: str
    series: Mapping[str, str]
    fires: Sequence[tuple[dict[str, str], str]] = ()
    at: str = "2h"


def lag(service: str = "rules") -> str:
    return f'corpusworks_lag_messages{{{N},service="{service}"}}'


def batches(service: str = "rules") -> str:
    return f'corpusworks_batch_seconds_count{{{N},service="{service}"}}'


def documents(outcome: str, unit: str = "parse") -> str:
    return f'corpusworks_documents_total{{{N},service="{unit}",unit="{unit}",outcome="{outcome}"}}'


def judged(language: str, reason: str = "") -> str:
    return f'{JUDGED}{{{N},service="rules",language="{language}",format="prose",reason="{reason}"}}'


def tokens(name: str, bucket: str) -> str:
    return f'corpusworks_{name}_tokens_total{{{N},service="mixer",bucket="{bucket}"}}'


def one(name: str, more: str = "") -> str:
    return f"corpusworks_{name}{{{N}{more}}}"


RULES_SERVICE, MENU = {"service": "rules"}, {"language": "zh", "format": "prose", "reason": "menu"}
PASSED = {judged("zh"): "0+70x500", judged("en"): "0+970x500"}
JOB = ',state="running"'
READY, CONSUMED = one("launcher_tokens", ',what="ready"'), one("launcher_tokens", ',what="consumed"')
FAILED = one("launcher_actions_total", ',action="removed",reason="TrainerFailed"')
HELD = one("open_seconds", ',service="sink"')
LEADS = one("launcher_leads", ',pod="a"')

WAITING = f'corpusworks_upload_waiting_files{{{N},service="upload"}}'
READING = f'corpusworks_upload_documents_total{{{N},service="upload"}}'

CASES = [
    Case("CorpusworksLagGrows", "it grows", {lag(): "0+100x120"}, [(RULES_SERVICE, "12k")]),
    Case("CorpusworksLagGrows", "it is high and stays", {lag(): "12000x120"}),
    Case("CorpusworksLagGrows", "it is worked off", {lag(): "30000-100x120"}),
    Case("CorpusworksLagGrows", "it grows within a batch", {lag(): "0+5x120"}),
    Case("CorpusworksLagGrows", "pools fill up", {lag("mixer"): "0+100x120"}),
    Case(
        "CorpusworksStuck",
        "nothing is committed",
        {lag(): "7x120", batches(): "5x120"},
        [(RULES_SERVICE, "7")],
    ),
    Case("CorpusworksStuck", "nothing ever was", {lag(): "7x120"}, [(RULES_SERVICE, "7")]),
    Case("CorpusworksStuck", "it works", {lag(): "7x120", batches(): "0+1x120"}),
    Case("CorpusworksStuck", "it idles", {lag(): "0x120", batches(): "5x120"}),
    Case("CorpusworksStuck", "the mix waits", {lag("mixer"): "7x120", batches("mixer"): "5x120"}),
    Case("CorpusworksServiceGone", "it has ended", {lag(): "0x60 stale"}, [(RULES_SERVICE, "")]),
    Case("CorpusworksServiceGone", "it was started again", {lag(): "0x60 _x4 0x60"}),
    Case(
        "CorpusworksDeadLetters",
        "a tenth",
        {documents("dead"): "0+10x120", documents("emit"): "0+90x120"},
        [({"unit": "parse"}, "150")],
    ),
    Case(
        "CorpusworksDeadLetters",
        "few of many",
        {documents("dead"): "0+10x120", documents("emit"): "0+9000x120"},
    ),
    Case(
        "CorpusworksDeadLetters",
        "one of three",
        {documents("dead"): "0x100 1x20", documents("emit"): "0x100 2x20"},
    ),
    Case(
        "CorpusworksRuleBias",
        "one language more than the other",
        {**PASSED, judged("zh", "menu"): "0+30x500", judged("en", "menu"): "0+30x500"},
        [(MENU, "5.5")],
        at="8h",
    ),
    Case(
        "CorpusworksRuleBias",
        "one language alone, of two that the rule is for",
        {**PASSED, judged("zh", "menu"): "0+30x500", judged("en", "menu"): "0x500"},
        [(MENU, "10.7")],
        at="8h",
    ),
    Case(
        "CorpusworksRuleBias",
        "a rule of that language",
        {**PASSED, judged("zh", "menu"): "0+30x500"},
        at="8h",
    ),
    Case(
        "CorpusworksRuleBias",
        "alike",
        {
            judged("zh"): "0+70x500",
            judged("en"): "0+700x500",
            judged("zh", "menu"): "0+30x500",
            judged("en", "menu"): "0+300x500",
        },
        at="8h",
    ),
    Case(
        "CorpusworksRuleBias",
        "by chance",
        {**PASSED, judged("zh", "menu"): "0x300 2x200", judged("en", "menu"): "0x500"},
        at="8h",
    ),
    Case(
        "CorpusworksRuleBias",
        "by chance, in a group of one in forty",
        {
            judged("zh"): "0+5x500",
            judged("en"): "0+195x500",
            judged("zh", "menu"): "0+0.065x500",  # 23 in six hours, for 14 that are likely
            judged("en", "menu"): "0+1.45x500",
        },
        at="8h",
    ),
    Case(
        "CorpusworksRuleBias",
        "a language that is not to be kept",
        {**PASSED, judged("zh", "language"): "0+30x500", judged("en", "language"): "0x500"},
        at="8h",
    ),
    Case(
        "CorpusworksStarved",
        "two lanes wait",
        {one("lane_starved", ',service="mixer"'): "2x120"},
        [({}, "2")],
    ),
    Case("CorpusworksStarved", "for a moment", {one("lane_starved", ',service="mixer"'): "0x110 1x10"}),
    Case(
        "CorpusworksMixOff",
        "nine to one for one to one",
        {
            tokens("mixed", "zh"): "0+9000x500",
            tokens("mixed", "en"): "0+1000x500",
            tokens("mix_target", "zh"): "0+5000x500",
            tokens("mix_target", "en"): "0+5000x500",
        },
        [({"bucket": "en"}, "40%"), ({"bucket": "zh"}, "40%")],
        at="8h",
    ),
    Case(
        "CorpusworksMixOff",
        "a bucket that never comes",
        {
            tokens("mixed", "zh"): "0+9000x500",
            tokens("mixed", "en"): "0x500",
            tokens("mix_target", "zh"): "0+8100x500",
            tokens("mix_target", "en"): "0+900x500",
        },
        [({"bucket": "en"}, "10%"), ({"bucket": "zh"}, "10%")],
        at="8h",
    ),
    Case(
        "CorpusworksMixOff",
        "as it should be",
        {
            tokens("mixed", "zh"): "0+9100x500",
            tokens("mixed", "en"): "0+900x500",
            tokens("mix_target", "zh"): "0+9000x500",
            tokens("mix_target", "en"): "0+1000x500",
        },
        at="8h",
    ),
    Case(
        "CorpusworksMixOff",
        "by a few documents",
        {
            tokens("mixed", "zh"): "0+9x500",
            tokens("mixed", "en"): "0+1x500",
            tokens("mix_target", "zh"): "0+5x500",
            tokens("mix_target", "en"): "0+5x500",
        },
        at="8h",
    ),
    Case(
        "CorpusworksRedisFull",
        "nine tenths",
        {one("redis_used_bytes"): "90x120", one("redis_limit_bytes"): "100x120"},
        [({}, "90%")],
    ),
    Case(
        "CorpusworksRedisFull",
        "half",
        {one("redis_used_bytes"): "50x120", one("redis_limit_bytes"): "100x120"},
    ),
    Case(
        "CorpusworksRedisForgets",
        "no append-only file",
        {one("redis_forgetful"): "1x120", one("redis_evicted_keys"): "0x120"},
        [({}, "")],
    ),
    Case(
        "CorpusworksRedisForgets",
        "keys go",
        {one("redis_forgetful"): "0x120", one("redis_evicted_keys"): "0x100 0+5x20"},
        [({}, "")],
    ),
    Case(
        "CorpusworksRedisForgets",
        "all is well",
        {one("redis_forgetful"): "0x120", one("redis_evicted_keys"): "0x120"},
    ),
    Case(
        "CorpusworksPartAge",
        "two hours",
        {HELD: "0+60x120"},
        [({}, "2h 0m 0s")],
    ),
    Case("CorpusworksPartAge", "five minutes", {HELD: "300x120"}),
    Case(
        "CorpusworksPartAge",
        "an archive's file",
        {one("open_seconds", ',service="archive_uses"'): "0+60x120"},
    ),
    Case("CorpusworksLossSpike", "it doubles", {one("train_loss"): "3x119 6"}, [({}, "")]),
    Case("CorpusworksLossSpike", "it goes down", {one("train_loss"): "9-0.05x120"}),
    Case(
        "CorpusworksLossSpike",
        "back to a checkpoint",
        {one("train_loss"): "3x120", one("train_rewinds_total"): "0x100 1x20"},
        [({}, "")],
    ),
    Case(
        "CorpusworksLossSpike",
        "step after step",
        {one("train_loss"): "3x120", one("train_skipped_steps_total"): "0+1x120"},
        [({}, "")],
    ),
    Case(
        "CorpusworksLossSpike",
        "one step",
        {one("train_loss"): "3x120", one("train_skipped_steps_total"): "0x100 1x20"},
    ),
    Case(
        "CorpusworksLauncherStuck",
        "tokens wait",
        {
            READY: "300000000x120",
            CONSUMED: "100000000x120",
            one("launcher_job", JOB): "0x120",
            LEADS: "1x120",
        },
        [({}, "")],
    ),
    Case(
        "CorpusworksLauncherStuck",
        "it trains",
        {
            READY: "300000000x120",
            CONSUMED: "100000000x120",
            one("launcher_job", JOB): "1x120",
            LEADS: "1x120",
        },
    ),
    Case(
        "CorpusworksLauncherStuck",
        "it waits for tokens",
        {READY: "50000000x120", CONSUMED: "0x120", one("launcher_job", JOB): "0x120", LEADS: "1x120"},
    ),
    Case("CorpusworksLauncherStuck", "jobs fail", {FAILED: "0+1x120", LEADS: "1x120"}, [({}, "")]),
    Case("CorpusworksLauncherStuck", "nobody leads", {LEADS: "0x120"}, [({}, "")]),
    Case(
        "CorpusworksLauncherStuck",
        "another stands by",
        {LEADS: "1x120", one("launcher_leads", ',pod="b"'): "0x120"},
    ),
    Case("CorpusworksUploadsWait", "nothing is read", {WAITING: "7x120"}, [({}, "7")]),
    Case("CorpusworksUploadsWait", "a large one is read", {WAITING: "1x120", READING: "0+9x120"}),
    Case("CorpusworksUploadsWait", "nothing waits for long", {WAITING: "7x60 0 7x59"}, at="65m"),
    Case("CorpusworksNoNewUrl", "nothing comes", {documents("emit", "ingest"): "50x120"}, [({}, "")]),
    Case("CorpusworksNoNewUrl", "something does", {documents("emit", "ingest"): "0+1x120"}),
    Case(
        "CorpusworksNoNewUrl",
        "a crawl finds nothing",
        {one("crawl_new_url_age_seconds"): "0+60x120"},
        [({}, "")],
    ),
    Case("CorpusworksNoNewUrl", "a crawl finds some", {one("crawl_new_url_age_seconds"): "900x120"}),
    Case("CorpusworksNoNewUrl", "nothing is crawled or imported", {documents("emit", "parse"): "50x120"}),
]


def test_the_rules_are_rules() -> None:
    """Prevents an expression or a template that Prometheus does not take, which fails when it starts."""
    done = promtool("check", "rules", RULES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout


def test_each_alert_is_seen_to_fire_and_to_keep_quiet() -> None:
    """Prevents an alert that nobody has tried."""
    for fires in (True, False):
        assert {case.alert for case in CASES if bool(case.fires) is fires} == set(BY_NAME)


def test_each_fires_when_it_should_and_no_other_time(tmp_path: Path) -> None:
    """Prevents an alert that is always silent, and one that nobody believes any more.

    In one run, since promtool takes seconds to start.
    """
    told = {"rule_files": [str(RULES)], "evaluation_interval": "5m", "tests": [_test(case) for case in CASES]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(told))
    done = promtool("test", "rules", tmp_path / "test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_expectation_is_found_out(tmp_path: Path) -> None:
    """Prevents the test above from passing whatever the rules say."""
    silent = Case("CorpusworksPartAge", "nothing waits", {HELD: "0x120"}, [({}, "")])
    loud = Case("CorpusworksPartAge", "two hours", {HELD: "0+60x120"})
    tests = [_test(silent), _test(loud)]
    told = {"rule_files": [str(RULES)], "evaluation_interval": "5m", "tests": tests}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(told))
    done = promtool("test", "rules", tmp_path / "test.yaml")
    assert done.returncode != 0
    assert (done.stdout + done.stderr).count("CorpusworksPartAge, time: 2h") == 2


def _test(case: Case) -> dict[str, object]:
    fires = [_told(case, *each) for each in case.fires]
    return {
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
        "alert_rule_test": [{"alertname": case.alert, "eval_time": case.at, "exp_alerts": fires}],
    }


def _told(case: Case, labels: dict[str, str], value: str) -> dict[str, object]:
    """With its text, as a person reads it."""
    alert = BY_NAME[case.alert]

    def read(template: str) -> str:
        text = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], template)
        return re.sub(r"\{\{ \$value \| \w+ \}\}", value, text)

    return {
        "exp_labels": {"namespace": "n", "severity": alert.severity, **labels},
        "exp_annotations": {
            "summary": read(alert.summary),
            "description": read(alert.says),
            "runbook_url": f"{RUNBOOKS}#{alert.name.lower()}",
        },
    }


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    """Prevents somebody who was woken up from finding nothing; and a page of an alert that is no more."""
    text = (CHART / RUNBOOKS).read_text()
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert [section.splitlines()[0] for section in sections] == list(BY_NAME)
    for section in sections:
        assert "**Means.**" in section
        assert "**Look.**" in section
        assert "**Do.**" in section


def test_every_command_that_somebody_is_sent_to_is_there() -> None:
    """Prevents a night in which the way out is a command of another name."""
    told = (CHART / RUNBOOKS).read_text() + " ".join(p.told for d in DASHBOARDS for p in d.panels)
    named = set(re.findall(r"`corpusworks ([a-z]+)(?: ([a-z]+))?", told))
    assert len(named) > 8
    known = typer.main.get_command(app)
    for first, second in named:
        group = known.commands[first]  # type: ignore[attr-defined]
        assert not second or second in group.commands, f"corpusworks {first} {second}"
