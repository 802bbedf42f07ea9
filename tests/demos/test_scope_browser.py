"""The page in a real browser.  SCOPE_SECONDS=60 lets the busy loop of the last test be busy for a minute."""
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.request

from tests.case import Case
from tests.demos.browser import Browser, programs
from tests.demos.running import PATIENCE, ROOT, connected

SECONDS = int(os.environ.get("SCOPE_SECONDS", "3"))
SOON = 0.2  # seconds in which a click is answered
HELD = 0.3  # seconds after which nothing is taken to come any more
ROW = "#connections .row"
# Of each text that is seen: by how much it stands out from what is behind it, where that is not enough.
FAINT = """
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = colour => colour.map(part => part / 255).map(
        part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    ).reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
    const behind = node => {
        for (; node; node = node.parentElement) {
            const colour = numbers(getComputedStyle(node).backgroundColor);
            if (colour[3] !== 0) return colour.slice(0, 3);
        }
    };
    return [...document.querySelectorAll('body *')].map(node => {
        const style = getComputedStyle(node), back = behind(node), {opacity} = style;
        const front = numbers(style.color).slice(0, 3).map(
            (part, place) => part * opacity + back[place] * (1 - opacity));
        const [more, less] = [light(front), light(back)].sort((one, other) => other - one);
        return [node.textContent.trim(), (more + 0.05) / (less + 0.05), node];
    }).filter(([text, contrast, node]) => text && contrast < 4.5 && node.clientWidth > 1 && !node.disabled)
      .map(([text, contrast]) => [text.slice(0, 40), contrast])"""
TURN = "return Number(document.querySelector('#which').textContent.replace(/[^0-9]/g, ''))"


def setUpModule():
    """One browser for all tests."""
    global browser
    programs()
    browser = Browser()


def tearDownModule():
    browser.close()


class PageCase(Case):
    """A server with its page open in the browser, whose console must stay empty."""

    def setUp(self):
        super().setUp()
        command = [sys.executable, "-W", "error", "-m", "tests.demos.scope_server"]
        self.server = server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(self.end, server)
        port, self.url = server.stdout.readline().decode().split()
        self.port = int(port)
        self.addCleanup(browser.open, "about:blank")
        self.addCleanup(lambda: self.assertEqual([], browser.complaints(), "the console of the page"))
        browser.open(self.url)
        browser.until("document.body.dataset.mode === 'running'")

    def end(self, server):
        server.terminate()
        said, _ = server.communicate(timeout=PATIENCE)
        self.assertEqual((0, ""), (server.returncode, said.decode()))

    def client(self, line=b""):
        """A client whose first line was answered, and is seen on the page."""
        sock = connected(self.port)
        self.addCleanup(sock.close)
        if line:
            self.assertEqual(line, self.answer(sock, line))
            browser.until_text("#words", line.decode().strip())
        return sock

    def answer(self, sock, line):
        sock.sendall(line)
        return sock.recv(100)

    def assert_held(self, sock):
        """No answer comes."""
        sock.settimeout(HELD)
        with self.assertRaises(TimeoutError if sys.version_info >= (3, 10) else OSError):
            sock.recv(100)
        sock.settimeout(PATIENCE)

    def until_mode(self, mode):
        browser.until("document.body.dataset.mode === arguments[0]", mode)


class TestSeeing(PageCase):

    def test_it_loads_and_says_how_to_connect(self):
        browser.until_text("#nobody", f"python3 -m demos.talk 127.0.0.1 {self.port}")
        self.assertEqual("echo", browser.run("return document.title"))

    def test_everything_that_can_be_pressed_has_a_name(self):
        self.client(b"hello\n")
        nameless = browser.run("""
            return [...document.querySelectorAll('button, select, a, input:not([type=file])')]
                .filter(node => !(node.textContent.trim() || node.getAttribute('aria-label')))
                .map(node => node.outerHTML)""")
        self.assertEqual([], nameless)

    def test_a_clients_line_appears_in_the_words_and_its_connection_in_a_row(self):
        self.client(b"hello there\n")
        self.assertIn("recv: 12 bytes 'hello there\\n'", browser.text("#sentences"))
        browser.until_text(ROW, "in 12 B · out 12 B")
        browser.until_text("#done", "read, wrote")
        browser.until_text("#ready", "▼ read")

    def test_every_text_stands_out_light_and_dark(self):
        self.client(b"hello\n")
        for _ in range(2):
            for key in ("e", "?"):
                browser.keys(key)
                self.assertEqual([], browser.run(FAINT), browser.run("return document.documentElement.dataset.theme"))
                browser.keys("Escape")
            browser.keys("t")

    def test_what_a_client_sends_is_text_and_nothing_else(self):
        payload = '<script>pwned=1</script><img src=x>"&'
        self.client(payload.encode())
        self.assertIn(payload, browser.text("#sentences"))
        self.assertEqual([0, "undefined"], browser.run("return [document.images.length, typeof pwned]"))

    def test_two_browsers_see_the_same(self):
        self.client(b"seen by both\n")
        first = browser.handle
        second = browser.tab()
        self.addCleanup(browser.close_tab, first)
        browser.open(self.url)
        browser.until_text("#words", "seen by both")
        browser.until_text("#page-sockets", "2 browsers")
        browser.click("#pause")
        self.until_mode("paused")
        seen = browser.text("#which"), browser.text("#sentences")
        browser.switch(first)
        self.until_mode("paused")
        self.assertEqual(seen, (browser.text("#which"), browser.text("#sentences")))
        browser.switch(second)

    def test_what_one_browser_shows_of_the_page_itself_all_of_them_show(self):
        first = browser.handle
        browser.tab()
        self.addCleanup(browser.close_tab, first)
        browser.open(self.url)
        browser.until("document.body.dataset.mode === 'running'")
        browser.keys("y")
        browser.until_text("#show", "Hide them")
        other = browser.handle
        browser.switch(first)
        browser.until_text("#own-list", "wake-up socket")
        browser.until_text("#show", "Hide them")
        browser.keys("y")
        browser.until_text("#show", "Show them")
        browser.switch(other)

    def test_a_screen_reader_is_told_turns_while_the_words_have_the_focus(self):
        sock = self.client(b"unheard\n")
        browser.keys("w")
        browser.run("page.silent = 0")
        self.answer(sock, b"heard\n")
        browser.until_text("#spoken", "heard")
        self.assertNotIn("unheard", browser.text("#spoken"))

    def test_a_program_that_has_ended_is_said_and_looked_for_ever_more_seldom(self):
        self.server.terminate()
        self.server.wait(PATIENCE)
        browser.until_text("#alarm", "does not answer")
        self.until_mode("gone")
        browser.keys("s", "ArrowLeft")
        browser.until_text("#said", "does not answer")
        browser.until("page.retry >= 2000")
        complaints = browser.complaints()  # the browser's own, one for each time
        self.assertLessEqual(len(complaints), 3, complaints)
        self.assertTrue(all("/events" in complaint for complaint in complaints), complaints)

    def test_a_callback_that_blocks_is_said_while_it_does_and_drawn_after_it(self):
        sock = self.client(b"hello\n")
        sock.sendall(b"block 2\n")
        browser.until_text("#alarm", "that is what blocking means")
        self.assertEqual("stuck", browser.run("return document.body.dataset.mode"))
        browser.until_text("#alarm", "It turns again")
        self.assertRegex(browser.text("#alarm"), r"#2 on_readable 2,0\d\d ms")
        self.assertIn("slow", browser.text("#done"))
        browser.until_text("#findings", "on_readable")


class TestControls(PageCase):

    def test_pause_holds_an_answer_back_and_a_step_releases_exactly_one_turn(self):
        sock = self.client(b"hello\n")
        browser.click("#pause")
        self.until_mode("paused")
        sock.sendall(b"one\n")
        self.assert_held(sock)
        turn = browser.run(TURN)
        browser.click("#step")
        self.assertEqual(b"one\n", sock.recv(100))
        browser.until_text("#words", "one")
        self.assertEqual(turn + 1, browser.run(TURN))
        sock.sendall(b"two\n")
        self.assert_held(sock)
        self.assertEqual(turn + 1, browser.run(TURN))
        browser.click("#pause")
        self.assertEqual(b"two\n", sock.recv(100))

    def test_a_reset_ends_the_connection_and_its_row(self):
        sock = self.client(b"hello\n")
        browser.click(f"{ROW} [aria-label^=reset]")
        with self.assertRaises(ConnectionResetError):
            sock.recv(100)
        browser.until(f"!document.querySelector('{ROW}')")

    def test_close_lets_the_client_read_the_end(self):
        sock = self.client(b"hello\n")
        browser.click(f"{ROW} [aria-label^=close]")
        self.assertEqual(b"", sock.recv(100))

    def test_a_connection_can_be_read_slowly(self):
        sock = self.client(b"hello\n")
        browser.run(f"const rate = document.querySelector('{ROW} select'); rate.value = '100';"
                    "rate.dispatchEvent(new Event('change'))")
        browser.until("live.state.throttled['#2'] === 100")
        sock.sendall(b"x" * 1000)
        browser.until_text(ROW, "wait")

    def test_what_is_refused_is_said(self):
        browser.run("control({do: 'close', who: '#99'})")
        browser.until_text("#said", "#99 is not there")
        self.assertIn("status of 400", "".join(browser.complaints()))

    def test_what_can_be_no_recording_is_not_sent(self):
        browser.run("open(new File([], 'nothing.rec'))")
        browser.until_text("#said", "nothing.rec is empty")
        browser.run("open({name: 'all.rec', size: 1e9})")
        browser.until_text("#said", "all.rec is too large")

    def test_a_recording_opens_and_scrubs_and_closes(self):
        sock = self.client(b"before\n")
        browser.click("#record")
        browser.until("live.state.recording")
        for line in (b"first\n", b"second\n"):
            self.answer(sock, line)
        browser.until_text("#words", "second")
        browser.click("#record")
        browser.until("!document.querySelector('#download').hidden")
        browser.choose_file("#file", self.downloaded())
        browser.until_text("#replay", "lecture.rec")
        browser.keys("Home")
        browser.until_text("#sentences", "first")
        browser.keys("ArrowRight")
        browser.until_text("#sentences", "second")
        browser.keys("ArrowLeft")
        browser.until_text("#sentences", "first")
        browser.click("#replay-close")
        browser.until("document.querySelector('#replay').hidden")
        browser.until_text("#sentences", "second")

    def downloaded(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "lecture.rec")
        link = browser.run("return document.querySelector('#download').href")
        with urllib.request.urlopen(link, timeout=PATIENCE) as answer, open(path, "wb") as file:
            file.write(answer.read())
        return path

    def test_the_timeline_shows_a_turn_that_is_over_until_one_comes_back_to_now(self):
        sock = self.client(b"early\n")
        self.answer(sock, b"late\n")
        browser.until_text("#sentences", "late")
        browser.keys("ArrowLeft")
        browser.until_text("#sentences", "early")
        self.answer(sock, b"later\n")
        browser.until("live.frame.words.some(word => word[1].includes('later'))")
        self.assertIn("early", browser.text("#sentences"))
        browser.click("#back")
        browser.until_text("#sentences", "later")


class TestExperiments(PageCase):

    def test_one_is_chosen_from_the_menu_tells_what_happens_and_is_ended(self):
        browser.keys("e")
        browser.until("document.querySelectorAll('#experiments li').length === 10")
        browser.run("page.silent = 0")
        browser.click("#experiments li:nth-child(2) button")
        browser.until_text("#experiment-title", "2. ")
        browser.until_text("#experiment-note", "hel")
        browser.until_text("#spoken", "hel")
        browser.click("#experiment-tabs [data-part=shows]")
        browser.until_text("#experiment-told", "stream")
        browser.keys("E")
        browser.until("document.querySelector('#experiment').hidden")
        browser.until("live.frame.connections.length === 1")

    def test_the_findings_of_earlier_ones_fold_up_and_a_command_has_its_line(self):
        browser.run("HEAR.finding({turn: 1, malady: 'slow', sentence: 'on_readable took 60 ms', missing: ''})")
        browser.keys("e")
        browser.click("#experiments li:nth-child(1) button")
        browser.until_text("#findings .old button", "slow, turn 1")
        self.assertEqual("python3 -m demos", browser.run("""
            live.state.experiment.note = 'Do it with\\npython3 -m demos\\nOver.';
            PAINT.experiment();
            return document.querySelector('#experiment-note .command').textContent"""))


class TestKeys(PageCase):

    def test_the_loop_is_paused_stepped_slowed_and_recorded_by_keys(self):
        for key, mode in ((" ", "paused"), (" ", "running"), ("s", "paused"), ("9", "slow"), (" ", "paused"),
                          (" ", "slow"), ("1", "running")):
            browser.keys(key)
            self.until_mode(mode)
        browser.keys("r")
        browser.until("live.state.recording")

    def test_panels_open_and_close_by_keys(self):
        for key, dialog in (("?", "help"), ("e", "experiments")):
            browser.keys(key)
            browser.until(f"document.querySelector('#{dialog}-dialog').open")
            browser.keys("Escape")
            browser.until(f"!document.querySelector('#{dialog}-dialog').open")
        browser.keys("y")
        browser.until_text("#own-list", "wake-up socket")
        theme = browser.run("return document.documentElement.dataset.theme")
        browser.keys("t")
        self.assertNotEqual(theme, browser.run("return document.documentElement.dataset.theme"))
        browser.keys("t")

    def test_a_connection_is_closed_by_keys_alone(self):
        sock = self.client(b"hello\n")
        browser.keys("j", "Tab", "Enter")
        self.assertEqual(b"", sock.recv(100))


class TestLoad(PageCase):

    def test_a_click_is_answered_soon_while_the_loop_is_busy(self):
        with contextlib.ExitStack() as stack:
            stop = threading.Event()
            clients = [threading.Thread(target=self.pound, args=(self.client(), stop)) for _ in range(3)]
            for client in clients:
                client.start()
                stack.callback(client.join)
            stack.callback(stop.set)
            browser.until("live.counters && live.counters.turns_per_second > 1000")
            spoken = self.spoken(1.5)
            times = [taken for _ in range(SECONDS) for taken in self.clicks(1)]
        self.assertLess(sorted(times)[len(times) // 2], SOON, times)
        self.assertLessEqual(spoken, 1, "how often a screen reader was given something to say")

    def pound(self, sock, stop):
        while not stop.is_set():
            self.answer(sock, b"ping\n")

    def spoken(self, seconds):
        """How often the words that are spoken change in that time."""
        return browser.run("""
            let spoken = 0;
            new MutationObserver(() => spoken++).observe(document.querySelector('#spoken'), {childList: true});
            return new Promise(done => setTimeout(() => done(spoken), 1000 * arguments[0]))""", seconds)

    def clicks(self, seconds):
        """The seconds from each of many clicks on `pause` and `go on` to what they change on the screen."""
        return browser.run("""
            const end = performance.now() + 1000 * arguments[0], times = [];
            const press = () => new Promise(done => {
                const start = performance.now(), mode = document.body.dataset.mode;
                new MutationObserver((changes, observer) => {
                    if (document.body.dataset.mode === mode) return;
                    observer.disconnect();
                    times.push((performance.now() - start) / 1000);
                    setTimeout(done, 150);
                }).observe(document.body, {attributes: true});
                document.querySelector('#pause').click();
            });
            const again = () => performance.now() > end ? times : press().then(press).then(again);
            return again()""", seconds)


if __name__ == "__main__":
    unittest.main()
