"""How often terms are found again in halves of the data."""

import dataclasses
import json

import numpy as np
import pytest

from nalu_jax import discover
from nalu_jax.discover import _ensemble
from nalu_jax.discover._ensemble import Ensemble, Part

TS = np.linspace(0.0, 4.0, 48)


@pytest.fixture(scope="module")
def found():
    states = 3 * np.exp(-1.5 * TS)
    return discover.ode(TS, states, names=["mass"], ensemble=3, time_limit=None, progress=False)


def test_exact_decay_is_found_again_in_every_half(found):
    assert found.ensemble == Ensemble(3, ((1.0,),), 1.0)
    assert "found again in 3 halves of the data: dmass/dt 100%; these terms and no others 100%" in str(found)
    assert "found again in 3 halves" in found._repr_html_()


def test_an_ensemble_is_saved_and_loaded(found, tmp_path):
    found.save(tmp_path / "law.json")
    assert discover.load(tmp_path / "law.json").ensemble == found.ensemble
    data = json.loads((tmp_path / "law.json").read_text())
    data["ensemble"]["shares"] = [[1.0, 1.0]]
    (tmp_path / "law.json").write_text(json.dumps(data))
    with pytest.raises(ValueError, match="its ensemble has not a share for each term"):
        discover.load(tmp_path / "law.json")


def test_halves_are_blocks_of_time():
    halves = _ensemble.halves([40, 25, 12], 5)
    assert len(halves) == 5
    for half in halves:
        rows = [(part.trajectory, row) for part in half for row in range(part.begin, part.end)]
        assert len(set(rows)) == len(rows) and 30 <= len(rows) <= 45  # of 77
        for one, other in zip(half, half[1:], strict=False):
            assert one.trajectory < other.trajectory or one.end < other.begin  # blocks that meet are one
    assert len(_ensemble.halves([40], 100)) == 6  # of 4 blocks
    assert halves == _ensemble.halves([40, 25, 12], 5)


def test_rows_of_a_half_keep_what_drives_them():
    times, states = [np.arange(20.0), np.arange(10.0)], [np.ones((20, 1)), np.ones((10, 1))]
    states[1][:] = np.nan
    half = [Part(0, 0, 10), Part(0, 15, 20), Part(1, 0, 10)]
    data = _ensemble.data_of(half, times, states, None)
    assert [own.tolist() for own in data.times] == [list(range(10)), list(range(15, 20))]  # nothing is seen of the last


def test_shares_count_terms_and_whole_laws(found):
    best = found.best
    (rate,) = best.rates
    (term,) = rate.terms
    more = dataclasses.replace(term, factors=())
    form = dataclasses.replace(rate.form, groups=(2,))
    longer = dataclasses.replace(best, rates=(dataclasses.replace(rate, terms=(more, term), form=form),))
    other = dataclasses.replace(best, rates=(dataclasses.replace(rate, terms=(more,)),))
    laws = iter([best, longer, other, best, None])
    halves = _ensemble.halves([200], 8)
    assert _ensemble.of(best, halves, lambda half: next(laws)) == Ensemble(4, ((0.75,),), 0.5)
    assert _ensemble.of(best, halves, lambda half: None) is None


def test_too_few_rows_for_halves_are_refused():
    with pytest.raises(ValueError, match="blocks of 10 rows, and there are 3. Bring more rows, or leave ensemble out"):
        discover.ode(TS[:30], np.exp(-TS[:30]), ensemble=2, progress=False)
