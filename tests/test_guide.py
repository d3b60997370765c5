"""The site of the guide: built, complete, without a request to another host, and what a browser makes of it."""

import contextlib
import functools
import http.server
import importlib
import importlib.util
import io
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time
import zlib

import jax
import jax.numpy as jnp
import pytest

from nalu_jax import UNITS, cli, nau

NOTEBOOKS = pathlib.Path(__file__).parent.parent / "notebooks"
GUIDE = NOTEBOOKS / "guide"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

needs_docs = pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("latex2mathml") is None,
    reason='the site needs the extra: pip install "nalu_jax[docs]"',
)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


def hooks(name):
    """A module of the folder of notebooks."""
    sys.path.insert(0, str(NOTEBOOKS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(NOTEBOOKS))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site: strict, so that a broken link, an unknown name or a foreign address fails here."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(NOTEBOOKS / "mkdocs.yml"), "-d", folder]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-3000:]
    return folder


def test_every_option_of_the_command_line_is_explained():
    page = (GUIDE / "command_line.md").read_text()
    explained = set(re.findall(r"--[a-z-]+", page))
    for command in ("fit", "ode", "demo"):
        with pytest.raises(SystemExit), contextlib.redirect_stdout(io.StringIO()) as printed:
            cli.main([command, "--help"])
        options = set(re.findall(r"--[a-z-]+", printed.getvalue()))
        assert len(options) > 1 and options - {"--help"} <= explained, options - explained


EXPLAINED = re.findall(r"^\| `(.*?)` \|", (GUIDE / "errors.md").read_text(), re.MULTILINE)
MESSAGES = [re.escape(text).replace(r"\.\.\.", ".*") for text in EXPLAINED]
W = {"w": jnp.ones((3, 2))}
CALLS = [
    lambda: nau.apply(W, jnp.ones((5, 4))),
    lambda: nau.apply(W, jnp.ones((5, 3), jnp.bfloat16)),
    lambda: nau.apply(W, jnp.ones((5, 3), int)),
    lambda: nau.init(jax.random.key(0), (3, 2), int),
    lambda: nau.apply({}, jnp.ones((5, 3))),
]


def test_the_messages_explained_are_those_that_are_raised():
    said = []
    for call in CALLS:
        with pytest.raises((ValueError, TypeError)) as error:
            call()
        said.append(str(error.value))
    for pattern, text in zip(MESSAGES[: len(CALLS)], said, strict=True):
        assert re.search(pattern, text, re.DOTALL), (pattern, text)


def test_words_are_in_the_glossary():
    links = set()
    for path in [*GUIDE.glob("*.md"), *NOTEBOOKS.glob("*.py")]:
        links |= set(re.findall(r"glossary\.md#([\w-]+)", path.read_text()))
    words = [
        line.removeprefix("### ") for line in (GUIDE / "glossary.md").read_text().splitlines() if line[:4] == "### "
    ]
    assert links <= {re.sub(r"[^\w -]", "", word).lower().replace(" ", "-") for word in words}


def test_docstrings_become_markdown():
    pytest.importorskip("griffe")
    text = hooks("site_docstrings").as_markdown(
        "One line.\n\nParams:\n    w  (n_in, n_out)\n\nExample:\n    >>> 1 + 1\n    2\n"
    )
    assert "**Params**\n\n    w  (n_in, n_out)\n" in text
    assert text.endswith("Example:\n    ```pycon\n    >>> 1 + 1\n    2\n    ```\n")
    several = hooks("site_docstrings").as_markdown("Two.\n\nArgs:\n    true, predicted: (n,).\n    log: axes.\n")
    assert "    true: see `predicted`.\n    predicted: (n,).\n    log: axes.\n" in several


def test_the_drawn_figures_are_there_and_can_be_drawn_again():
    drawn = hooks("draw_figures").units()
    assert [ax.get_title() for ax in drawn.axes] == ["NAU: adds", "NMU: multiplies", "NPU: raises to powers"]
    linked = set(re.findall(r"figures/(\w+\.svg)", (NOTEBOOKS.parent / "README.md").read_text()))
    for page in GUIDE.glob("*.md"):
        linked |= set(re.findall(r"figures/(\w+\.svg)", page.read_text()))
    assert linked == {path.name for path in (GUIDE / "figures").iterdir()}


@needs_docs
def test_a_missing_name_and_a_foreign_address_are_seen(tmp_path, monkeypatch):
    module = hooks("site_hooks")
    (tmp_path / "page.html").write_text(
        '<a href="https://a.org">click</a><img src="https://b.org/x.png"><script src="//c.org/y.js"></script>'
        '<link rel="stylesheet" href="https://d.org/z.css"><script src="../own.js"></script>'
    )
    (tmp_path / "own.css").write_text("body { background: url(https://e.org/f.png) }")
    assert {address.split("/")[2] for _, address in module.foreign(tmp_path)} == {"b.org", "c.org", "d.org", "e.org"}
    (tmp_path / "objects.inv").write_bytes(b"1\n2\n3\n4\n" + zlib.compress(b"nalu_jax.chain py:function 1 a.html -\n"))
    missing = module.undocumented(tmp_path)
    assert "nalu_jax.Unit" in missing and "nalu_jax.chain" not in missing and "nalu_jax.training.fit" in missing


@pytest.mark.slow
@needs_docs
def test_the_site_has_formulas_figures_and_every_unit(site):
    notebook = (site / "notebooks" / "01_units.html").read_text()
    assert notebook.count("<img") >= 3 and "%matplotlib" not in notebook
    assert all((site / "api" / f"{name}.html").exists() for name in UNITS)
    formulas = (site / "notebooks" / "02_flax_stack.html").read_text()
    assert "<math" in formulas and "arithmatex" not in formulas


SEARCH = """<!doctype html><iframe src="/index.html?q=npu" width="1280" height="900"></iframe><pre></pre><script>
(async () => {
  const results = () => document.querySelector("iframe").contentDocument?.querySelector(".md-search-result__list");
  for (let i = 0; i < 40 && !results()?.children.length; i++) await fetch("/wait" + i);
  document.querySelector("pre").textContent = results().textContent;
})();</script>"""


PHONE = """<!doctype html>FRAMES<pre></pre><script>
onload = () => {
  const wide = frame => frame.contentDocument.documentElement.scrollWidth > frame.clientWidth;
  const pages = [...document.querySelectorAll("iframe")].filter(wide).map(frame => frame.getAttribute("src"));
  document.querySelector("pre").textContent = "too wide: " + pages.join();
};</script>"""
ON_A_PHONE = "index units choose command_line benchmarks/index notebooks/06_fractional_sir api/ode contributing".split()
FRAMES = "".join(f'<iframe src="{page}.html" width="390" height="800"></iframe>' for page in ON_A_PHONE)
MADE = {"/search.html": SEARCH, "/phone.html": PHONE.replace("FRAMES", FRAMES)}


class Handler(http.server.SimpleHTTPRequestHandler):
    """The site, pages that look at it, and answers that take a while: Chromium's clock stands still meanwhile."""

    def do_GET(self):
        if self.path not in MADE and not self.path.startswith("/wait"):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        if self.path in MADE:
            self.wfile.write(MADE[self.path].encode())
        else:
            time.sleep(0.5)

    def log_message(self, format, *args):
        """Say nothing."""


@contextlib.contextmanager
def served(folder):
    """An address on this machine under which a folder is read."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def rendered(address, *options):
    """The page as Chromium has it once it is loaded."""
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"]
    command += ["--dump-dom", *options, address]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.slow
@needs_docs
@needs_chromium
def test_a_browser_finds_npu_and_asks_no_other_host(site, tmp_path):
    """The log of the network has a URL for whatever was asked for, by the pages or by the browser for itself."""
    log = tmp_path / "log.json"
    with served(site) as address:
        page = rendered(f"{address}/search.html", "--virtual-time-budget=30000", f"--log-net-log={log}")
    assert "NPU, the neural power unit" in page.split("<pre>")[1].split("</pre>")[0]
    asked = re.findall(r'"initiator":"http://127.0.0.1:\d+".*?"url":"(?:https?|wss?)://([^/:"]+)', log.read_text())
    assert set(asked) <= {"127.0.0.1"} and "127.0.0.1" in re.findall(r'"url":"http://([^/:"]+)', log.read_text())


@pytest.mark.slow
@needs_docs
@needs_chromium
def test_no_page_scrolls_sideways_on_a_phone_and_dark_is_dark(site):
    with served(site) as address:
        assert rendered(f"{address}/phone.html").split("<pre>")[1].split("</pre>")[0] == "too wide: "
        schemes = [
            re.findall(r'<body[^>]*data-md-color-scheme="(\w+)"', rendered(f"{address}/units.html", *options))
            for options in ([], ["--force-dark-mode"])
        ]
    assert schemes == [["default"], ["slate"]]
