"""The rival of training_step.rs: the same tiny LLaVA-ST, forward and backward, in PyTorch eager on the CPU.

    python training_step.py [steps] [threads]

Same sizes, batch, tokens and loss (logits at supervised positions, soft labels on two bins); random weights, so that only the time
compares. Neighbouring token propagation is left out (a product of 100x100 matrices)."""

import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class TowerLayer(nn.Module):
    def __init__(self, width, inner, heads):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-6), nn.LayerNorm(width, 1e-6)
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x):
        b, n, w = x.shape
        h = self.norm1(x)
        q, k, v = (f(h).view(b, n, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        weights = torch.softmax(q @ k.transpose(2, 3) * (w // self.heads) ** -0.5, -1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(b, n, w))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x)), approximate="tanh"))


class Packer(nn.Module):
    def __init__(self, width, inner, heads):
        super().__init__()
        mlp = lambda: nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, inner))
        self.q, self.k, self.v = mlp(), mlp(), mlp()
        self.ln_q, self.ln_k, self.ln_v = (nn.LayerNorm(inner) for _ in range(3))
        self.attention = nn.MultiheadAttention(inner, heads, batch_first=True)
        self.out = nn.Linear(inner, width, bias=False)

    def forward(self, regions):
        query = regions[:, regions.shape[1] // 2 : regions.shape[1] // 2 + 1]
        q, k, v = self.ln_q(self.q(query)), self.ln_k(self.k(regions)), self.ln_v(self.v(regions))
        return (query + self.out(self.attention(q, k, v, need_weights=False)[0]))[:, 0]

    def space(self, x, side, scale):
        f, _, w = x.shape
        to = side // scale
        regions = x.view(f, to, scale, to, scale, w).permute(0, 1, 3, 2, 4, 5).reshape(f * to * to, scale * scale, w)
        return self(regions).view(f, to * to, w)

    def time(self, x, frames, scale):
        n, p, w = x.shape
        clips, to = n // frames, frames // scale
        regions = x.view(clips, to, scale, p, w).permute(0, 1, 3, 2, 4).reshape(clips * to * p, scale, w)
        return self(regions).view(clips, to * p, w)


class RmsNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class DecoderLayer(nn.Module):
    def __init__(self, width, inner, heads, kv):
        super().__init__()
        self.heads, self.kv, head = heads, kv, width // heads
        self.q, self.k, self.v = nn.Linear(width, width), nn.Linear(width, kv * head), nn.Linear(width, kv * head)
        self.o = nn.Linear(width, width, bias=False)
        self.gate, self.up, self.down = (nn.Linear(a, b, bias=False) for a, b in ((width, inner), (width, inner), (inner, width)))
        self.norm1, self.norm2 = RmsNorm(width), RmsNorm(width)

    def forward(self, x, cos, sin, mask):
        b, n, w = x.shape
        h = self.norm1(x)
        q = self.q(h).view(b, n, self.heads, -1).transpose(1, 2)
        k, v = (f(h).view(b, n, self.kv, -1).transpose(1, 2) for f in (self.k, self.v))
        turn = lambda t: t * cos + torch.cat((-t[..., t.shape[-1] // 2 :], t[..., : t.shape[-1] // 2]), -1) * sin
        q, k = turn(q), turn(k)
        k, v = (t.repeat_interleave(self.heads // self.kv, 1) for t in (k, v))
        weights = torch.softmax(q @ k.transpose(2, 3) * (w // self.heads) ** -0.5 + mask, -1)
        x = x + self.o((weights @ v).transpose(1, 2).reshape(b, n, w))
        h = self.norm2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch, self.position = nn.Linear(588, 64), nn.Parameter(torch.randn(81, 64) * 0.02)
        self.tower = nn.ModuleList(TowerLayer(64, 256, 4) for _ in range(2))
        self.projector = nn.Sequential(nn.Linear(64, 96), nn.GELU(), nn.Linear(96, 96))
        self.first, self.slow, self.fast = (Packer(96, 48, 4) for _ in range(3))
        self.words, self.head = nn.Embedding(400, 96), nn.Linear(96, 400, bias=False)
        self.inputs, self.outputs = (nn.Parameter(torch.randn(300, 96) * 0.02) for _ in range(2))
        self.layers, self.norm = nn.ModuleList(DecoderLayer(96, 256, 4, 2) for _ in range(3)), RmsNorm(96)

    def lape(self, frames):
        t, h, w = ((self.inputs + self.outputs) * 0.5).split(100)
        resize = lambda table: F.interpolate(table.t()[None], size=9, mode="linear")[0].t()
        plane = (resize(h)[:, None] + resize(w)[None]).reshape(1, 81, 96)
        return plane + t[:1, None] if frames == 1 else plane + F.interpolate(t.t()[None], size=frames, mode="linear", align_corners=True)[0].t()[:, None]

    def visual(self, patches, frames):
        x = self.patch(patches) + self.position
        for layer in self.tower:
            x = layer(x)
        x = self.projector(x)
        x = (x.view(-1, frames, 81, 96) + self.lape(frames)).view(-1, 81, 96)
        if frames == 1:
            return x
        x = self.first.space(x, 9, 3)
        fast = self.fast.space(x, 3, 3).reshape(-1, frames, 96)
        return torch.cat((fast, self.slow.time(x, frames, 5)), 1)

    def forward(self, patches, frames, ids, coordinates):
        visual = self.visual(patches, frames)
        rows, tokens, _ = visual.shape
        x = self.words(ids)
        floor, ratio = coordinates[0].long(), coordinates[1][..., None]
        bins = (1 - ratio) * self.inputs[floor] + ratio * self.inputs[floor + 1]
        x = torch.cat((x[:, :3], visual, x[:, 3:27], bins, x[:, 31:]), 1)
        n = x.shape[1]
        angle = torch.arange(n).float()[:, None] * 1e4 ** (-torch.arange(0, 24, 2).float() / 24)
        angle = torch.cat((angle, angle), -1)
        mask = torch.full((n, n), float("-inf")).triu(1)
        for layer in self.layers:
            x = layer(x, angle.cos(), angle.sin(), mask)
        supervised = self.norm(x)[:, -13:-1]
        logits = torch.cat((self.head(supervised), supervised @ self.outputs.t()), -1)
        chosen = ids[:, -12:]
        target = F.one_hot(chosen, 700).float()
        place = F.one_hot(floor + 400, 700) * (1 - ratio) + F.one_hot(floor + 401, 700) * ratio
        target[:, 4:8] = place
        return -(target * torch.log_softmax(logits, -1)).sum(-1).mean()


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    torch.set_num_threads(int(sys.argv[2]) if len(sys.argv) > 2 else 2)
    torch.manual_seed(0)
    model = Model()
    print(sum(p.numel() for p in model.parameters()), "parameters,", torch.get_num_threads(), "threads, torch", torch.__version__)
    for name, frames, count in (("images", 1, 32), ("videos", 20, 16)):
        frames_u8 = torch.randint(0, 256, (count * frames, 3, 9, 14, 9, 14), dtype=torch.uint8)
        ids = torch.randint(5, 300, (count, 35))
        coordinates = (torch.randint(0, 99, (count, 4)), torch.rand(count, 4))

        def step():
            model.zero_grad(set_to_none=True)
            pixels = (frames_u8.float() / 255 - 0.5) / 0.5
            loss = model(pixels.permute(0, 2, 4, 1, 3, 5).reshape(count * frames, 81, 588), frames, ids, coordinates)
            loss.backward()

        step()
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(steps):
            step()
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        print(f"{count} {name}: {steps * count / seconds:.1f} a second; {cpu / steps * 1e3:.1f} ms of processor time a step")


main()
