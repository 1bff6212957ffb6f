"""``lbd gen``: rules for Prometheus and a dashboard for Grafana, from the numbers of a configuration."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import yaml

from lbd import plugins
from lbd.cli.main import DEFAULT_CONFIG
from lbd.display.paint import printable
from lbd.model.alert import AlertsSpec
from lbd.model.problem import ConfigError
from lbd.observe import grafana, rules

_HEAD = """\
# Alerts and records for Prometheus, made by lbd gen rules: what lbd's own alerts say, by the same numbers.
# Here each alert is of one scraped instance. promtool check rules FILE; then add it to rule_files.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = "exit status: 0 written, 1 the configuration is bad"
    parser.add_argument(
        "what", choices=("rules", "grafana"), help="rules: a Prometheus rules file; grafana: a dashboard to import"
    )
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        default=None,
        metavar="FILE",
        help=f"whose limits hold ({DEFAULT_CONFIG} where there is one, else the defaults)",
    )


def written(what: str, spec: AlertsSpec) -> str:
    """Return the file."""
    if what == "grafana":
        return json.dumps(grafana.document(spec), indent=2) + "\n"
    text: str = yaml.safe_dump(rules.document(spec), sort_keys=False, allow_unicode=True, width=10_000)
    return _HEAD + text


def run(args: argparse.Namespace) -> int:
    """Write it to the standard output."""
    path = args.config
    if path is None:
        path = Path(DEFAULT_CONFIG) if Path(DEFAULT_CONFIG).exists() else None
    spec = AlertsSpec()
    if path is not None:
        try:
            spec = plugins.read_config(path).alerts
        except ConfigError as e:
            print(printable(str(e)), file=sys.stderr)
            return 1
    sys.stdout.write(written(args.what, spec))
    return 0
