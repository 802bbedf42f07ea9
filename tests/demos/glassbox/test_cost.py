"""What the glass box costs: that the hook is really cut out, that all is measured, and what is made of the figures."""
import ast
import contextlib
import io
import os
import re
import tempfile
import unittest
from unittest import mock

from demos.glassbox import cost
from demos.glassbox.cost import CUT, OFF, RECORD, TRACE, Cutter, Plan, Sample, cheapness, holds, row

from ..running import ROOT


def cut(text):
    """Source without its hook, and the number of cuts."""
    cutter = Cutter()
    return ast.unparse(cutter.visit(ast.parse(text))), cutter.cuts


class Cutting(unittest.TestCase):

    def test_what_is_there_for_the_observer_alone_goes_and_nothing_else(self):
        text, cuts = cut("if self.observer is not None:\n    a()\nelse:\n    b()\n"
                         "if observer is not None:\n    c()\nif x:\n    self.loop.tell('x', y=1)\nd(tell(1))\n")
        self.assertEqual("b()\npass\nif x:\n    pass\nd(tell(1))", text)
        self.assertEqual(3, cuts)

    def test_nothing_of_the_hook_is_left_in_the_copy_and_the_other_copy_is_whole(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, cutter in (("cut", Cutter()), ("whole", ast.NodeTransformer())):
                cost.copy(os.path.join(folder, name), cutter)
            hooks = {name: self.hooks(os.path.join(folder, name)) for name in ("cut", "whole")}
        self.assertEqual(self.hooks(ROOT), hooks["whole"])
        self.assertGreater(hooks["whole"], 40)
        self.assertEqual(0, hooks["cut"])

    def hooks(self, folder):
        """How many statements are there for the observer."""
        count = 0
        for name in os.listdir(os.path.join(folder, "reactor")):
            if name.endswith(".py"):
                with open(os.path.join(folder, "reactor", name), encoding="utf-8") as file:
                    count += cut(file.read())[1]
        return count


class Figures(unittest.TestCase):
    SAMPLES = {CUT: [Sample(10, 100), Sample(20, 50)], OFF: [Sample(10, 98), Sample(20, 51)],
               TRACE: [Sample(20, 50), Sample(80, 25)], RECORD: [Sample(25, 40), Sample(40, 26)]}

    def test_a_part_is_taken_within_each_round(self):
        self.assertEqual([0.5, 0.25], cheapness(TRACE, self.SAMPLES))

    def test_a_row_says_what_is_wanted_and_the_worst_round(self):
        self.assertEqual(["--trace", "50.00", "38", "0.375", "0.250", "0.500", "0.25 of off"],
                         re.split(r"\s{2,}", row(TRACE, self.SAMPLES).strip()))
        self.assertEqual(["hook cut out", "15.00", "75"], re.split(r"\s{2,}", row(CUT, self.SAMPLES).strip()))

    def test_the_median_decides(self):
        self.assertTrue(holds(self.SAMPLES))
        self.assertFalse(holds({**self.SAMPLES, OFF: [Sample(11, 98), Sample(22, 51)]}))
        self.assertFalse(holds({**self.SAMPLES, RECORD: [Sample(25, 30), Sample(40, 16)]}))


class Runs(unittest.TestCase):

    def test_the_whole_program_in_a_moment(self):
        with mock.patch.object(cost, "QUICK", Plan(1, 0.01)), mock.patch.object(cost, "BUSY", (3,)), \
                mock.patch.object(cost, "pin"), contextlib.redirect_stdout(io.StringIO()) as out:
            self.assertIn(cost.main(["--quick"]), (0, 1))  # so short a run may say anything
        names = [line[2:16].strip() for line in out.getvalue().splitlines()[3:]]
        self.assertEqual([CUT, OFF, TRACE, RECORD], names)

    def test_the_plans_fit_their_times(self):
        for plan, limit in (cost.FULL, 60), (cost.QUICK, 15):
            self.assertLess(len(cost.BUSY) * 4 * (plan.rounds + 1) * plan.seconds, limit - 5)

    def test_a_server_that_cannot_start_is_one_line(self):
        with mock.patch.object(cost, "BUSY", (1,)), mock.patch.object(cost, "pin"), \
                mock.patch.object(cost, "copy", lambda folder, cutter: os.mkdir(folder)), \
                contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as err:
            self.assertEqual(1, cost.main([]))
        self.assertRegex(err.getvalue(), r"^cost: the server 'hook cut out' has ended\n$")


if __name__ == "__main__":
    unittest.main()
