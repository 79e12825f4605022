"""Why a transcript is as it is: the sound, what the recogniser was unsure of, and the likely causes of mistakes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np

from asr.audio.measures import SoundMeasures, measure
from asr.decoding.results.hypothesis import Word
from asr.transcribing.transcript import Transcript
from asr.units import BLANK

UNSURE = 0.6  # words of a lower confidence are named
SHOWN = 12
QUIET_DB, LOUD_NOISE_DB, POOR_NOISE_DB = -40.0, 10.0, 20.0
CLIPPED_SHARE = 0.001
MOSTLY_SILENT = 0.8
FAST, SLOW = 5.0, 1.0  # words a second of speech; English conversation has two to four
UNSURE_SHARE = 0.3


@dataclass(frozen=True)
class Recognised:
    """What the recogniser did.

    Attributes:
        words: of the transcript.
        words_a_second: of speech, silence not counted.
        mean_confidence: of the words; 0 without any.
        unsure: words of low confidence, least sure first.
        blank_share: frames in which the blank is the likeliest unit.
        frame_entropy: mean uncertainty of a frame, in nats; 0 is certain.
    """

    words: int
    words_a_second: float
    mean_confidence: float
    unsure: list[Word]
    blank_share: float
    frame_entropy: float


@dataclass(frozen=True)
class Explanation:
    """The sound, the recogniser, and what probably went wrong, most likely first."""

    sound: SoundMeasures
    file_rate: int | None
    model_rate: int
    recognised: Recognised
    causes: list[str]

    def to_json(self) -> str:
        """All numbers as a JSON document."""
        content = asdict(self)
        content["sound"] |= {"snr_db": self.sound.snr_db, "speech_seconds": self.sound.speech_seconds}
        return json.dumps(content, ensure_ascii=False, indent=2) + "\n"

    def to_txt(self) -> str:
        """A report to read."""
        sound, heard = self.sound, self.recognised
        rate = "" if self.file_rate is None else f" at {self.file_rate} Hz (the model reads {self.model_rate} Hz)"
        lines = [
            f"sound       {sound.seconds:.2f} s{rate}",
            f"level       speech {sound.speech_db:.1f} dB, peak {sound.peak_db:.1f} dB below full scale",
            f"noise       {sound.noise_db:.1f} dB, speech {sound.snr_db:.1f} dB above it",
            f"clipping    {100 * sound.clipped_share:.3f} % of the samples; offset {sound.offset:+.4f}",
            f"bandwidth   up to {sound.bandwidth_hz:.0f} Hz",
            f"silence     {100 * sound.silence_share:.0f} %, {sound.speech_seconds:.2f} s of speech",
            f"recognised  {heard.words} words, {heard.words_a_second:.1f} a second of speech; "
            f"mean confidence {heard.mean_confidence:.2f}",
            f"model       blank in {100 * heard.blank_share:.0f} % of the frames, "
            f"uncertainty {heard.frame_entropy:.3f} nats a frame",
        ]
        for word in heard.unsure[:SHOWN]:
            lines.append(f"unsure      {word.text} ({word.confidence:.2f}) at {word.start:.2f} s")
        lines += [f"likely      {cause}" for cause in self.causes]
        return "\n".join(lines) + "\n"


def explain(
    samples: np.ndarray,
    sample_rate: int,
    log_probs: np.ndarray,
    transcript: Transcript,
    *,
    file_rate: int | None = None,
) -> Explanation:
    """Put sound and transcript side by side.

    Args:
        samples: (N,) at the model's rate.
        sample_rate: of the model, Hz.
        log_probs: (T, V) that the transcript was decoded from.
        transcript: of the samples.
        file_rate: of the recording before it was resampled, Hz; None where nobody knows.
    """
    sound = measure(samples, sample_rate)
    heard = _recognised(log_probs, transcript, sound)
    return Explanation(sound, file_rate, sample_rate, heard, likely_causes(sound, heard, sample_rate))


def _recognised(log_probs: np.ndarray, transcript: Transcript, sound: SoundMeasures) -> Recognised:
    words = [word for segment in transcript.segments for word in segment.words]
    confidences = [word.confidence for word in words]
    entropy = -(np.exp(log_probs) * log_probs).sum(axis=1) if len(log_probs) else np.zeros(1)
    return Recognised(
        words=len(words),
        words_a_second=len(words) / sound.speech_seconds if sound.speech_seconds else 0.0,
        mean_confidence=float(np.mean(confidences)) if words else 0.0,
        unsure=sorted((w for w in words if w.confidence < UNSURE), key=lambda word: word.confidence),
        blank_share=float(np.mean(log_probs.argmax(axis=1) == BLANK)) if len(log_probs) else 1.0,
        frame_entropy=float(entropy.mean()),
    )


def likely_causes(sound: SoundMeasures, heard: Recognised, model_rate: int) -> list[str]:
    """What probably makes the transcript bad, in sentences; one that says that nothing was found otherwise."""
    if sound.silence_share == 1.0:
        return ["There is no sound to speak of: is the right channel recorded, the microphone on?"]
    speaks = (
        (sound.clipped_share > CLIPPED_SHARE, f"Clipped: {100 * sound.clipped_share:.1f} % of the samples are at full "
         "scale. Record with less gain; what is cut off cannot be brought back."),
        (sound.snr_db < LOUD_NOISE_DB, f"Noise: speech is only {sound.snr_db:.0f} dB above it (or there is no pause to "
         "measure it in). Move the microphone closer, or train with noise."),
        (LOUD_NOISE_DB <= sound.snr_db < POOR_NOISE_DB, f"Some noise: speech is {sound.snr_db:.0f} dB above it."),
        (sound.speech_db < QUIET_DB, f"Quiet: speech is at {sound.speech_db:.0f} dB; few bits are left of it."),
        (sound.bandwidth_hz < 0.7 * model_rate / 2, f"Narrow band: nothing above {sound.bandwidth_hz:.0f} Hz, "
         f"where the model listens up to {model_rate // 2} Hz. A telephone? Train with 'augmentation.band'."),
        (heard.words_a_second > FAST, f"Fast: {heard.words_a_second:.1f} words a second of speech. Is the sample rate "
         "right (--raw)?"),
        (0 < heard.words_a_second < SLOW, f"Few words for {sound.speech_seconds:.0f} s of sound: music, another "
         "language, a distant voice, or a wrong sample rate."),
        (heard.words == 0, "No word was recognised in sound that is not silent: noise or music, another language, or a "
         "model that is not trained far enough."),
        (sound.silence_share > MOSTLY_SILENT, f"Mostly silence: {100 * sound.silence_share:.0f} %."),
        (abs(sound.offset) > 0.05, f"The converter has an offset of {sound.offset:+.2f}, which costs range."),
    )  # fmt: skip
    causes = [sentence for applies, sentence in speaks if applies]
    unsure = len(heard.unsure) / heard.words if heard.words else 0.0
    if unsure > UNSURE_SHARE and not causes:
        causes.append(
            f"The sound is good, yet {100 * unsure:.0f} % of the words are unsure: words, an accent or a way of "
            "speaking that the training data lack. Try --hotwords, a language model of your texts, or train on more."
        )
    return causes or ["Nothing stands out: sound and confidence are good."]
