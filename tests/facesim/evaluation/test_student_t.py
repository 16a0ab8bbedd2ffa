import pytest

from facesim.evaluation.student_t import student_t_quantile


@pytest.mark.parametrize(
    ("degrees", "tabulated", "within"),
    [
        (2, 4.3027, 1e-2),
        (4, 2.7764, 1e-3),
        (10, 2.2281, 1e-4),
        (30, 2.0423, 1e-4),
        (1e9, 1.96, 1e-4),
    ],
)
def test_it_is_the_tabulated_one(degrees: float, tabulated: float, within: float) -> None:
    assert student_t_quantile(0.975, degrees) == pytest.approx(tabulated, rel=within)


def test_it_is_symmetric() -> None:
    assert student_t_quantile(0.025, 5) == pytest.approx(-student_t_quantile(0.975, 5))
