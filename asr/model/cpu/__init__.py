"""Compiled kernels for training in float32 on CPUs; the model reaches them through `asr.model.training_kernels` alone.

A step on one thread of an AMD EPYC (AVX2) takes so many times as long without one of them:

                     3x256, 16 x 10 s   3x256, 4 to 16 s   4x320, 8 x 5 s
    convolutions          1.07               1.17               1.07
    recurrence            1.06               1.63               1.18
    both                  1.28               1.93               1.20
"""

from asr.model.cpu.convolution import convolutions, convolutions_fit
from asr.model.cpu.crf import log_partitions
from asr.model.cpu.recurrence import recurrence, recurrence_fits

__all__ = ["convolutions", "convolutions_fit", "log_partitions", "recurrence", "recurrence_fits"]
