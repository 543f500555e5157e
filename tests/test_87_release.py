"""Stores that no run removes: the doctor names them, a person releases them, nothing else goes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from pipeline.commands.corridor import release as command
from pipeline.config import choose_corridors, load_workflow
from pipeline.errors import ConfigurationError, LedgerHeldError
from pipeline.ledger import open_ledger
from pipeline.office.doctor import Checkup, examine
from pipeline.office.releasing import plan_release, release
from pipeline.passes.old_stores import drop_old_stores
from pipeline.passes.site import store_root


def make(root: Path, ids: str, users: list[str] | None) -> Path:
    for name in ids:
        (root / name).mkdir(parents=True)
        (root / name / "pass.json").write_text("{}", encoding="utf-8")
        (root / name / "0_0.blk").write_bytes(bytes(1000))
    (root / "store.json").write_text("{}", encoding="utf-8")
    if users is not None:
        (root / "used_by.json").write_text(json.dumps(users), encoding="utf-8")
    return root


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A workflow with today's store."""
    found = tiny.workflow(tmp_path, tmp_path)
    workflow = load_workflow(found)
    (corridor,) = choose_corridors(workflow, ())
    make(store_root(workflow, corridor, 10), "cd", ["tiny"])
    return found


def old(path: Path, mark: str, ids: str, users: list[str] | None) -> Path:
    return make(path.parent / f"state/store/tiny-{mark * 8}-10m", ids, users)


def findings(path: Path) -> list[str]:
    found = examine(Checkup(path.parent / "config", (path,)))
    return [f"{f.what} | {f.remedy}" for f in found if "of an earlier outline" in f.what]


def test_a_store_that_names_nobody_is_named_and_released(path: Path) -> None:
    store = old(path, "0", "abc", None)
    workflow = load_workflow(path)
    (line,) = drop_old_stores(workflow, choose_corridors(workflow, ())[0])
    assert "kept until somebody releases it: siluan corridor release tiny --workflow" in line
    (finding,) = findings(path)
    assert "3 passes; 2 of them are not in today's store) names no workflow that uses it" in finding
    assert f"siluan corridor release tiny --workflow {path}, which asks first" in finding
    plan = plan_release(path, "tiny", ())
    assert "1 store(s), 3.0 kB, would be removed" in plan.lines[-1]
    assert store.exists()
    (done,) = release(plan)
    assert f"the old store {store.name} (3.0 kB) was removed" in done
    left = sorted(p.name for p in store.parent.iterdir())
    assert len(left) == 1
    assert not left[0].startswith("tiny-0")
    assert plan_release(path, "tiny", ()).lines == (
        "tiny: there is no store of an earlier outline",
    )
    assert findings(path) == []


def test_what_other_workflows_use_is_refused(path: Path) -> None:
    store = old(path, "0", "c", ["other", "third"])
    with pytest.raises(ConfigurationError, match="in use by other, third. Run these over today"):
        plan_release(path, "tiny", ())
    with pytest.raises(ConfigurationError, match="in use by third"):
        plan_release(path, "tiny", ("other",))
    (finding,) = findings(path)
    assert finding.endswith("--gone other --gone third")
    free = old(path, "1", "c", None)
    plan = plan_release(path, "tiny", ())
    assert [s.root for s in plan.stores] == [free]
    release(plan)
    assert store.exists()
    assert not free.exists()
    release(plan_release(path, "tiny", ("other", "third")))
    assert not store.exists()


def test_what_the_next_run_removes_is_no_finding(path: Path) -> None:
    old(path, "0", "c", ["tiny"])
    assert findings(path) == []


def test_nothing_goes_while_a_run_works_or_where_things_changed(path: Path) -> None:
    store = old(path, "0", "ab", None)
    plan = plan_release(path, "tiny", ())
    with open_ledger(path.parent / "state/ledger.sqlite"):
        with pytest.raises(LedgerHeldError):
            plan_release(path, "tiny", ())
        with pytest.raises(LedgerHeldError):
            release(plan)
    (store / "used_by.json").write_text('["other"]', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="have changed meanwhile; nothing was removed"):
        release(plan)
    assert store.exists()


def test_a_store_that_cannot_be_removed_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = old(path, "0", "ab", None)
    plan = plan_release(path, "tiny", ())

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(ConfigurationError, match="could not be removed: Permission denied"):
        release(plan)
    assert store.exists()


def test_the_command_asks(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = old(path, "0", "ab", None)

    def said(yes: bool) -> int:
        with pytest.raises(SystemExit) as ended:
            command("tiny", path, None, yes)
        return int(str(ended.value.code))

    assert said(False) == 2
    assert "nobody is here to say yes, and nothing was removed" in capsys.readouterr().err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert said(False) == 2
    assert store.exists()
    monkeypatch.setattr("builtins.input", lambda _: "是")
    assert said(False) == 0
    assert "was removed" in capsys.readouterr().out
    assert not store.exists()
    assert said(True) == 0
    assert "there is no store of an earlier outline" in capsys.readouterr().out
