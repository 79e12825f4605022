"""What training does to its input: settings of every change to waves and features.

Every draw depends only on (seed, epoch, utterance id). A change with a probability is made to an utterance in an epoch
with that probability; ranges are drawn from uniformly, both bounds included.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from asr.config.base import Probability, Range, Section


class NoiseConfig(Section):
    """Recordings of noise added to speech."""

    probability: Probability = 0.0
    folder: str = Field("", description="of noise recordings, searched with its subfolders")
    pattern: str = Field("*", description="names of the files to take, as in a shell: '[1-4]-*'")
    snr_db: Range = Field([0.0, 20.0], description="ratio of mean powers of speech and noise")

    @model_validator(mode="after")
    def _complete(self) -> NoiseConfig:
        if self.probability and not self.folder:
            raise ValueError("probability is set but no folder: name a folder of noise recordings")
        return self


class RoomConfig(Section):
    """Room impulse responses that speech is convolved with."""

    probability: Probability = 0.0
    kind: Literal["images", "diffuse", "recorded"] = Field(
        "images", description="image method; or direct sound and decaying noise; or a folder of recordings"
    )
    folder: str = Field("", description="of recorded responses, searched with its subfolders")
    pattern: str = Field("*", description="names of the files to take, as in a shell")
    reverberation_seconds: Range = Field([0.1, 0.6], description="time in which a room's sound falls by 60 dB")
    rooms: int = Field(100, ge=1, description="images: number of rooms, each simulated once")

    @model_validator(mode="after")
    def _complete(self) -> RoomConfig:
        if self.kind == "recorded" and self.probability and not self.folder:
            raise ValueError("kind is recorded but no folder: name a folder of recorded impulse responses")
        if not 0.02 <= self.reverberation_seconds[0] <= self.reverberation_seconds[1] <= 3:
            raise ValueError("reverberation_seconds lies outside 0.02 to 3")
        return self


class GainConfig(Section):
    """Louder or softer."""

    probability: Probability = 0.0
    gain_db: Range = Field([-15.0, 5.0])


class BandConfig(Section):
    """Band-limiting, the telephone's band by default."""

    probability: Probability = 0.0
    low_hz: Range = Field([300.0, 300.0])
    high_hz: Range = Field([3400.0, 3400.0])

    @model_validator(mode="after")
    def _consistent(self) -> BandConfig:
        if not 0 <= self.low_hz[1] < self.high_hz[0]:
            raise ValueError("low_hz must lie below high_hz")
        return self


class PaddingConfig(Section):
    """Silence or faint noise before and after, as recordings have at their edges."""

    probability: Probability = 0.0
    seconds: Range = Field([0.0, 1.0], description="on each side")
    level_db: Range = Field([-90.0, -50.0], description="of the noise, in dB of full scale")
    silence_share: Probability = Field(0.4, description="of the sides, that are digital silence instead")

    @model_validator(mode="after")
    def _consistent(self) -> PaddingConfig:
        if not 0 <= self.seconds[0] <= self.seconds[1] <= 60:
            raise ValueError("seconds lies outside 0 to 60")
        if self.level_db[1] > 0:
            raise ValueError("level_db lies above full scale, 0")
        return self


class AugmentationConfig(Section):
    """What training does to its input; every draw depends only on (seed, epoch, utterance id)."""

    first_epoch: int = Field(4, ge=0, description="epochs before this one see clean features")
    speeds: list[float] = Field(default_factory=lambda: [0.9, 1.0, 1.1], description="stored by the feature stage")
    speed_range: list[float] = Field(
        [], max_length=2, description="in place of speeds, any factor between two; needs features.source=audio"
    )
    speed_probability: Probability = Field(1.0, description="of drawing a speed at all")
    frequency_masks: int = Field(2, ge=0)
    frequency_mask_bins: int = Field(16, ge=0, description="widest mask, in mel bins")
    time_masks: int = Field(2, ge=0)
    time_mask_frames: int = Field(30, ge=0, description="longest mask, in feature frames")
    time_mask_share: float = Field(0.17, ge=0, le=1, description="no mask is longer than this share of the utterance")
    time_warp_frames: int = Field(0, ge=0, description="farthest shift of the warping point; 0 does not warp")
    noise: NoiseConfig = NoiseConfig()
    room: RoomConfig = RoomConfig()
    gain: GainConfig = GainConfig()
    band: BandConfig = BandConfig()
    padding: PaddingConfig = PaddingConfig()

    @model_validator(mode="after")
    def _consistent(self) -> AugmentationConfig:
        bounds = self.speed_range
        if bounds and not (len(bounds) == 2 and 0.25 <= bounds[0] <= bounds[1] <= 4):
            raise ValueError(f"speed_range {bounds} is not two factors from 0.25 to 4, the lower first")
        return self

    @property
    def slowest(self) -> float:
        """The lowest speed that training may hear."""
        return min([1.0, *(self.speed_range or self.speeds)])

    @property
    def needing_waves(self) -> list[str]:
        """Names of the changes asked for that can only be made to waves."""
        names = [name for name in ("room", "noise", "band", "gain", "padding") if getattr(self, name).probability > 0]
        return names + (["speed_range"] if self.speed_range else [])
