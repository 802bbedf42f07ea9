"""The picture: well-formed, bounded, and it shows what was recorded."""
import html.parser
import os
import random
import re
import unittest
import xml.etree.ElementTree as ElementTree
from collections import Counter

from demos.glassbox import columns, timeline
from demos.glassbox.archive import Archive
from demos.glassbox.columns import Columns
from demos.glassbox.doctor import Finding
from protocols.echo import Echo
from reactor.trace import Event

from .making import Recorded, long_echo, spinning

SVG = "{http://www.w3.org/2000/svg}"
VOID = {"meta", "br"}


class Balanced(html.parser.HTMLParser):
    """Fails where a tag is not closed."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], Counter(), []

    def handle_starttag(self, tag, attrs):
        self.seen[tag] += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen[tag] += 1

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open}"
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)


class Drawn(Recorded):

    def content(self, path):
        content = Columns()
        with open(path, "rb") as file:
            for turn in Archive(file).turns():
                content.add(turn)
        return content

    def of(self, events):
        return self.content(self.write("a.rec", events))

    def shapes(self, content):
        """How often each class of shape is there, the legend left out."""
        return Counter(element.get("class") for group in self.tree(content).iter(SVG + "g")
                       for element in group if group.find(SVG + "title") is not None)

    def tree(self, content):
        return ElementTree.fromstring(timeline.svg(content, "a title"))

    def titles(self, content):
        return "\n".join(title.text for title in self.tree(content).iter(SVG + "title"))


class ThePicture(Drawn):

    def test_each_thing_that_happened_has_its_shape(self):
        def work(reactor):
            ours, peer = self.pair(4096)
            reactor.adopt(Echo, ours)
            peer.setblocking(False)
            for step in range(60):
                try:
                    peer.send(b"x" * 6000) if step < 40 else peer.recv(5000)
                except BlockingIOError:
                    pass
                reactor.turn(0)
            for _ in range(5):
                reactor.call_later(0.5, int)
                reactor.turn()
            reactor.call_soon(self.clock.advance, 0.2)
            reactor.turn(0)
            peer.close()
            reactor.turn(0)
            reactor.turn(0)
        path = self.record(work)
        with open(path, encoding="ascii") as file:
            kinds = Counter(re.findall(r'"event":"([^"]+)"', file.read()))
        shapes = self.shapes(self.content(path))
        self.assertEqual(kinds["received"], shapes["read"])
        self.assertEqual(kinds["partly sent"], shapes["partly"])
        self.assertEqual(kinds["adopted"], shapes["begun"])
        self.assertEqual(kinds["closed"], shapes["closed"])
        self.assertEqual(1, shapes["slow"])
        self.assertGreaterEqual(shapes["asleep"], 4)
        names = Counter(element.get("class") for element in self.tree(self.content(path)).iter())
        for name in ("area", "high", "low", "life paused"):
            self.assertGreater(names[name], 1, name)  # one is the legend's

    def test_the_hover_titles_are_the_sentences(self):
        titles = self.titles(self.content(self.echo_of(b"<hello> & more\n")))
        self.assertIn("turn 1: #1 recv: 15 bytes '<hello> & more\\n'", titles)
        self.assertIn("turn 1: #1 send: the kernel took all 15 bytes", titles)

    def test_what_xml_cannot_hold_is_escaped(self):
        """The path of a Unix socket and the words of an exception may have any character."""
        evil = "evil\x1b[2J\x00\udcff"
        content = self.of([(0.0, 0, "accepted", {"who": "#1", "connection": "#2", "peer": evil, "fd": 5}),
                           (0.0, 0, "lost", {"who": "#2", "why": evil})])
        self.assertIn(r"ends at once: evil\x1b[2J\x00\udcff", self.titles(content))
        self.assertIn(r"evil\x1b[2J\x00\udcff", "".join(self.tree(content).itertext()))
        self.assertNotIn("\x1b", timeline.page(content, evil, []))

    def test_spinning_is_drawn_for_the_loop_and_for_who_spins(self):
        content = self.of([(0.0, 0, "adopted", {"who": "#5"}), *spinning(60)])
        # Turn 0 is none of them: somebody was adopted in it.
        self.assertEqual(2 * (59 - columns.AGAIN + 1), self.shapes(content)["spinning"])
        self.assertIn("spinning, #5 ready again", self.titles(content))

    def test_a_send_of_nothing_is_spinning_too(self):
        nothing = {"who": "#5", "offered": 0, "taken": 0, "left": 0, "head": ""}
        content = self.of([(0.0, 0, "adopted", {"who": "#5"}), *(
            told for event in spinning(60) for told in (event, (0.0, event[1], "sent", nothing))
            if told is event or event[2] == "ready")])
        self.assertEqual(2 * (59 - columns.AGAIN + 1), self.shapes(content)["spinning"])

    def test_blocked_and_the_depth_of_the_queue(self):
        content = self.of([
            (0.0, 0, "adopted", {"who": "#1"}),
            (0.1, 1, "blocked", {"who": "#1", "call": "send", "offered": 5642234}),
            (0.1, 1, "queued", {"who": "#1", "size": 5642234, "depth": 5642234}),
            (0.2, 2, "adopted", {"who": "#2"}),
            (0.3, 3, "sent", {"who": "#1", "offered": 5642234, "taken": 5642234, "left": 0, "head": "x"})])
        self.assertEqual(1, self.shapes(content)["blocked"])
        self.assertIn("queue at most 5,642,234 bytes", self.titles(content))
        self.assertIn("queue at most 5.6 MB", ElementTree.tostring(self.tree(content), "unicode"))
        self.assertEqual(5642234, content.columns[1].cells["#1"].last_depth)
        self.assertEqual(0, content.columns[3].cells["#1"].last_depth)

    def test_shapes_tell_apart_what_colours_do(self):
        """In black and white: no two glyphs of one place have the same outline."""
        outlines = [re.sub(r'class="\w+"', "", shape(0, 0, 4)) for _, shape, _, _ in timeline.GLYPHS]
        self.assertEqual(len(outlines), len(set(outlines)))

    def test_the_legend_names_every_shape(self):
        text = "".join(self.tree(self.of(long_echo(3))).itertext())
        for word in ("asleep", "reading", "writing", "EAGAIN", "callback over 50 ms", "spinning", "bytes queued",
                     "high-water mark", "low-water mark", "reading paused"):
            self.assertIn(word, text)

    def test_dark_and_light_and_print(self):
        picture = timeline.svg(self.of(long_echo(3)), "t")
        self.assertIn("prefers-color-scheme:dark", picture)
        self.assertIn("@media print", picture)
        self.assertNotRegex(picture.replace(SVG[1:-1], ""), r"https?:|url\([^#]")

    def test_a_recording_without_events(self):
        ElementTree.fromstring(timeline.svg(self.of([]), "empty"))


class Bounds(Drawn):

    def test_many_turns_become_few_columns_and_nothing_is_lost(self):
        content = self.of(long_echo(3000))
        self.assertLessEqual(len(content.columns), columns.MOST_COLUMNS)
        self.assertEqual(3000, sum(column.turns for column in content.columns))
        self.assertEqual(list(range(0, 3000, content.each)), [column.first for column in content.columns])
        self.assertAlmostEqual(3000 * 0.0009, sum(column.slept for column in content.columns))
        self.assertEqual(9000, content.lanes["#1"].received)
        self.assertIn(f"one column is {content.each} turns together", timeline.svg(content, "t"))
        self.assertLess(len(timeline.svg(content, "t")), 300_000)

    def test_many_connections_share_a_lane(self):
        events = [(0.0, 0, "adopted", {"who": f"#{n}"}) for n in range(1, 100)]
        content = self.of(events)
        self.assertEqual(columns.MOST_LANES + 2, len(content.lanes))  # the loop's and the shared one
        picture = timeline.svg(content, "t")
        self.assertIn(f"{99 - columns.MOST_LANES} connections beyond the first {columns.MOST_LANES}", picture)

    def test_columns_taken_together_say_what_their_turns_said(self):
        seed = random.randrange(1 << 30)
        chance = random.Random(seed)
        events, depth = [(0.0, 0, "adopted", {"who": "#1"})], 0
        for turn in range(600):
            if chance.random() < 0.3:
                depth += 10
                events.append((0.0, turn, "queued", {"who": "#1", "size": 10, "depth": depth}))
            elif depth:
                depth -= 10
                events.append((0.0, turn, "sent", {"who": "#1", "offered": 10, "taken": 10, "left": 0, "head": ""}))
            else:
                events.append((0.0, turn, "ended", {"who": "#1"}))
        content, deepest, now = self.of(events), Counter(), 0
        for _, turn, kind, facts in events:
            now = facts["depth"] if kind == "queued" else now - facts.get("taken", 0)
            place = turn // content.each
            deepest[place] = max(deepest[place], now)
        for place, column in enumerate(content.columns):
            self.assertEqual(deepest[place], column.cells["#1"].depth, f"seed {seed}, column {place}")


class ThePage(Drawn):

    def test_is_well_formed_and_needs_nothing_else(self):
        finding = Finding(7, "slow", "x", "<b> took 200 ms & more", "a < b")
        page = timeline.page(self.content(self.echo_of(b"</title><script>\n")), "<script>", [finding] * 20)
        parser = Balanced()
        parser.feed(page)
        parser.close()
        self.assertEqual([], parser.open)
        self.assertEqual(0, parser.seen["script"] + parser.seen["link"] + parser.seen["img"])
        text = "".join(parser.text)
        self.assertIn("<b> took 200 ms & more", text)
        self.assertIn("And 12 more", text)

    def test_the_name_decides_the_format(self):
        self.assertEqual(["svg", "page", "page"], [timeline.format_of(name) for name in ("a.svg", "a.HTML", "b.htm")])
        with self.assertRaisesRegex(ValueError, "not as a.png"):
            timeline.format_of("a.png")


class ThePictureInTheReadme(Drawn):

    def test_is_small_and_shows_what_it_is_there_for(self):
        demos = os.path.dirname(os.path.dirname(os.path.abspath(timeline.__file__)))
        path = os.path.join(demos, "timeline.svg")
        with open(path, encoding="utf-8") as file:
            picture = file.read()
        self.assertLess(len(picture), 60_000)
        shapes = Counter(element.get("class") for element in ElementTree.fromstring(picture).iter())
        for name in ("read", "wrote", "partly", "blocked", "asleep", "area", "high"):
            self.assertGreater(shapes[name], 1, name)  # one is the legend's


class Sentences(unittest.TestCase):

    def test_a_cell_keeps_few_sentences_and_counts_the_rest(self):
        cell = columns.Cell()
        for number in range(10):
            cell.say(str(number))
        self.assertEqual(["0", "1", "2", "3", "and 6 more events"], timeline.sentences(cell))
        self.assertEqual("turn 3, from 1.000 s", timeline.span(columns.Column(Event(1.0, 3, "turn", {}))))


if __name__ == "__main__":
    unittest.main()
