import pytest

from tests.crash import kill9


@pytest.mark.slow
def test_what_was_killed_goes_on_to_the_same_weights(tmp_path):
    count = kill9.run(3, seed=0, folder=tmp_path)
    assert count.faults == []
    assert (count.kills, count.resumed) == (3, 3)
    assert count.inside == 1
    assert count.equal == count.ended > 0
