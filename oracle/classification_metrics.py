"""Scores of classifications by scikit-learn and scipy: test/golden/classification.json.

    python oracle/classification_metrics.py

Areas, curves, average precision and Brier scores are scikit-learn's, Wilson intervals and normal quantiles scipy's. DeLong's
variance is written here from the definition (all pairs, psi = 1, 1/2, 0), which medvox computes by ranks; the calibration
error from its definition with numpy.
"""

import json
import pathlib

import numpy as np
import scipy
import sklearn
from scipy.stats import binomtest, norm
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    confusion_matrix,
    roc_auc_score,
    roc_curve,
)

OUT = pathlib.Path(__file__).parent.parent / "test/golden/classification.json"


def psi(positives, negatives):
    difference = positives[:, None] - negatives[None, :]
    return (difference > 0) + 0.5 * (difference == 0)


def delong_covariance(a, b, truth):
    pairs = [psi(s[truth == 1], s[truth == 0]) for s in (a, b)]
    rows = [p.mean(1) for p in pairs]
    columns = [p.mean(0) for p in pairs]
    m, n = pairs[0].shape
    return np.cov(*rows)[0, 1] / m + np.cov(*columns)[0, 1] / n


def calibration_error(confidence, right):
    index = np.minimum((confidence * 10).astype(int), 9)
    return sum(
        (index == i).mean() * abs(confidence[index == i].mean() - right[index == i].mean()) for i in np.unique(index)
    )


def binary(name, truth, score, other):
    fpr, tpr, thresholds = roc_curve(truth, score, drop_intermediate=False)
    z = norm.ppf(0.975)
    area = roc_auc_score(truth, score)
    variance = delong_covariance(score, score, truth)
    between = variance + delong_covariance(other, other, truth) - 2 * delong_covariance(score, other, truth)
    difference = area - roc_auc_score(truth, other)
    called = (score >= 0.5).astype(int)
    wilson = [
        list(binomtest(int(hits), int(of)).proportion_ci(method="wilson"))
        for hits, of in (
            ((called == truth).sum(), len(truth)),
            (called[truth == 1].sum(), (truth == 1).sum()),
            ((1 - called[truth == 0]).sum(), (truth == 0).sum()),
        )
    ]
    return {
        "name": name,
        "truth": truth.tolist(),
        "scores": score.tolist(),
        "other": other.tolist(),
        "auc": area,
        "variance": variance,
        "interval": [max(0, area - z * np.sqrt(variance)), min(1, area + z * np.sqrt(variance))],
        "difference": difference,
        "differenceInterval": [difference - z * np.sqrt(between), difference + z * np.sqrt(between)],
        "curve": {"fpr": fpr.tolist(), "tpr": tpr.tolist(), "thresholds": thresholds[1:].tolist()},
        "averagePrecision": average_precision_score(truth, score),
        "brier": brier_score_loss(truth, score),
        "calibrationError": calibration_error(score, truth),
        "accuracy": accuracy_score(truth, called),
        "confusion": confusion_matrix(truth, called).tolist(),
        "wilson": wilson,
    }


def several(name, truth, probabilities):
    called = probabilities.argmax(1)
    classes = range(probabilities.shape[1])
    onehot = np.eye(len(classes))[truth]
    return {
        "name": name,
        "truth": truth.tolist(),
        "probabilities": probabilities.tolist(),
        "auc": roc_auc_score(truth, probabilities, multi_class="ovr", average="macro"),
        "aucs": [roc_auc_score(truth == k, probabilities[:, k]) for k in classes],
        "averagePrecisions": [average_precision_score(truth == k, probabilities[:, k]) for k in classes],
        "balancedAccuracy": balanced_accuracy_score(truth, called),
        "confusion": confusion_matrix(truth, called).tolist(),
        "brier": ((probabilities - onehot) ** 2).sum(1).mean(),
        "calibrationError": calibration_error(probabilities.max(1), called == truth),
    }


def main():
    rng = np.random.default_rng(6)
    sets = []
    for name, n, share, digits in (
        ("70 cases, few ties", 70, 0.7, 3),
        ("101 cases, many ties", 101, 0.5, 1),
        ("7 cases", 7, 0.4, 2),
        ("300 cases, rare positives", 300, 0.05, 2),
    ):
        truth = (np.arange(n) < round(share * n)).astype(int)
        rng.shuffle(truth)
        score = np.round(1 / (1 + np.exp(-rng.normal(1.2 * truth - 0.6, 1))), digits)
        other = np.round(1 / (1 + np.exp(-(0.5 * rng.normal(truth, 1.5) + score))), digits)
        sets.append(binary(name, truth, score, other))
    truth = rng.integers(0, 4, 60)
    logits = rng.normal(0, 1, (60, 4)) + 1.2 * np.eye(4)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    ps = [1e-300, 1e-20, 1e-9, 0.001, 0.025, 0.074, 0.076, 0.3, 0.5, 0.9, 0.95, 0.975, 0.999999]
    golden = {
        "madeBy": f"oracle/classification_metrics.py, scikit-learn {sklearn.__version__}, scipy {scipy.__version__}",
        "binary": sets,
        "several": [several("4 classes", truth, probabilities)],
        "quantiles": [[p, norm.ppf(p)] for p in ps],
    }
    OUT.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


main()
