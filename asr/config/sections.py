"""The sections of an experiment: every setting with its default and its bounds."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from asr.config.base import Section


class FeatureConfig(Section):
    """Kaldi-compatible log-mel filterbanks or MFCC."""

    kind: Literal["fbank", "mfcc"] = "fbank"
    sample_rate: int = Field(16000, ge=4000, le=96000, description="Hz; audio is resampled to it")
    frame_length_ms: float = Field(25.0, gt=0)
    frame_shift_ms: float = Field(10.0, gt=0)
    mel_bins: int = Field(80, ge=3, le=256)
    low_hz: float = Field(20.0, ge=0)
    high_hz: float = Field(0.0, description="0 is the Nyquist frequency; below 0 is an offset from it")
    cepstra: int = Field(13, ge=1, description="MFCC only")
    cepstral_lifter: float = Field(22.0, ge=0, description="MFCC only; 0 is none")
    window: Literal["povey", "hamming", "hanning", "rectangular"] = "povey"
    preemphasis: float = Field(0.97, ge=0, le=1)
    remove_dc_offset: bool = True
    dither: float = Field(0.0, ge=0, description="standard deviation in 16-bit steps of noise added to each frame")
    dither_seed: int = Field(0, ge=0)
    use_energy: bool = Field(False, description="fbank: one more column; MFCC: in place of the zeroth cepstrum")
    raw_energy: bool = Field(True, description="measured before pre-emphasis and window")
    energy_floor: float = Field(1.0, ge=0)
    htk_compat: bool = Field(False, description="energy or zeroth cepstrum last")
    snip_edges: bool = True
    normalisation: Literal["none", "utterance", "speech", "speaker", "global"] = Field(
        "utterance", description="speech: over an utterance's loud frames, whatever silence surrounds them; fbank only"
    )
    store_dtype: Literal["float16", "float32"] = Field(
        "float16", description="float16 keeps log-mels to 0.008, MFCC to 0.06"
    )

    source: Literal["store", "audio"] = Field("store", description="what training reads; audio can be augmented freely")

    @model_validator(mode="after")
    def _consistent(self) -> FeatureConfig:
        nyquist = self.sample_rate / 2
        if not self.low_hz < self.highest_hz <= nyquist:
            raise ValueError(f"low_hz {self.low_hz:g} to high_hz {self.high_hz:g} is no band below {nyquist:g} Hz")
        if self.kind == "mfcc" and self.cepstra > self.mel_bins:
            raise ValueError(f"cepstra {self.cepstra} is more than mel_bins {self.mel_bins}")
        if self.kind == "mfcc" and self.normalisation == "speech":
            raise ValueError("normalisation speech needs kind fbank: it measures how loud a frame is")
        if self.window_samples < 2 or self.shift_samples < 1:
            raise ValueError("frame_length_ms or frame_shift_ms is shorter than the samples it must hold")
        return self

    def computation(self) -> dict[str, Any]:
        """Everything that the stored values follow from."""
        return self.model_dump(exclude={"normalisation", "source"})

    def computes_as(self, other: FeatureConfig) -> bool:
        """Whether both compute the same features, however they are stored, read and normalised."""
        same = {"store_dtype": self.store_dtype}
        return self.computation() | same == other.computation() | same

    @property
    def highest_hz(self) -> float:
        """Upper edge of the last filter."""
        return self.high_hz if self.high_hz > 0 else self.sample_rate / 2 + self.high_hz

    @property
    def window_samples(self) -> int:
        """Samples in one frame."""
        return int(self.sample_rate * self.frame_length_ms * 0.001)

    @property
    def shift_samples(self) -> int:
        """Samples between the starts of two frames."""
        return int(self.sample_rate * self.frame_shift_ms * 0.001)

    @property
    def dimension(self) -> int:
        """Features in a frame: what the model's input must be."""
        return self.cepstra if self.kind == "mfcc" else self.mel_bins + self.use_energy


class UnitsConfig(Section):
    """What the network spells with."""

    kind: Literal["characters", "words", "bpe", "phones"] = "characters"
    size: int = Field(500, ge=2, description="number of BPE pieces")
    language: str = Field("en-us", description="of phones: espeak-ng's name of it; empty asks a dictionary alone")


class ModelConfig(Section):
    """Front end, LSTM stack and output layer."""

    front_end: Literal["convolution", "stacking"] = "convolution"
    channels: int = Field(32, ge=1, description="of the convolutional front end")
    input_size: int = Field(256, ge=1, description="width of the projection into the first LSTM layer")
    time_reduction: Literal[1, 2, 3, 4, 6] = 4
    layers: int = Field(3, ge=1)
    hidden: int = Field(256, ge=1, description="memory cells per direction")
    bidirectional: bool = True
    projection: int = Field(0, ge=0, description="linear projection after each layer; 0 is none")
    layer_norm: bool = True
    forget_bias: float = Field(1.0, description="initial bias of the forget gates")
    blank_bias: float = Field(0.0, ge=0, description="added to the initial bias of the blank, in nats")
    dropout: float = Field(0.25, ge=0, lt=1)
    intermediate_layers: list[int] = Field(
        default_factory=list, description="LSTM layers, from 1, that training also asks for the text; empty: the last"
    )

    @model_validator(mode="after")
    def _consistent(self) -> ModelConfig:
        chosen = self.intermediate_layers
        if chosen != sorted(set(chosen)) or any(not 1 <= layer < self.layers for layer in chosen):
            raise ValueError(f"intermediate_layers {chosen} must ascend, each in 1..{self.layers - 1}")
        return self


class BatchingConfig(Section):
    """Batches are cut by seconds of padded audio and by number of utterances, whichever is reached first."""

    seconds: float = Field(60.0, gt=0)
    utterances: int = Field(8, ge=1)
    buckets_jitter: float = Field(0.1, ge=0, description="random share added to a length before sorting")
    shortest_first_epochs: int = Field(4, ge=0, description="SortaGrad: epochs in order of length")
    together: int = Field(1, ge=1, description="batches of like length kept together; as training.accumulate, say")


class ShardsConfig(Section):
    """How a training set in tar shards is read; windows of all lanes are what is held in memory."""

    location: str = Field("", description="folder or URL; empty looks for shards/train in the data folder")
    lanes: int = Field(4, ge=1, description="sequences of shards read side by side; best a multiple of all workers")
    window_utterances: int = Field(1000, ge=1, description="of a lane, among which batches are formed")
    window_mb: float = Field(64.0, gt=0, description="bound of the bytes kept of a window, 10^6 each")


class TrainingConfig(Section):
    """Optimiser, schedule and bookkeeping."""

    epochs: int = Field(30, ge=1)
    learning_rate: float = Field(1.5e-3, gt=0, description="the peak")
    warmup_share: float = Field(0.05, ge=0, lt=1, description="share of all steps spent rising to the peak")
    final_share: float = Field(1e-3, ge=0, le=1, description="last learning rate as a share of the peak")
    weight_decay: float = Field(1e-2, ge=0)
    clip_norm: float = Field(5.0, gt=0)
    average: int = Field(5, ge=1, description="checkpoints averaged into the final model")
    average_by: Literal["last", "best"] = "best"
    patience: int = Field(0, ge=0, description="epochs without a better dev WER before stopping; 0 never stops")
    log_steps: int = Field(50, ge=1)
    save_steps: int = Field(500, ge=1, description="steps between resumable checkpoints; an epoch's end always saves")
    keep: int = Field(2, ge=2, description="resumable checkpoints kept")
    bad_steps: int = Field(10, ge=1, description="steps in a row with a non-finite loss or gradient before stopping")
    workers: int = Field(0, ge=0, description="processes that load features or audio")
    audio_cache_mb: int = Field(2048, ge=0, description="memory for decoded audio of each set, in MiB")
    precision: Literal["float32", "bfloat16", "float16"] = Field("float32", description="CTC is always float32")
    accumulate: int = Field(1, ge=1, description="batches per optimiser step")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the weights' moving average, judged and kept; 0 is off")
    intermediate_weight: float = Field(0.3, ge=0, lt=1, description="share of model.intermediate_layers in the loss")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of a uniform distribution in the loss")
    criterion: Literal["ctc", "ctc-crf"] = Field("ctc", description="ctc-crf is begun from a CTC model (--init)")
    ctc_weight: float = Field(0.01, ge=0, description="of the CTC loss beside ctc-crf")
    denominator: str = Field("", description="n-gram of units for ctc-crf; empty trains one on the training texts")
    denominator_order: int = Field(3, ge=1, le=6, description="of the one trained so")


class DecodingConfig(Section):
    """Search settings; `asr tune` chooses alpha and beta on the dev set."""

    decoder: Literal["greedy", "beam"] = "greedy"
    beam: int = Field(32, ge=1)
    token_threshold: float = Field(-8.0, lt=0, description="log-probability under which a unit is not tried")
    beam_threshold: float = Field(15.0, gt=0, description="log-score below the best at which a prefix is dropped")
    nbest: int = Field(1, ge=1)
    alpha: float = Field(0.5, ge=0, description="language-model weight")
    beta: float = Field(0.0, description="word (or token) insertion bonus, natural log")
    unknown_penalty: float = Field(10.0, ge=0, description="for each word the language model lacks, natural log")
