"""Log-mel filterbanks and MFCC as Kaldi computes them, for a batch of waves, on CPU or GPU.

Shapes: B utterances, N samples, T frames, W samples in a window, R frames in a block, K Fourier bins, F features.
"""

from __future__ import annotations

import logging

import numpy as np
import torch

from asr.config.sections import FeatureConfig
from asr.features.mel import cosine_transform, empty_filters, lifter_weights, mel_filters
from asr.seeding import generator_for

FULL_SCALE = 32768.0  # Kaldi reads 16-bit samples as they are; ours are -1..1
EPSILON = torch.finfo(torch.float32).eps  # Kaldi's floor under every logarithm
# Frames are worked on in blocks of one fixed size. On the CPU a block stays in the second-level cache, and, since every
# kernel always sees the same shape, a frame's result does not depend on how many others came with it.
CPU_BLOCK, GPU_BLOCK = 64, 65536


def frame_count(samples: int, config: FeatureConfig) -> int:
    """Number of frames that a wave of so many samples gives; 0 when it is shorter than one window."""
    if samples < config.window_samples:
        return 0
    if config.snip_edges:
        return 1 + (samples - config.window_samples) // config.shift_samples
    return (samples + config.shift_samples // 2) // config.shift_samples


def fbank(wave: torch.Tensor | np.ndarray, config: FeatureConfig | None = None) -> torch.Tensor:
    """Log-mel filterbank (T, F) of one wave (N,) in -1..1."""
    config = (config or FeatureConfig()).model_copy(update={"kind": "fbank"})
    return FeatureExtractor(config).single(torch.as_tensor(wave))


class FeatureExtractor(torch.nn.Module):
    """Waves to features, equal to Kaldi's `compute-fbank-feats` and `compute-mfcc-feats` with the same options.

    An utterance's features are the same alone, in any batch and under any padding. Dither, where the configuration asks
    for it, is the same noise in every call: frame t of every utterance gets draw t of `dither_seed`.
    """

    filters: torch.Tensor
    window: torch.Tensor
    transform: torch.Tensor
    lifter: torch.Tensor

    def __init__(self, config: FeatureConfig) -> None:
        super().__init__()
        self.config = config
        self.fft_size = 1 << (config.window_samples - 1).bit_length()
        filters = mel_filters(config.mel_bins, self.fft_size, config.sample_rate, config.low_hz, config.highest_hz)
        if empty := empty_filters(filters):
            logging.getLogger("asr").warning(
                "features.mel_bins=%d: filters %s hold no Fourier bin at %d Hz and stay constant; use fewer mel bins",
                config.mel_bins,
                empty,
                config.sample_rate,
            )
        self.register_buffer("filters", filters, persistent=False)
        # The scale is a power of two: applied with the window, after everything linear, it rounds nothing differently.
        window = _window(config.window, config.window_samples) * FULL_SCALE
        self.register_buffer("window", window, persistent=False)
        cepstra = min(config.cepstra, config.mel_bins)
        self.register_buffer("transform", cosine_transform(config.mel_bins, cepstra), persistent=False)
        lifter = lifter_weights(cepstra, config.cepstral_lifter)
        if config.htk_compat:
            lifter[0] = 2.0**0.5  # HTK's cosine transform has no 1/sqrt(2) in its zeroth term
        self.register_buffer("lifter", lifter, persistent=False)

    @torch.no_grad()
    def forward(self, waves: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features of a batch.

        Args:
            waves: (B, N) float32 in -1..1; what lies beyond an utterance's length is not looked at.
            lengths: (B,) int64, samples.

        Returns:
            features (B, T, F) float32, zero beyond an utterance's frames, and frames (B,) int64 on `lengths`' device.

        Raises:
            ValueError: shapes that do not fit each other.
        """
        if waves.dim() != 2 or lengths.shape != waves.shape[:1]:
            raise ValueError(f"waves {tuple(waves.shape)} and lengths {tuple(lengths.shape)} are not (B, N) and (B,)")
        counts: list[int] = lengths.tolist()
        if counts and not 0 <= min(counts) <= max(counts) <= waves.shape[1]:
            raise ValueError(f"lengths {min(counts)}..{max(counts)} lie outside waves of {waves.shape[1]} samples")
        frames = [frame_count(count, self.config) for count in counts]
        longest = max(frames, default=0)
        features = waves.new_zeros((len(counts), longest, self.config.dimension), dtype=torch.float32)
        if longest:
            if not self.config.snip_edges:
                waves = self._mirrored(waves, lengths.to(waves.device), longest)
            self._fill(features, waves.float().contiguous(), frames)
        return features, torch.tensor(frames, dtype=torch.int64, device=lengths.device)

    def single(self, wave: torch.Tensor) -> torch.Tensor:
        """Features (T, F) of one wave (N,)."""
        return self(wave.unsqueeze(0), torch.tensor([wave.shape[0]]))[0][0]

    def _mirrored(self, waves: torch.Tensor, lengths: torch.Tensor, longest: int) -> torch.Tensor:
        """Waves reflected at both ends, so that frame t, centred on (t + 1/2) shifts, starts at sample t * shift."""
        config = self.config
        before = config.window_samples // 2 - config.shift_samples // 2
        total = (longest - 1) * config.shift_samples + config.window_samples
        position = torch.arange(total, device=waves.device).unsqueeze(0) - before
        period = 2 * lengths.clamp(min=1).unsqueeze(1)
        position = position.remainder(period)
        return waves.gather(1, torch.where(position < period // 2, position, period - 1 - position))

    def _fill(self, features: torch.Tensor, waves: torch.Tensor, frames: list[int]) -> None:
        """Write the features of every real frame into `features` (B, T, F), a block of frames at a time."""
        device = waves.device
        size = CPU_BLOCK if device.type == "cpu" else GPU_BLOCK
        number = torch.cat([torch.arange(count) for count in frames])
        row = torch.repeat_interleave(torch.arange(len(frames)), torch.tensor(frames))
        start = (row * waves.shape[1] + number * self.config.shift_samples).to(device)
        target = (row * features.shape[1] + number).to(device)
        noise = self._dither(max(frames)).to(device) if self.config.dither else None
        number = number.to(device)
        windows = waves.view(-1).unfold(0, self.config.window_samples, 1)
        rows = features.view(-1, features.shape[2])
        for at in range(0, len(start), size):
            chosen = start[at : at + size]
            real = len(chosen)
            if device.type == "cpu" and real < size:
                chosen = torch.nn.functional.pad(chosen, (0, size - real))
            block = windows[chosen]
            if noise is not None:
                block[:real] += noise[number[at : at + size]]
            rows[target[at : at + size]] = self._block(block)[:real]

    def _block(self, block: torch.Tensor) -> torch.Tensor:
        """Features (R, F) of frames (R, W); `block` is overwritten."""
        config = self.config
        if config.remove_dc_offset:
            block -= block.mean(1, keepdim=True)
        energy = self._log_energy(block, FULL_SCALE) if config.use_energy and config.raw_energy else None
        if config.preemphasis:
            # The product is rounded before it is subtracted, as in torchaudio: a fused multiply-add moves quiet low
            # filters beside loud high ones by 1e-3.
            echo = block * config.preemphasis
            block[:, 1:] -= echo[:, :-1]
            block[:, :1] -= echo[:, :1]
        block *= self.window
        if config.use_energy and energy is None:
            energy = self._log_energy(block)
        spectrum = torch.fft.rfft(block, n=self.fft_size)[:, :-1]
        power = spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)
        logs = (power @ self.filters).clamp_(min=EPSILON).log_()
        return self._columns(logs, energy)

    def _columns(self, logs: torch.Tensor, energy: torch.Tensor | None) -> torch.Tensor:
        """Order of the features: Kaldi puts energy or the zeroth cepstrum first, HTK last."""
        config = self.config
        if config.kind == "fbank":
            if energy is None:
                return logs
            return torch.cat([logs, energy] if config.htk_compat else [energy, logs], dim=1)
        cepstra = (logs @ self.transform).mul_(self.lifter)
        if energy is not None:
            cepstra[:, :1] = energy
        return cepstra.roll(-1, dims=1) if config.htk_compat else cepstra

    def _log_energy(self, block: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
        floor = max(EPSILON, self.config.energy_floor)
        return block.square().sum(1, keepdim=True).mul_(scale**2).clamp_(min=floor).log_()

    def _dither(self, frames: int) -> torch.Tensor:
        """Noise (T, W) for waves in -1..1; its first rows are the same for any number of frames."""
        generator = generator_for("dither", self.config.dither_seed)
        noise = generator.standard_normal((frames, self.config.window_samples), dtype=np.float32)
        return torch.from_numpy(noise * np.float32(self.config.dither / FULL_SCALE))


def _window(kind: str, size: int) -> torch.Tensor:
    """Symmetric window (W,): Hann, Hamming (0.54, 0.46), Hann to the power 0.85 as Povey chose it, or ones."""
    if kind == "rectangular":
        return torch.ones(size)
    if kind == "hamming":
        return torch.hamming_window(size, periodic=False, alpha=0.54, beta=0.46)
    hann = torch.hann_window(size, periodic=False)
    return hann if kind == "hanning" else hann.pow(0.85)
