import numpy as np

from rheon.noise import bits_of

ROWS = np.arange(40, dtype=np.uint64).reshape(10, 4)


def uniform(bits):
    return (bits >> np.uint64(11)).astype(float) * 2.0**-53


def test_bits_are_those_of_splitmix64():
    # Worked out with Python's own whole numbers, from the published constants.
    def mix(x):
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
        return x ^ (x >> 31)

    golden, seed, draw = 0x9E3779B97F4A7C15, 3, 2
    place = [(i + 1) * golden % 2**64 for i in range(4)]
    start = (seed * 0x632BE59BD9B4E019 + draw * 0xD1342543DE82EF95 + 1) % 2**64
    words = [int(word) for word in ROWS[5]]
    key = mix(
        (sum(mix((w * 0xBF58476D1CE4E5B9 + p) % 2**64) for w, p in zip(words, place, strict=True)) % 2**64)
        ^ start
    )
    expected = [mix((key + p) % 2**64) for p in place[:3]]
    assert bits_of(ROWS, 3, seed, draw)[5].tolist() == expected


def test_a_row_has_the_same_noise_in_any_company_and_other_noise_by_seed_and_draw():
    noise = bits_of(ROWS, 6, 1, 0)
    assert np.array_equal(noise[3:4], bits_of(ROWS[3:4], 6, 1, 0))
    assert np.array_equal(noise[:, :2], bits_of(ROWS, 2, 1, 0))
    for other in (bits_of(ROWS, 6, 2, 0), bits_of(ROWS, 6, 1, 1), bits_of(ROWS[:, ::-1], 6, 1, 0)):
        assert not (other == noise).any()


def test_noise_is_uniform():
    u = uniform(bits_of(np.arange(20_000, dtype=np.uint64)[:, None], 5, 0, 0))
    assert abs(u.mean() - 0.5) < 0.003
    assert abs(u.var() - 1 / 12) < 0.001
    assert abs(np.corrcoef(u.T) - np.eye(5)).max() < 0.03
