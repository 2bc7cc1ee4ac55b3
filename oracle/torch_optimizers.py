"""Golden values of optimizers over 20 steps, and of learning-rate schedules, by PyTorch: test/golden/optimizers.json.

    python oracle/torch_optimizers.py

Step s (from 0) takes its micro-batch m as input `formula([4,1,6,7,5], 30000 + 10·s + m)` and labels
`floor(3·u(40000 + 10·s + m, 4))`. With accumulation the gradient is the mean over the micro-batches, and batch norm
counts each of them; the loss of the step is the mean of theirs. Groups name their parameters; the rest is the default group.
"""

import torch
import torch.nn.functional as F
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)

from torch_formula import formula, labels, stored, write
from torch_network import SmallNetwork, WideNetwork, fill_by_formula

torch.set_num_threads(2)
STEPS = 20
PLAIN = ["bn1.bias", "bn1.weight", "conv2.bias", "fc.bias"]
NO_DECAY = {"parameters": PLAIN, "weightDecay": 0}
FAST_HEAD = {"parameters": ["fc.weight", "fc.bias"], "lrFactor": 10}

SETTINGS = [
    ("sgd", {"optimizer": "sgd", "lr": 0.05}),
    ("sgd, momentum", {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9}),
    ("sgd, Nesterov, decay", {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True, "weightDecay": 0.01}),
    ("sgd, decay alone", {"optimizer": "sgd", "lr": 0.05, "weightDecay": 0.1}),
    ("sgd, fast head", {"optimizer": "sgd", "lr": 0.01, "momentum": 0.9, "weightDecay": 1e-3, "groups": [FAST_HEAD]}),
    ("sgd, no decay on plain", {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "weightDecay": 0.05, "groups": [NO_DECAY]}),
    ("sgd, frozen stem", {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "groups": [{"parameters": ["conv1.weight"], "frozen": True}]}),
    ("sgd, clipped", {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "clipNorm": 0.2}),
    ("sgd, clipping not reached", {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "clipNorm": 1000}),
    ("sgd, accumulated", {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "accumulate": 2}),
    ("adam", {"optimizer": "adam", "lr": 0.01}),
    ("adam, decay", {"optimizer": "adam", "lr": 0.01, "weightDecay": 0.05}),
    ("adam, other betas", {"optimizer": "adam", "lr": 0.01, "betas": [0.8, 0.95], "epsilon": 1e-6}),
    (
        "adam, groups, clipped, accumulated",
        {"optimizer": "adam", "lr": 0.003, "weightDecay": 0.05, "groups": [NO_DECAY, {"parameters": ["fc.weight"], "lrFactor": 10}], "clipNorm": 0.2, "accumulate": 2},
    ),
    ("adamW", {"optimizer": "adamW", "lr": 0.01, "weightDecay": 0.1}),
    ("adamW, no decay on plain", {"optimizer": "adamW", "lr": 0.01, "weightDecay": 0.5, "groups": [NO_DECAY]}),
    ("adamW, fast head, clipped", {"optimizer": "adamW", "lr": 0.002, "weightDecay": 0.1, "groups": [FAST_HEAD], "clipNorm": 0.2}),
    ("wide, sgd", {"network": "wide", "optimizer": "sgd", "lr": 0.02, "momentum": 0.9, "weightDecay": 1e-3}),
    ("wide, sgd, clipped, accumulated", {"network": "wide", "optimizer": "sgd", "lr": 0.02, "momentum": 0.9, "clipNorm": 0.2, "accumulate": 2}),
    ("wide, adam, frozen", {"network": "wide", "optimizer": "adam", "lr": 0.001, "groups": [{"parameters": ["conv2.weight"], "frozen": True}]}),
    ("wide, adamW", {"network": "wide", "optimizer": "adamW", "lr": 0.001, "weightDecay": 0.1, "clipNorm": 0.2}),
    ("adamW, accumulated, cosine", {"optimizer": "adamW", "lr": 0.01, "weightDecay": 0.1, "accumulate": 2, "schedule": "cosine"}),
]


def parameter_groups(network, setting):
    """PyTorch's groups; a frozen parameter is in none."""
    grouped, taken = [], set()
    named = dict(network.named_parameters())
    for group in setting.get("groups", []):
        taken.update(group["parameters"])
        for name in group["parameters"]:
            named[name].requires_grad_(not group.get("frozen", False))
        if not group.get("frozen", False):
            entry = {"params": [named[name] for name in group["parameters"]]}
            entry["lr"] = setting["lr"] * group.get("lrFactor", 1)
            if "weightDecay" in group:
                entry["weight_decay"] = group["weightDecay"]
            grouped.append(entry)
    grouped.append({"params": [p for name, p in named.items() if name not in taken]})
    return grouped


def make_optimizer(network, setting):
    groups = parameter_groups(network, setting)
    common = {"lr": setting["lr"], "weight_decay": setting.get("weightDecay", 0)}
    if setting["optimizer"] == "sgd":
        return torch.optim.SGD(groups, momentum=setting.get("momentum", 0), nesterov=setting.get("nesterov", False), **common)
    kind = {"adam": torch.optim.Adam, "adamW": torch.optim.AdamW}[setting["optimizer"]]
    return kind(groups, betas=tuple(setting.get("betas", (0.9, 0.999))), eps=setting.get("epsilon", 1e-8), **common)


def train(setting, dtype):
    network = WideNetwork() if setting.get("network") == "wide" else SmallNetwork()
    fill_by_formula(network)
    network.to(dtype).train()
    optimizer = make_optimizer(network, setting)
    schedule = CosineAnnealingLR(optimizer, STEPS) if setting.get("schedule") == "cosine" else None
    micro_batches = setting.get("accumulate", 1)
    losses, norms = [], []
    for step in range(STEPS):
        optimizer.zero_grad()
        total = 0.0
        for m in range(micro_batches):
            x = formula([4, 1, 6, 7, 5], 30_000 + 10 * step + m).to(dtype)
            y = labels([4], 40_000 + 10 * step + m, 3)
            loss = F.cross_entropy(network(x), y) / micro_batches
            loss.backward()
            total += loss.item()
        losses.append(total)
        parameters = [p for p in network.parameters() if p.requires_grad]
        # Clipping to infinity only measures.
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, setting.get("clipNorm", float("inf"))).item())
        optimizer.step()
        if schedule is not None:
            schedule.step()
    state = {k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    return losses, norms, state


def runs():
    for name, setting in SETTINGS:
        losses, norms, state = train(setting, torch.float64)
        single_losses, _, single = train(setting, torch.float32)
        # A fixture is fair only if PyTorch itself, in float32, stays well inside the tolerance it sets.
        for key, value in state.items():
            error = ((single[key] - value).abs().max() / value.abs().max()).item()
            assert error < 2e-5, f"{name}: {key} moves by {error:.1e} between float32 and float64"
        assert max(abs(a - b) for a, b in zip(losses, single_losses)) < 2e-5
        yield {
            "name": name,
            "setting": setting,
            "losses": losses,
            "gradientNorms": norms,
            "state": {key: stored(value) for key, value in sorted(state.items())},
        }


def schedules():
    """Learning rates of 20 epochs at a base rate of 0.1; a warm-up multiplies whatever the schedule says."""
    warmup = {"epochs": 5, "from": 0.1}
    settings = [
        ({"kind": "constant"}, None, lambda o: ConstantLR(o, 1.0, 1)),
        ({"kind": "step", "milestones": [6, 12, 18], "gamma": 0.3}, None, lambda o: StepLR(o, 6, 0.3)),
        ({"kind": "step", "milestones": [3, 4, 11], "gamma": 0.1}, None, lambda o: MultiStepLR(o, [3, 4, 11], 0.1)),
        ({"kind": "exponential", "gamma": 0.9}, None, lambda o: ExponentialLR(o, 0.9)),
        ({"kind": "polynomial", "power": 0.9}, None, lambda o: PolynomialLR(o, 20, 0.9)),
        ({"kind": "polynomial", "power": 2}, None, lambda o: PolynomialLR(o, 20, 2)),
        ({"kind": "cosine"}, None, lambda o: CosineAnnealingLR(o, 20)),
        ({"kind": "cosine", "floor": 0.1}, None, lambda o: CosineAnnealingLR(o, 20, 0.01)),
        ({"kind": "constant"}, warmup, lambda o: LinearLR(o, 0.1, 1, 5)),
        ({"kind": "constant"}, {"epochs": 4, "from": 0.2}, lambda o: LinearLR(o, 0.2, 1, 4)),
        ({"kind": "cosine"}, warmup, lambda o: ChainedScheduler([LinearLR(o, 0.1, 1, 5), CosineAnnealingLR(o, 20)])),
        ({"kind": "polynomial", "power": 0.9}, warmup, lambda o: ChainedScheduler([LinearLR(o, 0.1, 1, 5), PolynomialLR(o, 20, 0.9)])),
    ]
    for schedule, warm, make in settings:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        scheduler = make(optimizer)
        rates = []
        for _ in range(STEPS):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        yield {"schedule": schedule, "base": 0.1, "rates": rates} | ({} if warm is None else {"warmup": warm})


write(
    "optimizers.json",
    {
        "madeBy": f"oracle/torch_optimizers.py, PyTorch {torch.__version__}, float64",
        "runs": list(runs()),
        "schedules": list(schedules()),
    },
    lists=("runs", "schedules"),
)
