"""The steps as texts: short, narrow, one docstring shape, and no second event loop."""
import ast
import re
import unittest

from demos.lessons.__main__ import source
from demos.lessons.experiments import EXPERIMENTS, STEPS
from demos.lessons.step_7 import TestCapitals  # its own tests run here too
from tests.test_house import code_lines, imported

__all__ = ["TestCapitals"]
ON_THE_REACTOR = ("6", "7", "8")


class TestSteps(unittest.TestCase):

    def test_each_has_fewer_than_80_code_lines_that_fit_80_columns_of_a_diff(self):
        for step in STEPS:
            with self.subTest(step=step):
                self.assertLess(len(code_lines(source(step))), 80)
                self.assertEqual([], [line for line in source(step).splitlines() if len(line) > 79])

    def test_each_says_what_is_new_what_breaks_it_and_what_repairs_it(self):
        for step in STEPS:
            with self.subTest(step=step):
                said = ast.get_docstring(ast.parse(source(step)))
                new, breaks, repaired = (re.search(rf"^{word} +(\S.*)$", said, re.MULTILINE)
                                         for word in ("New", "Breaks", "Repaired"))
                self.assertTrue(new and repaired)
                self.assertEqual(f"python3 -m demos.lessons {step}", breaks.group(1))

    def test_the_step_that_repairs_it_is_the_one_of_the_experiment(self):
        # Step 3 is repaired by what step 4 becomes; the last one has nothing after it.
        for step in STEPS[:-1]:
            said = re.search(r"^Repaired +in step[ _](\w+)", source(step), re.MULTILINE).group(1)
            last = EXPERIMENTS[step].servers[-1].split()[0]
            with self.subTest(step=step):
                self.assertEqual("step_4_mended" if step == "3" else f"step_{said}", last)

    def test_steps_on_the_reactor_have_no_loop_of_their_own(self):
        for step in ON_THE_REACTOR:
            tree = ast.parse(source(step))
            with self.subTest(step=step):
                names = {name for name, _ in imported(tree, "demos")}
                self.assertIn("reactor", names)
                self.assertFalse(names & {"select", "selectors", "asyncio", "threading"})
                calls = {node.func.attr for node in ast.walk(tree)
                         if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)}
                self.assertFalse(calls & {"select", "poll", "turn"})
                self.assertIn("run", calls)

    def test_steps_before_it_use_nothing_of_this_project(self):
        for step in STEPS:
            if step not in ON_THE_REACTOR:
                names = {name for name, _ in imported(ast.parse(source(step)), "demos")}
                with self.subTest(step=step):
                    self.assertFalse(names & {"reactor", "protocols", "demos"})


if __name__ == "__main__":
    unittest.main()
