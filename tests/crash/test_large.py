import math

import pytest

from tests.crash import large

ROWS = 600_000  # times 64 columns of 8 bytes: over an eighth of the two gigabytes that torch leaves


@pytest.mark.slow
def test_a_table_is_learned_and_scored_in_little_memory(tmp_path):
    result = large.run(ROWS, columns=64, gigabytes=3.0, minutes=0.05, folder=tmp_path)
    assert (result.scores, result.finite) == (ROWS, ROWS)
    assert result.trained > 0.72 * ROWS, "streamed: few rows are held out, not the shares 0.2 and 0.1"
    assert math.isfinite(result.figure)
