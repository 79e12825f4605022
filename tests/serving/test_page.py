"""The page in a real headless Chromium with a fake microphone; skipped where there is none (Debian: chromium)."""

from __future__ import annotations

import shutil
import time

import pytest
from tests_model import RATE

from asr.audio.reading import encode_audio

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1000,900",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]


@pytest.fixture
def file(tmp_path, recording):
    path = tmp_path / "sound.wav"
    path.write_bytes(recording)
    return path


@pytest.fixture
def browser(tmp_path, wave):
    webdriver = pytest.importorskip("selenium.webdriver")
    driver = shutil.which("chromedriver")
    if driver is None:
        pytest.skip("ChromeDriver is not installed")
    microphone = tmp_path / "microphone.wav"
    microphone.write_bytes(encode_audio(wave, RATE, "WAV"))
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--use-file-for-fake-audio-capture={microphone}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    session = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield session
    session.quit()


def wait(browser, condition, seconds=60):
    """Until a JavaScript expression is true."""
    end = time.monotonic() + seconds
    while not browser.execute_script(f"return {condition}"):
        assert time.monotonic() < end, browser.find_element("id", "status").text
        time.sleep(0.1)


def test_a_file_becomes_words_that_can_be_heard_and_saved(browser, serving, file, recognizer, wave):
    browser.get(f"http://{serving[1]}/")
    wait(browser, "document.getElementById('model').options.length == 1")
    browser.find_element("id", "file").send_keys(str(file))
    wait(browser, "document.querySelectorAll('.word').length > 0")
    words = [word.text for word in browser.find_elements("css selector", ".word")]
    assert " ".join(words) == recognizer.transcribe(wave).text
    assert not browser.find_element("id", "player").get_property("hidden")
    wait(browser, "!document.getElementById('wave').hidden")
    browser.find_element("css selector", ".word").click()
    assert all(button.is_enabled() for button in browser.find_elements("css selector", "#saves button"))
    srt = browser.execute_script("return FORMS.srt()")
    assert srt.startswith("1\n00:00:0") and words[0] in srt
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_speaking_shows_text_and_ends_with_something_to_hear(browser, serving):
    browser.get(f"http://{serving[1]}/")
    wait(browser, "document.getElementById('model').options.length == 1")
    button = browser.find_element("id", "speak")
    button.click()
    wait(browser, "document.getElementById('text').textContent.length > 0")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    wait(browser, "!document.getElementById('player').hidden")
    assert button.get_attribute("aria-pressed") == "false"
