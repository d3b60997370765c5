"""States that cannot fall below 0: what takes from one of them vanishes with it."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from nalu_jax import discover
from nalu_jax.discover._systems import problem, shooting, signs, structure, terms

TS = np.linspace(0.0, 14.0, 40)


def saturated():
    """A substance that an enzyme takes up at next to its full speed nearly to the end, with 1 % noise."""
    found = solve_ivp(lambda t, y: -y / (0.2 + y), (0.0, 14.0), [20.0], t_eval=TS, rtol=1e-11, atol=1e-12).y.T
    return found + 0.01 * found.std() * np.random.default_rng(0).normal(size=found.shape)


def test_what_takes_from_a_state_vanishes_with_it():
    options = {"names": ["a"], "functions": (), "time_limit": None, "progress": False}
    free = discover.ode(TS, saturated(), **options)
    assert any(term.coefficient.value < 0 and not term.factors for term in free.best.rates[0].terms)  # from nothing
    held = discover.ode(TS, saturated(), nonnegative=["a"], **options)
    for candidate in held.candidates:
        for term in candidate.rates[0].terms:
            takes = term.part != "below" and term.coefficient.value < 0
            assert not takes or any(factor.exponent.value > 0 for factor in term.factors)
    [term] = held.best.rates[0].terms
    assert [factor.column.function for factor in term.factors] == [None, "1/(1+u)"]


def fitted(numerators, routes=None):
    """Two states that one takes from the other, and the fit of a structure to them."""
    states = np.stack([2 * np.exp(-0.3 * TS), 2 - 2 * np.exp(-0.3 * TS)], 1)
    made = problem.problem([TS], [states], scale=np.ones(2), routes=routes)
    law = structure.plain(numerators)
    found = shooting.fit(made, law, np.array([-0.3] * law.size), made.nodes(made.curves[0]), made.curves[0].noise)
    assert found is not None
    return found


def test_terms_that_take_what_is_not_there_are_seen():
    a, b, one = (terms.Term(powers) for powers in ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0)))
    own = fitted([(a,), (a,)])  # -0.3 a, 0.3 a
    assert signs.taking(own, (0, 1)) is None
    other = fitted([(one, b), (a,)])  # -0.6 + 0.3 b, 0.3 a
    assert signs.taking(other, (0,)) == 0 and signs.taking(other, (1,)) is None
    routes = np.array([[-1.0], [1.0]])
    assert signs.taking(fitted([(a,)], routes), (0, 1)) is None
    from_nothing = fitted([(one, b)], routes)  # 0.6 - 0.3 b from a to b
    assert signs.taking(from_nothing, (0,)) == 0 and signs.taking(from_nothing, (1,)) is None


@pytest.mark.parametrize(
    ("nonnegative", "error", "words"),
    [
        ("a", TypeError, "nonnegative must be \"all\" or a sequence of names of states, got 'a'"),
        (["q"], ValueError, "'q' is no state; there are 'a'"),
        (["a"], ValueError, "'a' is -3 in row 5 of trajectory 0. Leave it out of nonnegative="),
    ],
)
def test_states_that_are_none_or_negative_are_refused(nonnegative, error, words):
    states = np.linspace(5.0, 1.0, 40)
    states[5] = -3.0
    with pytest.raises(error, match=words):
        discover.ode(TS, states, names=["a"], nonnegative=nonnegative, progress=False)
