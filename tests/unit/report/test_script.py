"""The script of a report, in a browser: what a pointer shows is reached by keys."""

import json
import re
import shutil
import subprocess
from html import unescape

import pytest

from otseg.report import make_report, read_experiment

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="neither Chromium nor Chrome is installed")
QUIET = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
#: Presses keys, and notes after each what the tip and a screen reader say.
PRESS = """
<script>
const said = [], rows = document.querySelector(".rows");
const note = (key) => said.push([key, rows.getAttribute("aria-valuenow"), tip.hidden ? "" : tip.textContent,
                                 rows.getAttribute("aria-valuetext")]);
rows.focus();
note("focus");
for (const key of ["ArrowRight", "ArrowLeft", "End", "ArrowRight", "Home", "Shift+ArrowRight", "x", "Escape"]) {
  const shiftKey = key.startsWith("Shift+");
  rows.dispatchEvent(new KeyboardEvent("keydown", { key: key.split("+").pop(), shiftKey, bubbles: true }));
  note(key);
}
const entry = document.querySelector(".legend li");
entry.focus();
note("legend");
said.push(document.querySelectorAll(".ribbons.focus path.focused").length);
document.body.innerHTML = `<pre id="said"></pre>`;
document.getElementById("said").textContent = JSON.stringify(said);
</script>
"""


def test_keys_show_what_a_pointer_shows(trained, tmp_path):
    file = tmp_path / "report.html"
    html = make_report(read_experiment(trained)).html
    file.write_text(html.replace("</body>", f"{PRESS}</body>"), encoding="utf-8")
    command = [BROWSER, *QUIET.split(), f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    *said, focused = json.loads(unescape(re.search(r'<pre id="said">(.*?)</pre>', done.stdout, re.DOTALL)[1]))
    frames = {key: int(now) for key, now, _, _ in said}
    found = re.search(r'data-frames="(\d+)"', html)
    last = int(found[1]) - 1
    strokes = html[found.start() : html.index("</article>", found.start())]
    starts = {int(start) for start in re.findall(r"M(\d+) 0h", strokes)}
    assert frames["focus"] == frames["ArrowLeft"] == frames["Home"] == 0
    assert said[1][:2] == ["ArrowRight", str(min(starts - {0}))]
    assert said[4][:2] == ["ArrowRight", str(last)]  # from the end it goes no further
    assert frames["End"] == last
    assert frames["Shift+ArrowRight"] == frames["x"] == 1
    for _, now, tip, text in said[:-2]:
        assert f": frame {now} of {last + 1}\ntrue: " in tip
        assert tip == text
        assert len(tip.splitlines()) == 4  # the video, the truth and two seeds
    assert [tip for _, _, tip, _ in said[-2:]] == ["", ""]  # Escape, and another place
    assert focused > 0
