"""The page of a search: complete in itself, harmless whatever headers say, and what the command line writes of it."""

import html.parser
import re
import shutil
import subprocess
from xml.etree import ElementTree

import numpy as np
import pytest

from nalu_jax import cli, discover, plot

HOSTILE = "<script>alert(1)</script>"
TARGET = "p --> <img src=//a.org/x> & 'b' \x1b[31m $x$"
X = np.random.default_rng(0).uniform(0.5, 2.0, (40, 2))
Y = 3 * X[:, 0] / X[:, 1] ** 2
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Tags(html.parser.HTMLParser):
    """The tags of a page, its addresses, and whether tags close in order."""

    VOID = ("meta", "br", "img", "!doctype")

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.open, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href", "action", "data")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def found():
    return discover.table(X, Y, names=["m", HOSTILE], target=TARGET, functions=(), nested=False, terms=2)


@pytest.fixture
def page(found, tmp_path):
    path = tmp_path / "law.html"
    plot.report(found, path, X, Y, trained=np.arange(40) < 30, command=f"nalu-jax fit {HOSTILE}.csv")
    return path


def test_the_page_is_complete_in_itself(page, found):
    text = page.read_text()
    tags = Tags(text)
    assert not tags.open and tags.tags.count("svg") == 3 + (len(found.front) > 1)
    assert not {"script", "img", "iframe", "link", "object", "form"} & set(tags.tags)
    assert all(address.startswith("#") for address in tags.addresses)
    assert not re.search(r"url\((?!#)", text) and "default-src 'none'" in text


def test_text_of_headers_is_shown_and_nothing_else(page):
    tags = Tags(page.read_text())
    assert HOSTILE in tags.text and "p --> <img src=//a.org/x> & 'b'" in tags.text
    assert "\x1b" not in page.read_text()


def test_it_has_verdict_formula_numbers_and_versions(page, found):
    text = page.read_text()
    tags = Tags(text)
    for shown in (found.verdict, found.reason, found.best.with_errors, "nalu_jax 0", "Made again by", "stands for"):
        assert shown in tags.text
    formula = re.search(r"<math.*?</math>", text, re.DOTALL)
    assert formula is not None
    written = "".join(ElementTree.fromstring(formula[0]).itertext())
    assert written.endswith("=3\u00b7mscript_alert_1_script2")  # 3 m over the square of the other


def test_without_data_it_has_the_front_alone(found, tmp_path):
    plot.report(found, tmp_path / "a.html")
    assert Tags((tmp_path / "a.html").read_text()).tags.count("svg") == (len(found.front) > 1)


def test_one_input_has_its_curve(tmp_path):
    line = np.linspace(1.0, 2.0, 20)[:, None]
    one = discover.table(line, line[:, 0] ** 2, names=["t"], target="h", functions=(), nested=False, terms=1)
    plot.report(one, tmp_path / "a.html", line, line[:, 0] ** 2)
    assert "The formula and the measurements." in (tmp_path / "a.html").read_text()


def test_what_does_not_fit_together(found, tmp_path):
    for x, y, trained, words in (
        (X, None, None, "x and y go together"),
        (X[:3], Y, None, "x has 3 rows and y 40"),
        (X, Y, np.ones(3, bool), "trained has 3 values"),
    ):
        with pytest.raises(ValueError, match=words):
            plot.report(found, tmp_path / "a.html", x, y, trained=trained)
    assert not (tmp_path / "a.html").exists()


def test_the_command_line_writes_it(tmp_path, capsys):
    table, path = tmp_path / "data.csv", tmp_path / "law.html"
    rows = "".join(f"{a!r},{b!r},{c!r}\n" for (a, b), c in zip(X.tolist(), Y.tolist(), strict=True))
    table.write_text(f"m,r,f\n{rows}")
    options = ["--functions", "none", "--no-nested", "--terms", "1"]
    assert cli.main(["fit", str(table), "--target", "f", *options, "--report", str(path)]) == 0
    assert "red ones were held back" in path.read_text() and "--target f --functions none" in path.read_text()
    capsys.readouterr()
    for wrong, words in (
        (tmp_path, "is a folder"),
        (tmp_path / "law.pdf", "must end in .html"),
        (tmp_path / "none" / "a.html", "no folder"),
    ):
        assert cli.main(["fit", str(table), "--target", "f", "--report", str(wrong)]) == 2
        message = capsys.readouterr().err
        assert words in message and message.count("\n") == 1


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_browser_shows_it(page, tmp_path):
    command = [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=400,800"]
    picture = tmp_path / "law.png"
    subprocess.run([*command, f"--screenshot={picture}", page.as_uri()], check=True, capture_output=True, timeout=120)
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    dumped = subprocess.run([*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120).stdout
    assert "<script" not in dumped and "<mfrac>" in dumped


def test_quiet_shows_no_progress(tmp_path, capsys, monkeypatch):
    table = tmp_path / "data.csv"
    table.write_text("t,h\n" + "".join(f"{t},{t * t}\n" for t in range(1, 16)))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    options = ["fit", str(table), "--target", "h", "--functions", "none", "--no-nested", "--terms", "1"]
    assert cli.main(options) == 0
    assert capsys.readouterr().err
    assert cli.main([*options, "--quiet"]) == 0
    assert not capsys.readouterr().err


def test_a_page_of_trajectories_has_equations_numbers_and_what_was_typed(tmp_path, capsys):
    table, path, ts = tmp_path / "decay.csv", tmp_path / "law.html", np.linspace(0.0, 2.0, 21)
    table.write_text("t,m\n" + "".join(f"{t!r},{np.exp(-1.5 * t).item()!r}\n" for t in ts.tolist()))
    options = ["ode", str(table), "--time", "t", "--functions", "none", "--no-nested", "--quiet"]
    assert cli.main([*options, "--report", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err
    assert cli.main([*options, "--report", str(path)]) == 0
    text = path.read_text()
    tags = Tags(text)
    assert not tags.open and "solved from the first of them" in text and "--time t --functions none" in text
    assert "dm/dt, coefficient" in tags.text and "<mfrac><mrow><mi>d</mi><mi>m</mi></mrow>" in text


def test_rivals_are_in_the_order_of_their_evidence_and_longer_ones_far_behind_are_left_out():
    from nalu_jax.plot import _found

    line = np.linspace(1.0, 3.0, 30)
    noisy = 2 * line * (1 + 0.05 * np.random.default_rng(0).normal(size=30))
    one = discover.table(line[:, None], noisy, names=["t"], target="h", functions=(), nested=False, terms=2)
    shown = _found.weighed(one)
    assert any(each.with_errors == one.best.with_errors for each in shown)
    assert [each.complexity for each in shown] == sorted(each.complexity for each in shown)
    assert all(each.complexity <= one.best.complexity or _found.behind(one, each) < _found.SPENT for each in shown)
    assert _found.behind(one, one.best) == 0 and _found.behind(one, one.candidates[-1]) > 0


@pytest.mark.slow
def test_a_driven_system_is_drawn_with_its_inputs(tmp_path):
    ts = np.linspace(0.0, 6.0, 61)
    force = np.sin(2 * ts)
    ys = (2 * force - 4 * np.cos(2 * ts) + 9 * np.exp(-ts)) / 5  # dy/dt = 2 f - y from y(0) = 1
    options = {"functions": (), "nested": False, "progress": False}
    driven = discover.ode(ts, ys, names=["y"], inputs=(("f",), force), **options)
    plot.report(driven, tmp_path / "a.html", ts, ys, inputs=force)
    assert "solved from the first of them" in (tmp_path / "a.html").read_text()
    for inputs, words in ((None, "has the inputs 'f'"), ([force, force], "inputs of 2 trajectories, expected 1")):
        with pytest.raises(ValueError, match=words):
            plot.trajectories(driven, ts, ys, inputs=inputs)
