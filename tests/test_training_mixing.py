"""The shares that images are mixed by: exactly Beta distributed, whatever its parameter."""

from __future__ import annotations

import pytest
import torch
from scipy import stats

from brittlestar.core.keys import SampleKeys
from brittlestar.training.mixing import _beta


@pytest.mark.parametrize("alpha", [0.02, 0.1, 0.2, 0.3, 1.0, 2.0, 50.0])
def test_shares_are_beta_distributed(alpha: float) -> None:
    keys = SampleKeys.of(3, [str(i) for i in range(100_000)]).stream("mixup")
    share = _beta(keys, alpha).numpy()
    assert share.min() > 0 and share.max() < 1
    law = stats.beta(alpha, alpha)
    # In the coordinate of the nearer end, where floats do not run out: the law of a half, twice as likely.
    folded = share[share < 0.5]
    assert stats.kstest(folded, lambda x: 2 * law.cdf(x)).pvalue > 1e-3
    assert stats.binomtest(len(folded), len(share)).pvalue > 1e-3
    if law.sf(1 - 2**-52) < 1e-3:  # Else too many draws lie closer to 1 than float64 can tell apart.
        assert stats.kstest(share, law.cdf).pvalue > 1e-3
    assert share.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.02)


def test_a_share_depends_on_its_key_alone() -> None:
    keys = SampleKeys.of(3, [str(i) for i in range(50)])
    assert torch.equal(_beta(keys[10:20], 0.2), _beta(keys, 0.2)[10:20])
