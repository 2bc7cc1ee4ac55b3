"""Golden values of every loss and its gradient, by PyTorch, torchvision and MONAI: test/golden/losses.json.

    python oracle/torch_losses.py

Logits are [N, K] or [N, K, …], labels [N] or [N, …] class numbers. What each loss means is said in README.md; Dice,
Dice + cross-entropy and softmax focal are MONAI's definitions, since those are the ones users know by name.
"""

import monai
import torch
import torch.nn.functional as F
import torchvision
from monai.losses import DiceCELoss, DiceLoss, FocalLoss
from monai.losses.focal_loss import softmax_focal_loss
from torchvision.ops import sigmoid_focal_loss

from torch_formula import Cases, Inputs, write

torch.set_num_threads(2)
inputs = Inputs(first_seed=20_000)
cases = Cases(inputs)
MAPS = {"vectors": (), "2D": (5, 4), "3D": (3, 5, 4)}
WEIGHTS = [0.25, 1.0, 2.5]


def double(weights):
    return None if weights is None else torch.tensor(weights, dtype=torch.float64)


def cross_entropy():
    for kind, size in MAPS.items():
        for n, weights, ignore in ((1, None, None), (3, WEIGHTS, None), (2, None, -1), (3, WEIGHTS, 255), (2, WEIGHTS, 0)):
            n = n + 4 if kind == "vectors" else n
            holes = None if ignore in (None, 0) else (0.3, ignore)
            given = [inputs.real(n, 3, *size, low=-3, high=3), inputs.labels((n, *size), 3, holes)]
            attributes = {}
            if weights is not None:
                attributes["weights"] = weights
            if ignore is not None:
                attributes["ignoreIndex"] = ignore
            name = f"{kind} batch {n}{' weighted' if weights else ''}{'' if ignore is None else f' ignoring {ignore}'}"

            def reference(x, y):
                return F.cross_entropy(x, y, double(weights), ignore_index=-100 if ignore is None else ignore)

            cases.add("crossEntropy", name, given, attributes, reference)
    given = [inputs.real(2, 3, 4, 4, low=-80, high=80), inputs.labels((2, 4, 4), 3)]
    cases.add("crossEntropy", "2D far out", given, {}, F.cross_entropy)


def dice():
    for kind in ("2D", "3D"):
        size = MAPS[kind]
        for batch in (False, True):
            for background in (False, True):
                for smooth in (1e-5, 1.0):
                    attributes = {"includeBackground": background, "batch": batch, "smooth": smooth}
                    loss = DiceLoss(
                        include_background=background,
                        to_onehot_y=True,
                        softmax=True,
                        smooth_nr=smooth,
                        smooth_dr=smooth,
                        batch=batch,
                    )
                    given = [inputs.real(3, 3, *size, low=-3, high=3), inputs.labels((3, *size), 3)]
                    name = f"{kind}{' over the batch' if batch else ''}{' with background' if background else ''}"
                    name += f" smooth {smooth}"
                    cases.add("dice", name, given, attributes, lambda x, y: loss(x, y[:, None]))
    # A class that no label has: the smoothing terms alone decide.
    given = [inputs.real(2, 3, 4, 3, 3, low=-3, high=3), inputs.labels((2, 4, 3, 3), 2)]
    attributes = {"includeBackground": False, "batch": False, "smooth": 1e-5}
    loss = DiceLoss(include_background=False, to_onehot_y=True, softmax=True)
    cases.add("dice", "3D absent class", given, attributes, lambda x, y: loss(x, y[:, None]))


def dice_and_cross_entropy():
    for kind in ("2D", "3D"):
        for batch, background, weights, share in ((False, True, None, 1.0), (True, False, None, 1.0), (True, True, WEIGHTS, 0.5)):
            # MONAI's one weight weighs both terms; here only the cross-entropy term is taken with weights.
            terms = DiceLoss(include_background=background, to_onehot_y=True, softmax=True, batch=batch)
            given = [inputs.real(2, 3, *MAPS[kind], low=-3, high=3), inputs.labels((2, *MAPS[kind]), 3)]
            attributes = {"includeBackground": background, "batch": batch, "crossEntropyWeight": share}
            if weights is not None:
                attributes["weights"] = weights

            def reference(x, y):
                value = terms(x, y[:, None]) + share * F.cross_entropy(x, y, double(weights))
                if weights is None:
                    both = DiceCELoss(include_background=background, to_onehot_y=True, softmax=True, batch=batch, lambda_ce=share)
                    assert torch.allclose(value, both(x, y[:, None])), "not MONAI's DiceCELoss"
                return value

            name = f"{kind}{' over the batch' if batch else ''}{' with background' if background else ''}"
            cases.add("diceCrossEntropy", name + (" weighted" if weights else ""), given, attributes, reference)


def binary():
    for shape, low, high in (((7,), -4, 4), ((2, 3, 5, 4), -4, 4), ((1, 2, 3, 4, 5), -4, 4), ((4, 6), -70, 70)):
        for positive in (None, 2.5):
            given = [inputs.real(*shape, low=low, high=high), inputs.labels(shape, 2)]
            attributes = {} if positive is None else {"positiveWeight": positive}
            name = f"{list(shape)}{' far out' if high > 4 else ''}{'' if positive is None else ' weighted'}"
            weight = None if positive is None else double([positive])
            cases.add(
                "binaryCrossEntropy",
                name,
                given,
                attributes,
                lambda x, y: F.binary_cross_entropy_with_logits(x, y.double(), pos_weight=weight),
            )


def focal():
    for shape, high in (((9, 2), 4), ((2, 3, 4, 5), 4), ((3, 7), 40)):
        for alpha, gamma in ((0.25, 2.0), (-1.0, 2.0), (0.6, 0.0), (0.25, 1.5)):
            given = [inputs.real(*shape, low=-high, high=high), inputs.labels(shape, 2)]
            attributes = {"gamma": gamma} | ({"alpha": alpha} if alpha >= 0 else {})
            cases.add(
                "binaryFocal",
                f"{list(shape)} alpha {alpha} gamma {gamma}{' far out' if high > 4 else ''}",
                given,
                attributes,
                lambda x, y: sigmoid_focal_loss(x, y.double(), alpha, gamma, "mean"),
            )
    for kind, high in (("2D", 4), ("3D", 4), ("3D", 40)):
        for gamma, alpha in ((2.0, None), (0.0, None), (1.5, 0.75)):
            given = [inputs.real(2, 3, *MAPS[kind], low=-high, high=high), inputs.labels((2, *MAPS[kind]), 3)]
            attributes = {"gamma": gamma} | ({"alpha": alpha} if alpha is not None else {})
            whole = FocalLoss(to_onehot_y=True, use_softmax=True, gamma=gamma, alpha=alpha)

            def reference(x, y):
                truth = F.one_hot(y, 3).movedim(-1, 1)
                # MONAI's class computes in float32 and averages over classes too; one in K of them is not zero.
                value = softmax_focal_loss(x, truth, gamma, alpha).sum(1).mean()
                assert torch.allclose(value.float(), 3 * whole(x, y[:, None]), rtol=1e-4), "not MONAI's FocalLoss"
                return value

            cases.add("focal", f"{kind} gamma {gamma} alpha {alpha}{' far out' if high > 4 else ''}", given, attributes, reference)


def regression():
    for shape in ((5, 4), (3, 6), (2, 3, 4, 5)):
        for beta in (1.0, 1 / 9, 0.0, 2.5):
            given = [inputs.real(*shape, low=-3, high=3), inputs.real(*shape, differentiable=False)]
            attributes = {"beta": beta}
            cases.add("smoothL1", f"{list(shape)} beta {beta:.3g}", given, attributes, lambda a, b: F.smooth_l1_loss(a, b, beta=beta))
    given = [inputs.values([0.0, 1.0, -1.0, 0.5]), inputs.values([0.0, 0.0, 0.0, 0.5], differentiable=False)]
    for beta in (1.0, 0.0):
        cases.add("smoothL1", f"at the corner beta {beta}", given, {"beta": beta}, lambda a, b: F.smooth_l1_loss(a, b, beta=beta))


def soft():
    for shape in ((5, 2), (4, 3), (2, 3, 4, 5)):
        for weighted in (False, True):
            weights = WEIGHTS[: shape[1]] if weighted else None
            attributes = {"weights": weights} if weighted else {}
            target = inputs.real(*shape, low=0, high=1, differentiable=False)
            given = [inputs.real(*shape, low=-3, high=3), target]
            name = f"{list(shape)}{' weighted' if weighted else ''}"
            cases.add("softCrossEntropy", name, given, attributes, lambda x, y: F.cross_entropy(x, y, double(weights)))
            for gamma in (2.0, 0.5):

                def focal_reference(x, y):
                    share = F.softmax(x, 1)
                    column = (1,) * (x.dim() - 2)
                    scale = 1 if weights is None else double(weights).reshape(1, -1, *column)
                    return -(scale * y * (1 - share) ** gamma * share.log()).sum(1).mean()

                cases.add("softFocal", f"{name} gamma {gamma}", given, attributes | {"gamma": gamma}, focal_reference)


for group in (cross_entropy, dice, dice_and_cross_entropy, binary, focal, regression, soft):
    group()

made_by = f"PyTorch {torch.__version__}, torchvision {torchvision.__version__}, MONAI {monai.__version__}, float64"
write("losses.json", {"madeBy": f"oracle/torch_losses.py, {made_by}", "cases": cases.cases}, lists=("cases",))
print(f"{len(cases.cases)} cases of {len({c['op'] for c in cases.cases})} losses")
