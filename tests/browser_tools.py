"""Chromium, driven over WebDriver."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brittlestar.report.chromium import FLAGS, chromium

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {"one": "1", "left": "\ue012", "right": "\ue014", "down": "\ue015", "escape": "\ue00c", "slash": "/"}


class Browser:
    """A few words of WebDriver over plain HTTP."""

    def __init__(self, port: int, profile: Path, chromium: str) -> None:
        self.base = f"http://127.0.0.1:{port}"
        options = {"binary": chromium, "args": [*FLAGS, "--no-sandbox", f"--user-data-dir={profile}"]}
        capabilities = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        made = self.send("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self.base += f"/session/{made['sessionId']}"

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = json.dumps(body or {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.base + path, data=data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=600) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()[:600]) from error

    def open(self, page: Path) -> None:
        self.send("POST", "/url", {"url": page.as_uri()})
        self.run("document.documentElement.style.scrollBehavior = 'auto'")  # where things are must not depend on time

    def run(self, script: str, *arguments: Any) -> Any:
        return self.send("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def until(self, script: str) -> Any:
        """Ask again and again until the answer is true, however busy the machine is; give the answer."""
        for _ in range(6000):
            answer = self.run(script)
            if answer:
                return answer
            time.sleep(0.05)  # between two questions: nothing is expected to have happened by then
        raise AssertionError(f"never true: {script}")

    def reload(self) -> None:
        """Load the page again, and wait until it is there."""
        self.run("window.before = true; location.reload()")
        self.until("return window.before === undefined && document.readyState === 'complete'")

    def find(self, selector: str) -> str:
        return str(self.send("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT])

    def click(self, selector: str) -> None:
        self.run(
            "document.querySelector(arguments[0]).scrollIntoView({block: 'center', behavior: 'instant'})", selector
        )
        self.send("POST", f"/element/{self.find(selector)}/click")

    def type(self, selector: str, text: str) -> None:
        self.send("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def press(self, *names: str) -> None:
        actions = [{"type": kind, "value": KEYS[n]} for n in names for kind in ("keyDown", "keyUp")]
        self.send("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def hover(self, selector: str, x: int = 0, y: int = 0) -> None:
        self.run(
            "document.querySelector(arguments[0]).scrollIntoView({block: 'center', behavior: 'instant'})", selector
        )
        origin = {ELEMENT: self.find(selector)}
        move = {"type": "pointerMove", "duration": 0, "x": x, "y": y, "origin": origin}
        pointer = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": [move]}
        self.send("POST", "/actions", {"actions": [pointer]})

    def size(self, width: int, height: int) -> None:
        """The page's own size, also below the smallest window."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)

    def devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        return self.send("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def errors(self) -> list[str]:
        entries = self.send("POST", "/se/log", {"type": "browser"})
        return [e["message"] for e in entries if e["level"] in ("SEVERE", "WARNING")]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if chromium() is None or shutil.which("chromedriver") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("the browser tests need chromium and chromedriver (apt-get install chromium chromium-driver)")
        pytest.skip("chromium and chromedriver are not installed")
    with browsing(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@contextlib.contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """A headless Chromium that keeps what it writes in a folder; it and its driver must be installed."""
    program, driver = chromium(), shutil.which("chromedriver")
    assert program is not None and driver is not None, "apt-get install chromium chromium-driver"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        told: list[str] = []
        for line in process.stdout:  # until it says where it listens, or has ended
            told.append(line)
            if port := re.search(r"started successfully on port (\d+)", line):
                break
        assert port, f"chromedriver did not start: {''.join(told)}"
        opened = Browser(int(port[1]), folder / "profile", program)
        yield opened
        opened.send("DELETE", "")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
