"""Log-mel filterbanks and MFCC as Kaldi computes them, for a batch of waves, on CPU or GPU: the training side.

What the numbers mean is defined in `filterbank`, whose filters and windows are used here.

Shapes: B utterances, N samples, T frames, W samples in a window, R frames in a block, K Fourier bins, F features.
"""

from __future__ import annotations

import numpy as np
import torch

from asr.config.sections import FeatureConfig
from asr.features.filterbank import BLOCK, EPSILON, FULL_SCALE, Constants, dither_noise, frame_count

CPU_BLOCK, GPU_BLOCK = BLOCK, 65536


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
        constants = Constants(config)
        self.fft_size = constants.fft_size
        for name in ("filters", "window", "transform", "lifter"):
            self.register_buffer(name, torch.from_numpy(getattr(constants, name)), persistent=False)

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
        noise = torch.from_numpy(dither_noise(max(frames), self.config)).to(device) if self.config.dither else None
        number = number.to(device)
        windows = waves.view(-1).unfold(0, self.config.window_samples, 1)
        rows = features.view(-1, features.shape[2])
        for at in range(0, len(start), size):
            chosen = start[at : at + size]
            real = len(chosen)
            if device.type == "cpu" and real < size:
                chosen = torch.nn.functional.pad(chosen, (0, size - real))
            block = windows[chosen].double()
            if noise is not None:
                block[:real] += noise[number[at : at + size]]
            rows[target[at : at + size]] = self._block(block)[:real].float()

    def _block(self, block: torch.Tensor) -> torch.Tensor:
        """Features (R, F) float64 of frames (R, W) float64; `block` is overwritten."""
        config = self.config
        if config.remove_dc_offset:
            block -= block.mean(1, keepdim=True)
        energy = self._log_energy(block, FULL_SCALE) if config.use_energy and config.raw_energy else None
        if config.preemphasis:
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
