"""Derived seeds are pure, spread, and fit every generator."""

from facesim.seeds import derive_seed


def test_the_same_parts_give_the_same_seed_in_every_process() -> None:
    assert derive_seed(0, "step", 1) == 4413158142644703930  # hash() would change by process


def test_unequal_parts_give_unequal_seeds() -> None:
    parts = [(seed, use, step) for seed in range(5) for use in ("a", "b") for step in range(200)]
    assert len({derive_seed(*part) for part in parts}) == len(parts)
    assert derive_seed("1") != derive_seed(1)


def test_seeds_fit_a_signed_64_bit_number() -> None:
    assert all(0 <= derive_seed(n) < 2**63 for n in range(1000))
