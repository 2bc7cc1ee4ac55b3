"""Golden values for src/metrics/detection/froc.ts: LUNA16's free-response figures on made-up scans.

Run: python oracle/luna_froc.py   (numpy, scikit-learn); writes test/fixtures/metrics/golden/froc.json
Written from the published rules of the challenge (Setio et al. 2017, and what its evaluation does): marks within the radius
hit, the best mark of a finding counts, marks on excluded findings are irrelevant, at most 100 marks a scan by a strict
threshold; then scikit-learn's roc_curve, scaled to false positives per scan and to all findings, and numpy's interp.
"""
import json
import pathlib

import numpy as np
from sklearn.metrics import roc_curve

OUT = pathlib.Path(__file__).parent.parent / "test" / "fixtures" / "metrics" / "golden" / "froc.json"
RATES = [0.125, 0.25, 0.5, 1, 2, 4, 8]


def made_up(seed, scans, quality=1.5, most=30, ties=False):
    rng = np.random.default_rng(seed)
    out = []
    for s in range(scans):
        def findings(n):
            return [dict(centreMm=[round(float(v), 2) for v in rng.uniform(-150, 150, 3)], diameterMm=round(float(rng.uniform(3, 30)), 2)) for _ in range(n)]
        included, excluded = findings(int(rng.integers(0, 4))), findings(int(rng.integers(0, 4)))
        if included and rng.uniform() < 0.3:  # a finding within another, and one of unknown size
            included.append(dict(centreMm=[v + 1 for v in included[0]["centreMm"]], diameterMm=-1))
        marks = []
        for finding, share in [(f, 0.8) for f in included] + [(f, 0.6) for f in excluded]:
            for _ in range(int(rng.integers(0, 3)) if rng.uniform() < share else 0):
                where = np.array(finding["centreMm"]) + rng.normal(0, max(finding["diameterMm"], 4) / 6, 3)
                marks.append((where, rng.normal(quality, 1)))
        for _ in range(int(rng.integers(0, most))):
            marks.append((rng.uniform(-150, 150, 3), rng.normal(0, 1)))
        digits = 1 if ties else 5
        scored = [dict(centreMm=[round(float(v), 1) for v in w], score=round(float(1 / (1 + np.exp(-p))), digits)) for w, p in marks]
        order = rng.permutation(len(scored))
        out.append(dict(scan=f"scan {s}", findings=included, excluded=excluded, marks=[scored[i] for i in order]))
    return out


def evaluate(scans, limit=100):
    truth, scores, undetected = [], [], 0
    irrelevant = 0
    for scan in scans:
        marks = dict(enumerate(scan["marks"]))
        if len(marks) > limit:
            bar = sorted((m["score"] for m in marks.values()), reverse=True)[limit]
            marks = {k: m for k, m in marks.items() if m["score"] > bar}
        left = dict(marks)
        for finding, counts in [(f, True) for f in scan["findings"]] + [(f, False) for f in scan["excluded"]]:
            diameter = 10.0 if finding["diameterMm"] < 0 else finding["diameterMm"]
            hits = {k: m for k, m in marks.items()
                    if sum((a - b) ** 2 for a, b in zip(m["centreMm"], finding["centreMm"])) < (diameter / 2) ** 2}
            if not counts:
                irrelevant += sum(1 for k in hits if k in left)
            for k in hits:
                left.pop(k, None)
            if counts and hits:
                truth.append(1)
                scores.append(max(m["score"] for m in hits.values()))
            elif counts:
                undetected += 1
        for m in left.values():
            truth.append(0)
            scores.append(m["score"])
    detected, lesions = sum(truth), sum(truth) + undetected
    if lesions == 0:
        return None
    if detected == 0:
        return dict(at=[0.0] * 7, cpm=0.0, found=0, irrelevant=irrelevant)
    if detected == len(truth):
        fps, sens = np.array([0.0]), np.array([detected / lesions])
    else:
        fpr, tpr, _ = roc_curve(truth, scores)
        fps, sens = fpr * (len(truth) - detected) / len(scans), tpr * detected / lesions
    at = np.interp(RATES, fps, sens)
    return dict(at=[float(v) for v in at], cpm=float(at.mean()), found=int(detected), irrelevant=irrelevant,
                curve=[[float(a), float(b)] for a, b in zip(fps, sens)][:: max(1, len(fps) // 20)])


cases = []
for name, options in {
    "usual": dict(seed=1, scans=12),
    "equal scores": dict(seed=2, scans=8, ties=True),
    "weak": dict(seed=3, scans=10, quality=0.2, most=60),
    "more than a hundred marks": dict(seed=4, scans=3, most=200),
    "more than a hundred marks with equal scores": dict(seed=7, scans=3, most=190, ties=True),
    "no false positives": dict(seed=6, scans=5, most=1),
    "one scan": dict(seed=10, scans=1, most=8),
}.items():
    scans = made_up(**options)
    if name == "no false positives":
        for scan in scans:
            scan["marks"] = [m for m in scan["marks"] if any(np.linalg.norm(np.subtract(m["centreMm"], f["centreMm"])) < f["diameterMm"] / 2.01 for f in scan["findings"] + scan["excluded"])]
    result = evaluate(scans)
    cases.append(dict(name=name, scans=scans, **result))
    print(name, sum(len(s["findings"]) for s in scans), sum(len(s["marks"]) for s in scans), [round(v, 4) for v in result["at"]], round(result["cpm"], 4), result["irrelevant"])
OUT.write_text(json.dumps(dict(cases=cases)) + "\n")
print(OUT.stat().st_size, "bytes")
