"""Where objects and traps are put: shores, bars and banks of the real reservoir."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from benchmarks.accuracy.real_masks import distance, grown
from benchmarks.accuracy.real_objects import (
    FINE,
    MAX_M2,
    MIN_M2,
    Ground,
    Image,
    Layer,
    Mask,
    Source,
    Thing,
    blob,
    fine_grid,
    rectangle,
)

KINDS = ("zhan", "cai", "dui", "jian")
EDGES = (MIN_M2, 1000.0, 2500.0, 10_000.0, MAX_M2)
APART_PX = 6
BANK_PX = 14  # objects on banks lie within 140 m of the highest shore


def place_all(ground: Ground, span: tuple[float, float], per_kind: int) -> None:
    """Place ``per_kind`` objects of each kind, sizes in turn from each class, and the traps."""
    rng = ground.rng
    sizes = [k % (len(EDGES) - 1) for k in range(per_kind * len(KINDS))]
    # Large things first: small ones find room between them.
    jobs = sorted(
        zip(sizes, [k for k in KINDS for _ in range(per_kind)], strict=True), reverse=True
    )
    _bridge(ground, span)
    for number, (size, kind) in enumerate(jobs):
        area = float(np.exp(rng.uniform(np.log(EDGES[size]), np.log(EDGES[size + 1]))))
        if kind in ("cai", "dui") and area > 30_000:
            area = 30_000.0  # the bars and banks here have no room for more
        day = float(rng.uniform(span[0], span[0] + 0.6 * (span[1] - span[0])))
        _MAKERS[kind](ground, f"{kind}-{number}", area, day)
    _traps(ground, span)


def _where(ground: Ground, kind: str) -> Mask:
    height = ground.scene.height
    if kind == "shore":
        return (height > 0.55) & (height < 0.98)
    if kind == "bar":
        return (height > 0.15) & (height < 0.95)
    rim = distance(height > 1.0)
    return (rim > 2) & (rim <= BANK_PX)


def _put(
    ground: Ground, rank: Image, where: Mask, inside: Mask | None = None
) -> tuple[int, int] | None:
    """Find room for a window: its middle in ``where``, and nothing else near."""
    h, w = rank.shape[0] // FINE, rank.shape[1] // FINE
    body = (rank <= 1).reshape(h, FINE, w, FINE).mean(axis=(1, 3)) > 0.2
    wide = grown(np.pad(body, APART_PX), APART_PX)
    places = np.argwhere(where & ~ground.taken)
    for k in ground.rng.permutation(len(places))[:400]:
        top, left = int(places[k][0]) - h // 2, int(places[k][1]) - w // 2
        if top < 8 or left < 8 or top + h + 8 > where.shape[0] or left + w + 8 > where.shape[1]:
            continue
        around = (
            slice(top - APART_PX, top + h + APART_PX),
            slice(left - APART_PX, left + w + APART_PX),
        )
        if (ground.taken[around] & wide).any():
            continue
        part = slice(top, top + h), slice(left, left + w)
        if inside is not None and inside[part][body].mean() < 0.9:
            continue
        ground.taken[around] |= wide
        return top, left
    return None


def _pick(ground: Ground, name: str) -> Source:
    options = ground.sources[name]
    return options[int(ground.rng.integers(len(options)))]


def _fine(mask: Mask, top: int, left: int, rank: Image) -> Mask:
    h, w = rank.shape[0] // FINE, rank.shape[1] // FINE
    return np.kron(mask[top : top + h, left : left + w], np.ones((FINE, FINE), bool))


def _zhan(ground: Ground, name: str, area: float, day: float) -> None:
    """Fill from the shore outwards; what counts is what lies below the highest shore."""
    rng, height = ground.rng, ground.scene.height
    for _ in range(60):
        rank = blob(area / 100 * float(rng.uniform(1.2, 1.8)), rng)
        at = _put(ground, rank, _where(ground, "shore"))
        if at is None:
            continue
        below = _fine(height < 1.0, *at, rank)
        middle = below & (rank <= 1)
        size = middle.sum() / FINE**2 * 100
        if not 0.7 * area <= size <= 1.4 * area:
            _release(ground, at, rank)
            continue
        layers = (Layer(rank <= 1, _pick(ground, "soil" if rng.random() < 0.6 else "sand"), day),)
        grows = float(rng.uniform(0, 90))
        ground.things.append(
            Thing(name, "zhan", "fill", *at, rank, layers, day, grows, truth=below)
        )
        return


def _release(ground: Ground, at: tuple[int, int], rank: Image) -> None:
    h, w = rank.shape[0] // FINE, rank.shape[1] // FINE
    body = (rank <= 1).reshape(h, FINE, w, FINE).mean(axis=(1, 3)) > 0.2
    wide = grown(np.pad(body, APART_PX), APART_PX)
    around = (
        slice(at[0] - APART_PX, at[0] + h + APART_PX),
        slice(at[1] - APART_PX, at[1] + w + APART_PX),
    )
    ground.taken[around] &= ~wide


def _cai(ground: Ground, name: str, area: float, day: float) -> None:
    """Dig ponds beside spoil: half of them on bars that the water uncovers, half on banks."""
    rng = ground.rng
    on_bar = bool(rng.random() < 0.5) and area < 6000
    rank = blob(area / 100, rng)
    where = _where(ground, "bar" if on_bar else "bank")
    at = _put(ground, rank, where, where if on_bar else ground.scene.height > 1.0)
    if at is None:
        return
    pond = rank <= 1
    cut = rng.normal(size=2)
    y, x = fine_grid(rank.shape[0] // FINE)
    side = y * cut[0] + x * cut[1]
    pond &= side < np.quantile(side[pond], float(rng.uniform(0.45, 0.7)))
    layers = (
        Layer(rank <= 1, _pick(ground, "sand"), day),
        Layer(pond, _pick(ground, "water"), day + float(rng.uniform(0, 30))),
    )
    what = "pit on a bar" if on_bar else "pit on a bank"
    grows = float(rng.uniform(0, 120))
    ground.things.append(Thing(name, "cai", what, *at, rank, layers, day, grows))


def _dui(ground: Ground, name: str, area: float, day: float) -> None:
    """Heap soil or rubble on a bank, growing."""
    rank = blob(area / 100, ground.rng, rough=0.35)
    at = _put(ground, rank, _where(ground, "bank"), ground.scene.height > 1.0)
    if at is None:
        return
    what = "soil" if ground.rng.random() < 0.6 else "built"
    layers = (Layer(rank <= 1, _pick(ground, what), day),)
    grows = float(ground.rng.uniform(45, 150))
    ground.things.append(Thing(name, "dui", f"heap of {what}", *at, rank, layers, day, grows))


def _jian(ground: Ground, name: str, area: float, day: float) -> None:
    """Build on a bank: bare ground first, a roof a month or two later."""
    rank = rectangle(area / 100, ground.rng)
    at = _put(ground, rank, _where(ground, "bank"), ground.scene.height > 1.0)
    if at is None:
        return
    roof = day + float(ground.rng.uniform(20, 60))
    layers = (
        Layer(rank <= 1, _pick(ground, "soil"), day),
        Layer(rank <= 1, _pick(ground, "built"), roof),
    )
    ground.things.append(Thing(name, "jian", "building", *at, rank, layers, day, 0.0))


_MAKERS: dict[str, Callable[[Ground, str, float, float], None]] = {
    "zhan": _zhan,
    "cai": _cai,
    "dui": _dui,
    "jian": _jian,
}


def _bridge(ground: Ground, span: tuple[float, float]) -> None:
    """Span a narrow arm from bank to bank, 15 m wide."""
    water = ground.scene.height < 1.0
    deep = distance(water)
    ridge = water & (deep == np.asarray(ndimage.maximum_filter(deep, 5))) & (deep > 3) & (deep < 9)
    places = np.argwhere(ridge & ~ground.taken)
    for k in ground.rng.permutation(len(places))[:200]:
        r, c = (int(v) for v in places[k])
        half = float(deep[r, c])
        size = int(2 * (half + 6)) + 5
        top, left = r - size // 2, c - size // 2
        if top < 8 or left < 8 or top + size > water.shape[0] or left + size > water.shape[1]:
            continue
        y, x = fine_grid(size)
        local = water[top : top + size, left : left + size]
        for turn in np.linspace(0, np.pi, 12, endpoint=False):
            along, across = x * np.cos(turn) + y * np.sin(turn), x * np.sin(turn) - y * np.cos(turn)
            body = (np.abs(across) < 0.75) & (np.abs(along) < half + 5)
            ends = [body & (along > half + 3), body & (along < -half - 3)]
            fine = np.kron(local, np.ones((FINE, FINE), bool))
            if any((e & fine).any() for e in ends):
                continue
            rank = np.where(body, 0.5, 2.0).astype(np.float32)
            ground.taken[top : top + size, left : left + size] = True
            day = float(ground.rng.uniform(*span))
            layers = (Layer(body, _pick(ground, "built"), day),)
            ground.things.append(Thing("bridge", "", "bridge", top, left, rank, layers, day, 60.0))
            return


def _traps(ground: Ground, span: tuple[float, float]) -> None:
    """Boats, weed afloat, a field with a calendar of its own, a wood that is felled."""
    rng, height = ground.rng, ground.scene.height
    for k in range(4):
        rank = rectangle(float(rng.uniform(0.6, 2.5)), rng)
        at = _put(ground, rank, height < -0.1)
        if at is not None:
            days = tuple(rng.choice(np.arange(span[0], span[1], 1.0), 60).tolist())
            layers = (Layer(rank <= 1, _pick(ground, "built"), 0.0),)
            ground.things.append(
                Thing(f"boat-{k}", "", "boat", *at, rank, layers, 0.0, 0.0, on_days=days)
            )
    for k in range(2):
        rank = blob(float(rng.uniform(8, 40)), rng, 0.5)
        at = _put(ground, rank, (height > 0.2) & (height < 0.8) | (height < 0))
        if at is not None:
            day = float(rng.uniform(*span))
            layers = (Layer(rank <= 1, _pick(ground, "green"), 0.0),)
            ends = day + float(rng.uniform(20, 50))
            ground.things.append(
                Thing(f"weed-{k}", "", "floating weed", *at, rank, layers, day, 0.0, ends)
            )
    for k in range(2):
        rank = rectangle(float(rng.uniform(40, 120)), rng)
        at = _put(ground, rank, _where(ground, "bank"), height > 1.0)
        if at is not None:
            spring = float(rng.uniform(60, 240))
            # Ploughed every year, not on the same day, and bare for six to twelve weeks.
            starts = [365.25 * y + spring + float(rng.normal(0, 12)) for y in range(-1, 4)]
            spells = tuple((s, s + float(rng.uniform(42, 84))) for s in starts)
            whole = rank <= 1
            layers = (
                Layer(whole, _pick(ground, "green"), 0.0),
                Layer(whole, _pick(ground, "soil"), 0.0),
            )
            ground.things.append(
                Thing(f"field-{k}", "", "crop field", *at, rank, layers, 0.0, 0.0, spells=spells)
            )
    rank = rectangle(float(rng.uniform(40, 120)), rng)
    at = _put(ground, rank, _where(ground, "bank"), height > 1.0)
    if at is not None:
        day = float(rng.uniform(*span))
        layers = (Layer(rank <= 1, _pick(ground, "soil"), day),)
        ground.things.append(Thing("wood", "", "wood felled", *at, rank, layers, day, 0.0))
