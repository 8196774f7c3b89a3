"""The order of a device's photos: every one once, its own order for each device, and little disturbed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.playlist.order import position_after, shuffled

ids = st.lists(st.text("0123456789abcdef", min_size=4, max_size=4), max_size=30, unique=True)
filled = ids.filter(bool)
keys = st.text(max_size=8)


@given(ids, keys)
def test_every_photo_is_shown_once(photos: list[str], key: str) -> None:
    assert sorted(shuffled(photos, key)) == sorted(photos)


@given(ids, keys, st.randoms())
def test_the_order_does_not_depend_on_how_they_come(photos: list[str], key: str, random: object) -> None:
    mixed = list(photos)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert shuffled(mixed, key) == shuffled(photos, key)


@given(filled, keys)
def test_a_new_photo_moves_no_other(photos: list[str], key: str) -> None:
    new = photos[0]
    with_it, without = shuffled(photos, key), shuffled(photos[1:], key)
    assert [photo for photo in with_it if photo != new] == without


def test_two_devices_have_two_orders() -> None:
    photos = [f"{number:032x}" for number in range(50)]
    orders = {tuple(shuffled(photos, f"device-{number}")) for number in range(20)}
    assert len(orders) == 20
    assert tuple(photos) not in orders


@given(filled, keys)
def test_going_on_shows_all_before_any_again(photos: list[str], key: str) -> None:
    order = shuffled(photos, key)
    shown: str | None = None
    seen: list[str] = []
    for _ in range(2 * len(order)):
        shown = order[position_after(order, shown, key)]
        seen.append(shown)
    assert seen == order + order


@given(filled, keys, st.integers(0, 29))
def test_a_removed_photo_counts_as_where_it_stood(photos: list[str], key: str, place: int) -> None:
    before = shuffled(photos, key)
    shown = before[place % len(before)]
    following = before[(before.index(shown) + 1) % len(before)]
    order = shuffled([photo for photo in photos if photo != shown], key)
    position = position_after(order, shown, key)
    if order:
        assert order[position] == following
    else:
        assert position == 0


@given(ids, keys)
def test_a_position_is_one_of_the_order(photos: list[str], key: str) -> None:
    order = shuffled(photos, key)
    for shown in (None, "gone", *photos):
        assert 0 <= position_after(order, shown, key) < max(1, len(order))
