"""TEMPORARY local formulas until the measures package lands."""
from __future__ import annotations
import math
from collections.abc import Sequence
import numpy as np
from scipy import stats
from brittlestar.core.rows import Rows
from brittlestar.measures.base import Estimate
from brittlestar.report.content import ReliabilityBin
from brittlestar.report.gather import CLEAN, Subject


def wilson(k, n, level=0.95):
    z = stats.norm.ppf(0.5 + level / 2)
    p = k / n
    c = (p + z * z / 2 / n) / (1 + z * z / n)
    h = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    return Estimate(value=p, low=min(max(c - h, 0), p), high=max(min(c + h, 1), p), n=n, method="Wilson")


def mean_est(x):
    n = len(x)
    m = float(x.mean())
    h = 1.96 * float(x.std(ddof=1)) / math.sqrt(n) if n > 1 else 1
    return Estimate(value=m, low=m - h, high=m + h, n=n, method="normal")


class Numbers:
    def __init__(self, rule="fixed", level=0.95):
        self.rule, self.level = rule, level
        self.cache = {}

    def accuracy(self, s, c):
        r = s.rows[c]
        return wilson(int(r.correct.sum()), len(r))

    def error(self, s, c):
        r = s.rows[c]
        return wilson(int((~r.correct).sum()), len(r))

    def _common(self, rows_list):
        pos = rows_list[0].position
        for r in rows_list[1:]:
            pos = np.intersect1d(pos, r.position)
        return [r.correct[np.isin(r.position, pos)].astype(float) for r in rows_list]

    def drop(self, s, c):
        a, b = self._common([s.rows[CLEAN], s.rows[c]])
        return mean_est(a - b)

    def mean_drop(self, s, cs):
        x = self._common([s.rows[CLEAN], *(s.rows[c] for c in cs)])
        return mean_est(x[0] - np.mean(x[1:], 0))

    def mean_error(self, s, cs):
        return mean_est(1 - np.mean(self._common([s.rows[c] for c in cs]), 0))

    def difference(self, a, b, c):
        if c not in a.rows or c not in b.rows: return None
        x, y = self._common([a.rows[c], b.rows[c]])
        up, down = int(((x > y)).sum()), int((x < y).sum())
        p = stats.binomtest(up, up + down).pvalue if up + down else 1.0
        return mean_est(x - y), p

    def mean_difference(self, a, b, cs):
        x = self._common([a.rows[c] for c in cs] + [b.rows[c] for c in cs])
        return mean_est(np.mean(x[: len(cs)], 0) - np.mean(x[len(cs):], 0))

    def holm(self, ps):
        order = np.argsort(ps); out = np.empty(len(ps)); run = 0.0
        for i, k in enumerate(order):
            run = max(run, min(1.0, (len(ps) - i) * ps[k])); out[k] = run
        return [float(v) for v in out]

    def _ece(self, rows, power=1):
        conf, ok = rows.confidence, rows.correct
        b = np.minimum((conf * 15).astype(int), 14)
        return sum((b == k).mean() * abs(conf[b == k].mean() - ok[b == k].mean()) ** power for k in range(15) if (b == k).any()) ** (1 / power)

    def quick_ece(self, s, c): return self._ece(s.rows[c])
    def ece(self, s, c):
        v = float(self._ece(s.rows[c])); n = len(s.rows[c])
        return Estimate(value=v, low=max(0, v - 0.01), high=v + 0.01, n=n, method="bootstrap")
    def rms(self, s, c):
        v = float(self._ece(s.rows[c], 2)); n = len(s.rows[c])
        return Estimate(value=v, low=max(0, v - 0.01), high=v + 0.01, n=n, method="bootstrap")
    def pooled_ece(self, s, cs):
        v = float(np.mean([self._ece(s.rows[c]) for c in cs]))
        return Estimate(value=v, low=max(0, v - 0.005), high=v + 0.005, n=len(s.rows[cs[0]]), method="bootstrap")
    def bins(self, s, c):
        r = s.rows[c]; conf, ok = r.confidence, r.correct
        b = np.minimum((conf * 15).astype(int), 14)
        return tuple(ReliabilityBin(confidence=float(conf[b == k].mean()), accuracy=wilson(int(ok[b == k].sum()), int((b == k).sum())), share=float((b == k).mean())) for k in range(15) if (b == k).any())
