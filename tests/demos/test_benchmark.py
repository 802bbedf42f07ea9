"""The benchmark: its arithmetic, its drawing, and a run that is over in a moment."""
import contextlib
import io
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock
from xml.etree import ElementTree

from demos import benchmark
from demos.benchmark import REFERENCE, SERVERS, Load, Plan, Sample, Server, loads, measure, median, panels, ratio, \
    rows, sample
from demos.benchmark_chart import Panel, Scale, draw

from .running import PATIENCE, POSIX, PROMPT, ROOT

TINY = Plan(1, 0.01, (1, 3), (5,))


class Arithmetic(unittest.TestCase):

    def test_a_sample_is_in_microseconds_and_requests_a_second(self):
        latencies = [number / 1000 for number in range(100, 0, -1)]  # 1 to 100 ms
        self.assertEqual(tuple(map(round, sample(latencies, 2.0, 0.5))), (5000, 50, 51000, 100000))

    def test_one_request_is_its_own_median_and_worst(self):
        found = sample([0.003], 1.0, 0.0)
        self.assertEqual((found.p50, found.p99), (3000, 3000))

    def test_a_ratio_compares_within_each_round(self):
        """The machine is ten times slower in the second round, for both: half the cost stays half the cost."""
        ours, theirs = [[Sample(cpu, 0, 0, 0) for cpu in costs] for costs in ((1, 10, 1), (2, 20, 2.2))]
        self.assertEqual(ratio(ours, theirs), 2)
        self.assertEqual(ratio(ours, ours), 1)

    def test_no_measurable_cost_is_no_division_by_zero(self):
        self.assertTrue(math.isfinite(ratio([Sample(0, 0, 0, 0)], [Sample(1, 0, 0, 0)])))

    def test_a_median_is_taken_of_each_figure(self):
        self.assertEqual(median([Sample(1, 9, 5, 2), Sample(3, 7, 4, 8), Sample(2, 8, 6, 5)]), Sample(2, 8, 5, 5))

    def test_what_the_system_has_no_descriptors_for_is_left_out(self):
        self.assertEqual([load.idle for load in loads(benchmark.FULL, 512) if load.idle], [10, 30, 100, 300])
        self.assertEqual(max(load.idle for load in loads(benchmark.FULL, 1024)), 900)

    def test_the_plans_fit_their_times(self):
        for plan, limit in (benchmark.FULL, 120), (benchmark.QUICK, 20):
            measured = len(loads(plan, 1024)) * len(SERVERS) * (plan.rounds + 0.25) * plan.seconds
            self.assertLess(measured, limit * 0.9)  # the rest is for connecting


def made_up(factor=1.0):
    """Results in which each server costs a little more than the one before."""
    return {load: {name: [Sample(factor * (number + 1) * (load.idle + load.busy + 1), 1000, 10, 20)]
                   for number, name in enumerate(SERVERS)} for load in loads(TINY, 1024)}


class Table(unittest.TestCase):

    def test_each_server_has_a_row_with_its_ratio(self):
        load, samples = next(iter(made_up().items()))
        title, *lines = rows(load, samples).splitlines()
        self.assertEqual(title, "echo, 1 connection")
        self.assertEqual([re.split(r"\s{2,}", line.strip()) for line in lines], [
            ["this reactor", "2.00", "2.00x", "1,000", "10", "20"], [REFERENCE, "4.00", "1.00x", "1,000", "10", "20"],
            ["asyncio, default", "6.00", "0.67x", "1,000", "10", "20"],
            ["threads", "8.00", "0.50x", "1,000", "10", "20"]])
        head = benchmark.HEAD.splitlines()
        self.assertEqual({len(line) for line in lines}, {len(head[1])})
        self.assertLess(max(map(len, [*lines, *head])), 80)


class Drawing(unittest.TestCase):
    SVG = "{http://www.w3.org/2000/svg}"

    def test_it_is_well_formed_and_needs_nothing_else(self):
        text = draw("a < b & c", panels(made_up()))
        root = ElementTree.fromstring(text)
        self.assertEqual(root.find(self.SVG + "title").text, "a < b & c")
        for outside in ("href", "url(", "@import", "<script"):
            self.assertNotIn(outside, text)
        self.assertEqual(text.count("http"), 1)  # the name space

    def test_it_has_a_line_for_each_server_in_each_panel_and_a_legend(self):
        root = ElementTree.fromstring(draw("t", panels(made_up())))
        drawn = [path.get("class") for path in root.iter(self.SVG + "path") if path.get("class").startswith("line")]
        self.assertEqual(len(drawn), 3 * len(SERVERS))
        self.assertEqual(len(set(drawn)), len(SERVERS))
        words = [text.text for text in root.iter(self.SVG + "text")]
        self.assertTrue({*SERVERS, "idle connections", "connections"} <= set(words))

    def test_it_has_colours_for_dark_and_for_light_and_prints_the_light_ones(self):
        style = ElementTree.fromstring(draw("t", panels(made_up()))).find(self.SVG + "style").text
        light, dark = style.split("@media screen and (prefers-color-scheme:dark)")
        for rule in (".paper{fill:", "text{fill:", ".grid{stroke:", ".line.s3{stroke:"):
            self.assertIn(rule, light)
            self.assertIn(rule, dark)

    def test_every_point_lies_in_its_plot(self):
        for factor in (0.001, 1.0, 12345.678):
            root = ElementTree.fromstring(draw("t", panels(made_up(factor))))
            numbers = [tuple(map(float, pair.split())) for path in root.iter(self.SVG + "path")
                       if path.get("class").startswith("line") and "h" not in path.get("d")
                       for pair in path.get("d")[1:].split("L")]
            self.assertTrue(all(-0.1 <= x <= 340.1 and -0.1 <= y <= 260.1 for x, y in numbers), (factor, numbers))

    def test_a_scale_is_logarithmic_and_reaches_from_power_to_power(self):
        scale = Scale([10, 1000], 200)
        self.assertEqual([round(scale(value)) for value in (10, 100, 1000)], [0, 100, 200])
        self.assertEqual([value for value, written in scale.ticks() if written], [10, 20, 50, 100, 200, 500, 1000])
        self.assertEqual([value for value, written in Scale([7], 1).ticks()], [1, 2, 5, 10])

    def test_nothing_measured_is_an_empty_chart(self):
        ElementTree.fromstring(draw("t", [Panel("p", "x", {})]))


class Runs(unittest.TestCase):

    def test_each_server_answers_under_each_load(self):
        for name in SERVERS:
            with self.subTest(name=name):
                server = Server(name)
                self.addCleanup(server.stop)
                for load in Load("", 2, 5), Load("", 0, churn=True):
                    found = measure(load, server, 0.02)
                    self.assertTrue(all(figure >= 0 and math.isfinite(figure) for figure in found), found)
                    self.assertLessEqual(found.p50, found.p99)

    def test_a_server_that_has_gone_is_told_of(self):
        server = Server("this reactor")
        self.addCleanup(server.stop)
        server._process.kill()
        server._process.wait()
        with self.assertRaises(OSError):
            measure(Load("", 1), server, 0.01)

    def test_the_whole_program_in_a_moment(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(benchmark, "FULL", TINY), \
                mock.patch.object(benchmark, "pin"), mock.patch.object(benchmark, "more_descriptors", lambda: 300), \
                contextlib.redirect_stdout(io.StringIO()) as out:
            path = os.path.join(folder, "costs.svg")
            self.assertEqual(benchmark.main(["--svg", path]), 0)
            ElementTree.parse(path)
        table = out.getvalue()
        for words in ("echo, 3 connections", "10 busy among 5 idle", "connect, echo, close", "KiB of memory"):
            self.assertIn(words, table)
        self.assertEqual(table.count("this reactor"), 5)

    def test_a_drawing_that_cannot_be_written_is_told_before_anything_runs(self):
        with contextlib.redirect_stderr(io.StringIO()) as err:
            self.assertEqual(benchmark.main(["--svg", "/nowhere/costs.svg"]), 1)
        self.assertRegex(err.getvalue(), "^benchmark: .*nowhere.*\n$")

    @unittest.skipUnless(POSIX, "signals")
    def test_ctrl_c_ends_it_and_its_servers_in_one_line(self):
        # Not with -W error: the interrupt may fall between the birth of a socket and its name.
        process = subprocess.Popen([sys.executable, "-m", "demos.benchmark"], cwd=ROOT,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with process:
            first = process.stdout.readline()  # the head of the table: the servers run
            start = time.monotonic()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)  # which ends only when the servers have, too
            self.assertLess(time.monotonic() - start, PROMPT)
        self.assertIn(b"server CPU", first)
        self.assertTrue(out.endswith(b"\nstopped\n"), out)
        self.assertEqual((process.returncode, err), (0, b""))


if __name__ == "__main__":
    unittest.main()
