"""What ``cluster:`` of a workflow may say: threads, processes, an address, or a class of Dask's."""

from __future__ import annotations

import difflib
import importlib
import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.errors import ConfigurationError

_STRICT = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
_ADDRESS = re.compile(r"threads|processes|(tcp|tls)://\S+:(?P<port>\d{1,5})/?")
_PORTS = 65_535
_DOTTED = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$"
_OURS = ("asynchronous", "loop")
_INSTALL = {"distributed": "'siluan[cluster]'", "dask": "'siluan[cluster]'"}

Here = Literal["threads", "processes"]


class Adapt(BaseModel):
    """Between how many workers a cluster may go, as the work asks for them."""

    model_config = _STRICT

    minimum: int = Field(default=1, ge=1, le=10_000, description="workers at all times")
    maximum: int = Field(ge=1, le=10_000, description="workers at most")

    @model_validator(mode="after")
    def _ordered(self) -> Adapt:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is more than maximum {self.maximum}")
        return self


class ClusterOptions(BaseModel):
    """Where the sweeps run; a word or an address in the workflow stands for ``address``."""

    model_config = _STRICT

    address: str | None = Field(
        default=None,
        description="threads, processes, or the address of a dask scheduler (tcp://host:8786) "
        "whose workers see the state folder under the same path",
    )
    class_: str | None = Field(
        default=None,
        alias="class",
        pattern=_DOTTED,
        description="a cluster of Dask's, started for the run and closed after it, such as "
        "dask_jobqueue.SLURMCluster or dask_kubernetes.operator.KubeCluster",
    )
    args: dict[str, Any] = Field(default={}, description="what that class is called with")
    scale: int | None = Field(default=None, ge=1, le=10_000, description="number of workers")
    adapt: Adapt | None = Field(default=None, description="or as many as the work asks for")
    wait_s: int = Field(
        default=600,
        ge=1,
        le=86_400,
        description="of a class: longest wait for its first worker, and without any [s]",
    )
    otherwise: Here | None = Field(
        default=None,
        description="what the run goes on with where the cluster does not answer at its start; "
        "default: it ends with code 3",
    )

    @model_validator(mode="before")
    @classmethod
    def _a_word(cls, value: Any) -> Any:
        if value is None:
            return {"address": "threads"}
        return {"address": value} if isinstance(value, str) else value

    @field_validator("address")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        found = _ADDRESS.fullmatch(value) if value is not None else None
        port = int(found["port"] or 1) if found else 1
        if value is not None and (found is None or not 1 <= port <= _PORTS):
            raise ValueError(
                f"'{value}' is neither threads nor processes nor the address of a scheduler "
                "(tcp://host:8786)"
            )
        return value

    @field_validator("args")
    @classmethod
    def _not_ours(cls, value: dict[str, Any]) -> dict[str, Any]:
        ours = [name for name in _OURS if name in value]
        if ours:
            raise ValueError(f"{' and '.join(ours)} cannot be chosen here")
        return value

    @model_validator(mode="after")
    def _one_of_them(self) -> ClusterOptions:
        if (self.address is None) == (self.class_ is None):
            raise ValueError("give one of address and class")
        if self.class_ is not None and (self.scale is None) == (self.adapt is None):
            raise ValueError("a class needs one of scale and adapt")
        extra = {"args", "scale", "adapt", "wait_s"} & self.model_fields_set
        if self.address is not None and extra:
            raise ValueError(f"{', '.join(sorted(extra))} goes with class, not with address")
        if self.address in ("threads", "processes") and self.otherwise is not None:
            raise ValueError(f"otherwise goes with a cluster, and {self.address} always answer")
        return self

    @property
    def name(self) -> str:
        """For sentences."""
        return self.address or str(self.class_)

    @property
    def most(self) -> int:
        """Workers that were asked for; 0 where that is not ours to say."""
        return self.adapt.maximum if self.adapt else self.scale or 0


def check_cluster(options: ClusterOptions) -> None:
    """Find out before a run, and not in its middle, that what it names can be started.

    Raises
    ------
    ConfigurationError
        A package is missing (named, with the line that installs it), or the class is none.
    """
    if options.address == "threads":
        return
    distributed_module(options.name)
    if options.class_ is not None:
        cluster_class(options.class_)


def distributed_module(name: str) -> Any:
    """Import dask.distributed.

    Raises
    ------
    ConfigurationError
        It is not installed.
    """
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise ConfigurationError(
            f"'cluster: {name}' needs dask.distributed, which is not installed",
            "Install it with: pip install 'siluan[cluster]'",
        ) from error


def cluster_class(dotted: str) -> Any:
    """Import the class that a workflow names.

    Raises
    ------
    ConfigurationError
        Its package is not installed or cannot be imported, has no such class, or the class is no
        cluster of Dask's.
    """
    module_name, _, name = dotted.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise _not_installed(dotted, module_name, error) from error
    found = getattr(module, name, None)
    base = importlib.import_module("distributed.deploy").Cluster
    if found is None:
        known = [n for n, o in vars(module).items() if isinstance(o, type) and issubclass(o, base)]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5) or known[:1]
        raise ConfigurationError(
            f"'cluster: {dotted}': {module_name} has no class {name}",
            f"Did you mean {module_name}.{near[0]}" if near else "Look up the name of its class",
        )
    if not (isinstance(found, type) and issubclass(found, base)) or found is base:
        raise ConfigurationError(
            f"'cluster: {dotted}' is no cluster of Dask's (a class made of "
            "distributed.deploy.Cluster)",
            "Name one, such as dask_jobqueue.SLURMCluster or distributed.LocalCluster",
        )
    return found


def _not_installed(dotted: str, module: str, error: ImportError) -> ConfigurationError:
    missing = error.name if isinstance(error, ModuleNotFoundError) and error.name else None
    if missing is None:
        return ConfigurationError(
            f"'cluster: {dotted}': {module} cannot be imported ({error})",
            "Install a version of it that fits, or mend it",
        )
    top, wanted = missing.split(".", maxsplit=1)[0], module.split(".", maxsplit=1)[0]
    if top == wanted and missing != top:
        return ConfigurationError(
            f"'cluster: {dotted}': {wanted} is installed, and has no module {missing}",
            "Look up the name of its class",
        )
    what = _INSTALL.get(top, top.replace("_", "-"))
    return ConfigurationError(
        f"'cluster: {dotted}' needs the package {top}, which is not installed",
        f"Install it with: pip install {what}",
    )
