"""``siluan corridor``."""

from __future__ import annotations

import typer

corridor_app = typer.Typer(no_args_is_help=True, help="Corridors of the office.")
