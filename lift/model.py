"""The networks: temporal convolutions, a transformer, and per-frame baselines, all with the same inputs and outputs.

Inputs are `lift.geometry.features`; outputs are in the centred frame of each picture, of a body of the standard height.
Importing this module imports torch: do so inside functions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from lift.geometry import channel_count
from lift.points import POINTS

KINDS = ("tcn", "transformer", "residual", "linear")

_LOG_SIGMA, _LOG_SIGMA_ROOM = -3.0, 3.0
"""A network's uncertainty lies within e^-6 m (2 mm) and 1 m; untrained, it says 50 mm."""


@dataclass(frozen=True)
class ModelSettings:
    """What a network is built of.

    Attributes
    ----------
    kind
        "tcn": dilated convolutions in time; "transformer": attention within a band of frames; "residual": the "
        "network of
        Martinez et al. (ICCV 2017), frame by frame; "linear": one matrix, frame by frame.
    causal
        Sees no later frames: for live use. Without, it looks both ways.
    channels, blocks, dropout
        Width, depth, and the share of channels dropped while learning.
    band
        Frames to each side that the transformer attends to.
    heads
        Of the transformer.
    world_landmarks
        Whether the detector's own 3D is an input.
    """

    kind: str = "tcn"
    causal: bool = False
    channels: int = 256
    blocks: int = 6
    dropout: float = 0.05
    band: int = 40
    heads: int = 4
    world_landmarks: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}, needed one of {', '.join(KINDS)}")
        if self.channels < 1 or self.blocks < 0 or self.band < 1 or self.heads < 1 or self.channels % self.heads:
            raise ValueError("channels, band and heads must be positive, channels a multiple of heads")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}, needed 0 to 1")


class Lifted(NamedTuple):
    """What a network says of (windows, frames).

    joints_m (.., points, 3): about the hips; root_code (.., 3): see `geometry.root_code`; contact (.., 2): logits of
    the left and right foot standing; log_sigma (.., points): logarithm of the error's deviation per axis, in metres.
    """

    joints_m: Tensor
    root_code: Tensor
    contact: Tensor
    log_sigma: Tensor


Memory = dict[int, Tensor]
"""What a causal network keeps of the past: by block, the frames before (windows, frames, width) that it still needs."""


class Lifter(nn.Module):
    """A network between an input and an output layer that all kinds share."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.points = len(POINTS)
        inputs = channel_count(settings.world_landmarks)
        outputs = self.points * 4 + 5
        width = inputs if settings.kind == "linear" else settings.channels
        self.enter: nn.Module = nn.Identity() if settings.kind == "linear" else nn.Linear(inputs, width)
        self.body = _body(settings)
        self.leave = nn.Linear(width, outputs)
        if settings.kind != "linear":
            nn.init.normal_(self.leave.weight, std=0.01)
            nn.init.zeros_(self.leave.bias)

    def forward(self, features: Tensor) -> Lifted:
        """Lift features (windows, frames, channels)."""
        hidden = self.enter(features)
        for block in self.body:
            hidden = block(hidden)
        return self._told(hidden)

    def step(self, features: Tensor, memory: Memory) -> Lifted:
        """Lift the next frame (windows, 1, channels) of a causal network, as if all since the first were given.

        `memory` is empty before the first frame; the network keeps in it what it needs of the past.

        Raises
        ------
        ValueError
            The network looks at later frames too.
        """
        if not self.settings.causal:
            raise ValueError("a network that looks at later frames cannot go frame by frame")
        hidden = self.enter(features)
        for place, block in enumerate(self.body):
            reach = int(getattr(block, "reach", 0))
            if not reach:
                hidden = block(hidden)
                continue
            past = memory.get(place)
            frames = hidden if past is None else torch.cat([past, hidden], dim=1)
            hidden = block.last(frames) if isinstance(block, _Convolution) else block(frames)[:, -1:]
            memory[place] = frames[:, -reach:]
        return self._told(hidden)

    def _told(self, hidden: Tensor) -> Lifted:
        answer = self.leave(hidden)
        joints, root, contact, log_sigma = answer.split([self.points * 3, 3, 2, self.points], dim=-1)
        joints = joints.unflatten(-1, (self.points, 3))
        bounded = _LOG_SIGMA + _LOG_SIGMA_ROOM * torch.tanh(log_sigma / _LOG_SIGMA_ROOM)
        return Lifted(joints, root, contact, bounded)

    @property
    def reach(self) -> int:
        """How many frames to each side (causal: before) an answer depends on."""
        return sum(getattr(block, "reach", 0) for block in self.body)


def build_model(settings: ModelSettings) -> Lifter:
    """Return an untrained network; its weights come from torch's random generator."""
    return Lifter(settings)


def start_from(model: Lifter, given: Lifter) -> None:
    """Give a network the weights of another of its shape, to learn on from there.

    Convolutions that look both ways can start some that look back: what they know of the frame after is added to what
    they know of the frame itself.

    Raises
    ------
    ValueError
        The networks are of different shapes.
    """
    wanted, there = model.settings, given.settings
    turned = replace(there, causal=wanted.causal, dropout=wanted.dropout)
    if turned != wanted or (there.causal and not wanted.causal):
        raise ValueError(f"a network like {there} cannot start one like {wanted}")
    weights = {name: value.clone() for name, value in given.state_dict().items()}
    if wanted.kind == "tcn" and wanted.causal and not there.causal:
        for name in (name for name in weights if name.endswith(".across.weight")):
            before, now, after = weights[name].chunk(3, dim=1)
            weights[name] = torch.cat([torch.zeros_like(before), before, now + after], dim=1)
    model.load_state_dict(weights)


def _body(settings: ModelSettings) -> nn.ModuleList:
    width, drop = settings.channels, settings.dropout
    match settings.kind:
        case "tcn":
            return nn.ModuleList(_Convolution(width, 2**k, settings.causal, drop) for k in range(settings.blocks))
        case "transformer":
            return nn.ModuleList(_Attention(settings) for _ in range(settings.blocks))
        case "residual":
            return nn.ModuleList(_Residual(width, drop) for _ in range(settings.blocks))
        case _:
            return nn.ModuleList()


class _Convolution(nn.Module):
    """x + W2 gelu(W1 [x(t - d), x(t), x(t + d)]), normalised before; causal: x(t - 2d), x(t - d), x(t).

    Three frames beside each other times one matrix: a dilated convolution of width 3 without changing the memory's
    order. At the ends the first and last frame stand for those beyond.
    """

    def __init__(self, channels: int, dilation: int, causal: bool, dropout: float) -> None:
        super().__init__()
        self.dilation, self.causal = dilation, causal
        self.reach = 2 * dilation if causal else dilation
        self.normalise = nn.LayerNorm(channels)
        self.across = nn.Linear(3 * channels, channels)
        self.mix = nn.Linear(channels, channels)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        frames, d = x.shape[1], self.dilation
        h = self.normalise(x)
        before = h[:, :1].expand(-1, 2 * d if self.causal else d, -1)
        padded = torch.cat([before, h] if self.causal else [before, h, h[:, -1:].expand(-1, d, -1)], dim=1)
        stacked = torch.cat([padded[:, k * d : k * d + frames] for k in range(3)], dim=-1)
        return self._grown(x, stacked)

    def last(self, x: Tensor) -> Tensor:
        """Return the answer to the last of the frames so far (causal); before the first, it stands for those."""
        d, frames = self.dilation, x.shape[1]
        taken = x[:, [max(frames - 1 - 2 * d, 0), max(frames - 1 - d, 0), frames - 1]]
        return self._grown(x[:, -1:], self.normalise(taken).flatten(1)[:, None])

    def _grown(self, x: Tensor, stacked: Tensor) -> Tensor:
        grown: Tensor = x + self.drop(self.mix(functional.gelu(self.across(stacked))))
        return grown


class _Attention(nn.Module):
    """Attention within a band of frames, with a learned bias per head and distance in time, then a layer per frame."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        width = settings.channels
        self.heads, self.band, self.causal = settings.heads, settings.band, settings.causal
        self.reach = settings.band
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask = nn.Linear(width, 3 * width)
        self.answer = nn.Linear(width, width)
        self.grow, self.shrink = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.bias = nn.Parameter(torch.zeros(settings.heads, 2 * settings.band + 1))
        self.drop = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor) -> Tensor:
        frames = x.shape[1]
        query, key, value = self.ask(self.first(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        time = torch.arange(frames, device=x.device)
        apart = time[None, :] - time[:, None]
        outside = (apart.abs() > self.band) | ((apart > 0) & torch.tensor(self.causal, device=x.device))
        bias = self.bias[:, apart.clamp(-self.band, self.band) + self.band]
        score = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]) + bias
        share = score.masked_fill(outside, float("-inf")).softmax(dim=-1)
        x = x + self.drop(self.answer((share @ value).transpose(1, 2).flatten(2)))
        moved: Tensor = x + self.drop(self.shrink(functional.gelu(self.grow(self.second(x)))))
        return moved


class _Residual(nn.Module):
    """Two layers about a residual connection (Martinez et al. 2017, section 3.2)."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(channels, channels) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for _ in range(2))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = self.drop(functional.relu(norm(layer(h).flatten(0, 1)).unflatten(0, x.shape[:2])))
        return x + h
