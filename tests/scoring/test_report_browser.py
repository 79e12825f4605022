"""The HTML report in a real headless Chromium; skipped where there is none (Debian: apt-get install chromium).

Clicks and typing need Selenium and ChromeDriver beside it (`pip install selenium`, apt-get install chromium-driver);
without them the page is still loaded and its script runs.
"""

import json
import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asr.scoring.evaluate import Evaluation, Options, evaluate
from asr.scoring.report.html import write_html

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1200,1000",
]  # fmt: skip
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]


def test_the_script_runs_and_draws_the_utterances(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_html(evaluation, path, 1.0)
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()]
    page = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert re.search(r"<html[^>]*data-ready=\"\d+\"", page)
    assert page.count("<article ") == 5
    assert page.count("<audio ") == 5
    assert "5 utterances, page 1 of 1" in page


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    driver = shutil.which("chromedriver")
    if driver is None:
        pytest.skip("ChromeDriver is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    session = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield session
    session.quit()


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A report of 10,000 utterances and two systems."""
    folder, draw = tmp_path, random.Random(1)
    words = [f"word{n}" for n in range(300)]
    refs = [[draw.choice(words) for _ in range(draw.randint(1, 20))] for _ in range(10_000)]
    for name, rate in (("ref", 0.0), ("a", 0.1), ("b", 0.12)):
        lines = [
            f"{' '.join(draw.choice(words) if draw.random() < rate else word for word in ref)} (s{n % 40}-{n:05d})\n"
            for n, ref in enumerate(refs)
        ]
        (folder / f"{name}.trn").write_text("".join(lines))
    options = Options(speaker_from_id=True, resamples=100)
    write_html(evaluate(folder / "ref.trn", [folder / "a.trn", folder / "b.trn"], options), folder / "report.html")
    return folder / "report.html"


def test_ten_thousand_utterances_can_be_searched_sorted_and_paged(browser: Any, many: Path) -> None:
    browser.get_log("performance")
    browser.get(many.as_uri())

    def found() -> str:
        time.sleep(0.4)
        return str(browser.find_element("id", "count").text)

    assert found() == "10000 utterances, page 1 of 200"
    search = browser.find_element("id", "search")
    search.send_keys("s7-00007")
    assert found() == "1 utterances, page 1 of 1"
    search.clear()
    search.send_keys("no such words")
    assert found() == "0 utterances, page 1 of 1"
    button = browser.find_element("css selector", "button.word[data-kind=sub]")
    times = int(button.find_element("xpath", "../../td[2]").text)
    button.click()
    assert 0 < int(found().split()[0]) <= times
    browser.find_element("id", "pair").click()
    browser.find_element("id", "next").click()
    assert found() == "10000 utterances, page 2 of 200"
    browser.find_element("css selector", "#order option[value=errors]").click()
    first = browser.find_element("css selector", "article header").text
    most = sum(int(count) for count in re.findall(r"(\d+) / (\d+) errors", first)[0])
    assert most > 6
    browser.find_element("id", "next").click()
    disc = browser.find_element("css selector", ".disc[data-a='0'][data-b='0']")
    count = int(re.match(r"\d+", disc.find_element("tag name", "title").get_attribute("textContent"))[0])
    browser.execute_script("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", disc)
    assert found().startswith(f"{count} utterances, page 1 of")
    assert browser.get_log("browser") == []
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {event["params"]["request"]["url"] for event in sent if event["method"] == "Network.requestWillBeSent"}
    assert {address for address in asked if not address.startswith(("chrome", "data:"))} == {many.as_uri()}


def test_right_to_left_texts_and_words_that_play(browser: Any, evaluation: Evaluation, tmp_path: Path) -> None:
    write_html(evaluation, tmp_path / "report.html", 1.0)
    browser.get((tmp_path / "report.html").as_uri())
    words = browser.find_elements("css selector", ".playable")
    assert words
    browser.execute_script(
        "document.querySelector('audio').play = function () { this.dataset.played = this.currentTime; }"
    )
    words[0].click()
    assert browser.find_element("tag name", "audio").get_attribute("data-played") is not None
    (tmp_path / "r.trn").write_text("مرحبا بالعالم (u1)\n")
    (tmp_path / "h.trn").write_text("مرحبا العالم (u1)\n")
    write_html(evaluate(tmp_path / "r.trn", [tmp_path / "h.trn"], Options(resamples=100)), tmp_path / "rtl.html")
    browser.get((tmp_path / "rtl.html").as_uri())
    line = browser.find_element("css selector", ".alignment")
    assert line.value_of_css_property("direction") == "rtl"
