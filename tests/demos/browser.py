"""A real browser without a window, driven over the WebDriver protocol: JSON over HTTP, by the standard library."""
import base64
import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time
from unittest import SkipTest

PATIENCE = 10.0
STARTING = 60.0  # seconds that a browser may need to come up, on a busy machine
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the name that the protocol gives to a reference
KEYS = {"Escape": "\ue00c", "PageUp": "\ue00e", "PageDown": "\ue00f", "End": "\ue010", "Home": "\ue011",
        "ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015", "Tab": "\ue004",
        "Enter": "\ue007"}
SWITCHES = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync")


def programs():
    """The browser and its driver; SkipTest with the reason where they are not to be used."""
    if os.environ.get("CI"):
        raise SkipTest("a browser is not driven where CI is set")
    found = [next(filter(None, map(shutil.which, names)), None)
             for names in (("chromium", "chromium-browser", "google-chrome"), ("chromedriver",))]
    if None in found:
        raise SkipTest("there is no chromium with its chromedriver on this machine")
    return found


class Failed(AssertionError):
    """The browser says no."""


class Browser:
    """One browser with a fresh profile, from the first command to close()."""

    def __init__(self, width=1024, height=768):
        chromium, driver = programs()
        self._profile = tempfile.TemporaryDirectory(prefix="browser-")
        self._driver = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._session = None
        try:
            self._port = self._read_port()
            options = {"binary": chromium, "args": [*SWITCHES, f"--user-data-dir={self._profile.name}",
                                                    f"--window-size={width},{height}"]}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}}, STARTING)
            self._session = made["sessionId"]
            self.resize(width, height)
        except BaseException:
            self.close()
            raise

    def _read_port(self):
        for line in self._driver.stdout:
            if b"successfully on port" in line:
                return int(line.rstrip(b".\n").rpartition(b" ")[2])
        raise Failed("the driver did not start")

    def close(self):
        """End the browser and its driver, and remove the profile."""
        if self._session:
            self._command("DELETE", "")
        self._driver.terminate()
        self._driver.communicate(timeout=PATIENCE)
        self._profile.cleanup()

    # -- the protocol

    def _ask(self, method, path, what=None, patience=PATIENCE):
        # A connection for each command: none is left open between two tests.
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=patience)
        try:
            body = None if method in ("GET", "DELETE") else json.dumps(what or {})
            connection.request(method, path, body, {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise Failed(f"{value['error']}: {value['message'].splitlines()[0]}")
        return value

    def _command(self, method, path, **what):
        return self._ask(method, f"/session/{self._session}{path}", what)

    # -- what a test does with it

    def resize(self, width, height):
        """Make the page itself that large."""
        self._command("POST", "/goog/cdp/execute", cmd="Emulation.setDeviceMetricsOverride", params={
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def prefer(self, **features):
        """Pretend that the user prefers it so: prefer(prefers_color_scheme="dark")."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self._command("POST", "/goog/cdp/execute", cmd="Emulation.setEmulatedMedia", params={"features": named})

    def open(self, url):
        """Load the page."""
        self._command("POST", "/url", url=url)

    def tab(self):
        """A new tab, which is the one that is driven from now on; its handle, for `switch`."""
        handle = self._command("POST", "/window/new", type="tab")["handle"]
        self.switch(handle)
        return handle

    @property
    def handle(self):
        """Of the tab that is driven."""
        return self._command("GET", "/window")

    def switch(self, handle):
        """Drive that tab."""
        self._command("POST", "/window", handle=handle)

    def close_tab(self, then):
        """Close the tab that is driven, and drive `then`."""
        self._command("DELETE", "/window")
        self.switch(then)

    def run(self, script, *arguments):
        """What a function of that body returns in the page."""
        return self._command("POST", "/execute/sync", script=script, args=list(arguments))

    def text(self, css):
        """What the element says; None where there is none."""
        return self.run("const node = document.querySelector(arguments[0]); return node && node.textContent", css)

    def until(self, condition, *arguments, patience=PATIENCE):
        """Wait until the expression is true in the page; its value."""
        end = time.monotonic() + patience
        while True:
            value = self.run(f"return {condition}", *arguments)
            if value:
                return value
            if time.monotonic() > end:
                raise Failed(f"never true in {patience:.0f} s: {condition} {arguments}")
            time.sleep(0.02)

    def until_text(self, css, part, **kwargs):
        """Wait until the element says that, among other things."""
        says = "(document.querySelector(arguments[0]) || {textContent: ''}).textContent.includes(arguments[1])"
        return self.until(says, css, part, **kwargs)

    def _element(self, css):
        return self._command("POST", "/element", using="css selector", value=css)[ELEMENT]

    def click(self, css):
        """As with the mouse: it must be there, visible, and not covered."""
        self._command("POST", f"/element/{self._element(css)}/click")

    def choose_file(self, css, path):
        """Give the file input a file."""
        self._command("POST", f"/element/{self._element(css)}/value", text=str(path))

    def keys(self, *names):
        """Press and release each: a character, or a name out of KEYS."""
        pressed = [KEYS.get(name, name) for name in names]
        actions = [{"type": kind, "value": key} for key in pressed for kind in ("keyDown", "keyUp")]
        self._command("POST", "/actions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def screenshot(self, path):
        """A PNG of what is seen."""
        with open(path, "wb") as file:
            file.write(base64.b64decode(self._command("GET", "/screenshot")))

    def complaints(self):
        """What the console got since the last call, of warnings and errors."""
        lines = self._command("POST", "/se/log", type="browser")
        return [line["message"] for line in lines if line["level"] in ("WARNING", "SEVERE")]
