"""Impulse responses of rectangular rooms by the image method.

Allen and Berkley, "Image method for efficiently simulating small-room acoustics", JASA 65 (1979): a wall reflects like
a mirror, so the sound at the microphone is that of the source and of all its mirror images in open space, each delayed
and weakened by its distance and by the walls between. Two things follow Lehmann and Johansson, "Prediction of energy
decay in room impulse responses simulated with an image-source model", JASA 124 (2008): a reflection turns the sign,
which keeps the responses free of a constant part, and the walls' coefficient is chosen by the decay that the images
will have, not by Sabine's or Eyring's formula, from which they deviate.

Shapes: M samples of a response, I images along one axis, D directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr.features.wave_cache import WaveCache
from asr.seeding import generator_for

SPEED_OF_SOUND = 343.0  # m/s, dry air at 20 degrees
SMALLEST, LARGEST = (3.0, 3.0, 2.5), (10.0, 8.0, 4.0)  # m, of rooms that are drawn
FROM_WALL = 0.5  # m, nearest that anyone stands to a wall of a drawn room
CACHE_BYTES = 2**28


@dataclass(frozen=True)
class Room:
    """A rectangular room with a source and a microphone; lengths in metres along three axes.

    Attributes:
        size: of the room.
        source: where the speaker is.
        microphone: where the sound is taken.
        reverberation: seconds in which sound falls by 60 dB.
    """

    size: tuple[float, float, float]
    source: tuple[float, float, float]
    microphone: tuple[float, float, float]
    reverberation: float


def draw_room(generator: np.random.Generator, shortest: float, longest: float) -> Room:
    """A room of 3 x 3 x 2.5 to 10 x 8 x 4 metres whose reverberation time lies between two bounds in seconds."""
    size = generator.uniform(SMALLEST, LARGEST)
    source = generator.uniform(FROM_WALL, size - FROM_WALL)
    microphone = generator.uniform(FROM_WALL, size - FROM_WALL)
    return Room(_triple(size), _triple(source), _triple(microphone), float(generator.uniform(shortest, longest)))


def room_impulse_response(room: Room, sample_rate: int) -> np.ndarray:
    """What a microphone hears of one sharp sound, up to the time at which it has fallen by 60 dB.

    Images fall on the nearest sample, as in Allen and Berkley.

    Args:
        room: with source and microphone inside.
        sample_rate: Hz.

    Returns:
        (M,) float32 of unit energy, cut so that the direct sound is its first sample and speech keeps its times.

    Raises:
        ValueError: source or microphone is not inside the room, or they are in one place.
    """
    direct = float(np.linalg.norm(np.subtract(room.source, room.microphone)))
    inside = [
        0.0 < at < side for place in (room.source, room.microphone) for at, side in zip(place, room.size, strict=True)
    ]
    if not all(inside) or direct == 0.0:
        raise ValueError(f"{room} does not hold a source and a microphone apart from it")
    farthest = direct + room.reverberation * SPEED_OF_SOUND
    reflected = -reflection_coefficient(room)
    axes = zip(room.size, room.source, room.microphone, strict=True)
    (x, x_walls), (y, y_walls), (z, z_walls) = (_images(*axis, farthest) for axis in axes)
    across = np.add.outer(np.square(y), np.square(z)).ravel()
    across_walls = np.add.outer(y_walls, z_walls).ravel()
    first = round(direct / SPEED_OF_SOUND * sample_rate)
    length = round(farthest / SPEED_OF_SOUND * sample_rate) - first + 1
    weights = reflected ** np.arange(int(x_walls.max() + across_walls.max()) + 1)
    response = np.zeros(length)
    for offset, walls in zip(x, x_walls, strict=True):
        near = across <= farthest**2 - offset**2
        distance = np.sqrt(across[near] + offset**2)
        sample = np.rint(distance * (sample_rate / SPEED_OF_SOUND)).astype(np.int64) - first
        response += np.bincount(sample, weights[across_walls[near] + walls] / distance, minlength=length)[:length]
    return (response / np.sqrt(np.sum(np.square(response)))).astype(np.float32)


class Rooms:
    """A number of simulated rooms, each computed once when it is first drawn, for all processes.

    Args:
        count: number of rooms.
        reverberation_seconds: lower and upper bound of their reverberation time.
        sample_rate: Hz.
        seed: which rooms these are.
    """

    def __init__(self, count: int, reverberation_seconds: Sequence[float], sample_rate: int, seed: int) -> None:
        self.count, self.bounds, self.sample_rate, self.seed = count, reverberation_seconds, sample_rate, seed
        longest = int(reverberation_seconds[1] * sample_rate) + 2
        self._cache = WaveCache([longest] * count, CACHE_BYTES)

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        """The impulse response (M,) float32 of one of the rooms."""
        number = int(generator.integers(self.count))
        response = self._cache.get(number)
        if response is None:
            low, high = self.bounds
            room = draw_room(generator_for(self.seed, "rooms", number), low, high)
            response = room_impulse_response(room, self.sample_rate)
            self._cache.put(number, response)
        return response


def reflection_coefficient(room: Room) -> float:
    """Size of the pressure reflection coefficient, 0..1, with which the images decay in the room's reverberation time.

    An image that lies in direction u at distance d stands behind d * sum(|u_i| / size_i) walls. With a = -ln of the
    coefficient, the energy still to come at distance d is the mean over directions of exp(-2 a d k(u)) / k(u) up to a
    factor, which depends on a * d alone. The time from -5 to -35 dB, doubled, is taken as the reverberation time.
    """
    walls = np.abs(_directions(500)) @ (1.0 / np.array(room.size))  # k(u): walls passed per metre
    depth = np.linspace(0.0, 12.0 / walls.min(), 500)  # a * d
    energy = np.mean(np.exp(-2.0 * np.outer(depth, walls)) / walls, axis=1)
    decibels = 10.0 * np.log10(energy / energy[0])
    passed = np.interp([5.0, 35.0], -decibels, depth)
    return float(np.exp(-2.0 * (passed[1] - passed[0]) / (room.reverberation * SPEED_OF_SOUND)))


def _images(size: float, source: float, microphone: float, farthest: float) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (I,) in metres of all images along one axis from the microphone, and walls (I,) that they lie behind."""
    reach = int(np.ceil(farthest / (2.0 * size))) + 1
    rooms = np.arange(-reach, reach + 1)
    offsets = np.concatenate([2.0 * rooms * size + source, 2.0 * rooms * size - source]) - microphone
    walls = np.concatenate([2 * np.abs(rooms), np.abs(rooms) + np.abs(rooms - 1)])
    near = np.abs(offsets) <= farthest
    return offsets[near], walls[near]


def _directions(count: int) -> np.ndarray:
    """Unit vectors (D, 3) spread evenly over the sphere on a golden spiral."""
    number = np.arange(count) + 0.5
    height = 1.0 - 2.0 * number / count
    angle = np.pi * (1.0 + 5.0**0.5) * number
    radius = np.sqrt(1.0 - np.square(height))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)


def _triple(vector: np.ndarray) -> tuple[float, float, float]:
    return float(vector[0]), float(vector[1]), float(vector[2])
