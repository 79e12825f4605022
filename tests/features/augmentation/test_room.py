"""The image method against mirrors built one by one, and its decay against Schroeder's integral."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_waves import RATE, reverberation_time

from asr.features.augmentation.room import (
    FROM_WALL,
    SPEED_OF_SOUND,
    Room,
    Rooms,
    draw_room,
    reflection_coefficient,
    room_impulse_response,
)

ROOM = Room((4.0, 3.0, 2.5), (1.0, 1.2, 1.1), (2.9, 2.1, 1.4), 0.3)


def mirrored_images(room, order):
    """Positions and numbers of walls of all images of up to `order` reflections, by mirroring at one wall at a time."""
    images = {tuple(np.round(room.source, 9)): 0}
    newest = dict(images)
    for walls in range(1, order + 1):
        made = {}
        for place in newest:
            for axis in range(3):
                for wall in (0.0, room.size[axis]):
                    mirror = list(place)
                    mirror[axis] = 2 * wall - mirror[axis]
                    made.setdefault(tuple(np.round(mirror, 9)), walls)
        newest = {place: walls for place, walls in made.items() if place not in images}
        images.update(newest)
    return images


def test_against_mirrors_built_one_by_one():
    """The first 20 ms, before anything of a twelfth reflection can arrive."""
    response = room_impulse_response(ROOM, RATE).astype(np.float64)
    direct = np.linalg.norm(np.subtract(ROOM.source, ROOM.microphone))
    first = round(direct / SPEED_OF_SOUND * RATE)
    expected = np.zeros(round(0.02 * RATE))
    for place, walls in mirrored_images(ROOM, 8).items():
        distance = np.linalg.norm(np.subtract(place, ROOM.microphone))
        sample = int(np.rint(distance * RATE / SPEED_OF_SOUND)) - first
        if sample < len(expected):
            expected[sample] += (-reflection_coefficient(ROOM)) ** walls / distance
    scale = response[0] / expected[0]
    np.testing.assert_allclose(response[: len(expected)], scale * expected, atol=1e-6)


@pytest.mark.parametrize("reverberation", [0.15, 0.3, 0.6])
@pytest.mark.parametrize("size", [(4.0, 3.0, 2.5), (9.0, 6.0, 3.0)])
def test_sound_falls_by_60_db_in_the_reverberation_time(size, reverberation):
    room = Room(size, (1.0, 1.2, 1.1), (2.9, 2.1, 1.4), reverberation)
    response = room_impulse_response(room, RATE)
    assert reverberation_time(response, begin=-5, end=-35) == pytest.approx(reverberation, rel=0.15)


def test_direct_sound_comes_first_and_energy_is_one():
    response = room_impulse_response(ROOM, RATE)
    assert response.dtype == np.float32
    assert response[0] > 0
    assert np.sum(np.square(response, dtype=np.float64)) == pytest.approx(1.0, abs=1e-5)
    assert len(response) == pytest.approx(0.3 * RATE, abs=2)


def test_a_lively_room_reflects_more():
    weak, strong = (Room(ROOM.size, ROOM.source, ROOM.microphone, seconds) for seconds in (0.1, 1.0))
    assert 0 < reflection_coefficient(weak) < reflection_coefficient(strong) < 1


@pytest.mark.parametrize("place", [(0.0, 1.0, 1.0), (1.0, 3.5, 1.0), (1.0, 1.0, -2.0), ROOM.microphone])
def test_a_source_in_the_wall_or_at_the_microphone_is_refused(place):
    with pytest.raises(ValueError, match="does not hold a source"):
        room_impulse_response(Room(ROOM.size, place, ROOM.microphone, 0.3), RATE)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.floats(0.1, 0.5))
def test_drawn_rooms_keep_everyone_off_the_walls(seed, shortest):
    room = draw_room(np.random.default_rng(seed), shortest, 0.6)
    assert shortest <= room.reverberation <= 0.6
    for place in (room.source, room.microphone):
        assert all(FROM_WALL <= at <= side - FROM_WALL for at, side in zip(place, room.size, strict=True))


def test_rooms_are_simulated_once_and_depend_on_the_seed_alone(monkeypatch):
    rooms = Rooms(3, [0.1, 0.15], 8000, seed=1)
    drawn = {rooms.draw(np.random.default_rng(seed)).tobytes() for seed in range(20)}
    assert len(drawn) == 3
    assert drawn == {
        Rooms(3, [0.1, 0.15], 8000, seed=1).draw(np.random.default_rng(seed)).tobytes() for seed in range(20)
    }
    assert not drawn & {Rooms(3, [0.1, 0.15], 8000, 2).draw(np.random.default_rng(seed)).tobytes() for seed in range(9)}
    monkeypatch.setattr("asr.features.augmentation.room.room_impulse_response", None)  # now calling it would fail
    assert {rooms.draw(np.random.default_rng(seed)).tobytes() for seed in range(20)} == drawn
