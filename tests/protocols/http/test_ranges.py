"""RFC 9110, section 14: byte ranges."""
import random
import time
import unittest

from protocols.http.ranges import MAX_RANGES, NotSatisfiable, parse_range


class Ranges(unittest.TestCase):
    def test_the_forms(self):
        """Section 14.1.2: first and last byte, an open end, the last so many."""
        for field, expected in (("bytes=0-499", (0, 500)), ("bytes=500-", (500, 10000)), ("bytes=-500", (9500, 10000)),
                                ("bytes=0-0", (0, 1)), ("bytes=-1", (9999, 10000)), ("bytes=9999-", (9999, 10000)),
                                ("BYTES=1-2", (1, 3)), ("bytes= 1-2 ", (1, 3)), ("bytes=,1-2,", (1, 3)),
                                ("bytes=007-008", (7, 9))):
            self.assertEqual(parse_range(field, 10000), [expected], field)

    def test_a_last_byte_beyond_the_end_means_the_end(self):
        """Section 14.1.2."""
        self.assertEqual(parse_range("bytes=9000-20000", 10000), [(9000, 10000)])
        self.assertEqual(parse_range("bytes=-20000", 10000), [(0, 10000)])
        self.assertEqual(parse_range("bytes=5-" + "9" * 5000, 10), [(5, 10)])

    def test_nothing_within_is_not_satisfiable(self):
        """Sections 14.1.2 and 15.5.17; Content-Range then tells the length."""
        for field, size in (("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0),
                            ("bytes=0-0", 0), ("bytes=11-,-0,12-13", 10), ("bytes=" + "9" * 5000 + "-", 10)):
            with self.assertRaises(NotSatisfiable, msg=field) as caught:
                parse_range(field, size)
            self.assertEqual(str(caught.exception), f"bytes */{size}")

    def test_one_satisfiable_range_is_enough(self):
        self.assertEqual(parse_range("bytes=100-,0-1", 10), [(0, 2)])

    def test_another_unit_is_ignored(self):
        """Section 14.2: MUST ignore a Range with a unit that is not understood."""
        for field in ("pages=1-2", "byte=1-2", "bytes", "bytes 1-2", "=1-2"):
            self.assertIsNone(parse_range(field, 10), field)

    def test_a_malformed_field_is_ignored(self):
        """Section 14.2 lets us; Python's int() accepts more than ASCII digits, we do not."""
        for field in ("bytes=", "bytes=-", "bytes=a-b", "bytes=2-1", "bytes=1", "bytes=1-2-3", "bytes=+1-2",
                      "bytes=1_0-20",
                      "bytes=1 -2", "bytes=1- 2", "bytes=1-2;3-4", "bytes=--1", "bytes=١-٢", "bytes=,", "bytes=0x1-2",
                      "bytes=1-2,x", "bytes==1-2", "bytes=1-\n2"):
            self.assertIsNone(parse_range(field, 100), field)

    def test_the_end_of_an_empty_file_is_everything(self):
        self.assertIsNone(parse_range("bytes=-5", 0))

    def test_order_is_kept(self):
        """Section 15.3.7.2: a part's order is that of the request."""
        self.assertEqual(parse_range("bytes=50-59,0-9", 100), [(50, 60), (0, 10)])

    def test_overlapping_and_touching_ranges_are_joined(self):
        """Section 15.3.7.2: MAY coalesce; section 17.15: so that no request multiplies a file."""
        self.assertEqual(parse_range("bytes=0-10,5-20", 100), [(0, 21)])
        self.assertEqual(parse_range("bytes=10-19,0-9", 100), [(0, 20)])
        self.assertEqual(parse_range("bytes=0-,0-,0-,-100", 100), [(0, 100)])
        self.assertEqual(parse_range("bytes=90-,0-1,1-5", 100), [(0, 6), (90, 100)])

    def test_too_many_are_ignored(self):
        """Section 17.15: denial of service by many small ranges."""
        many = ",".join(f"{n * 4}-{n * 4}" for n in range(MAX_RANGES + 1))
        self.assertIsNone(parse_range("bytes=" + many, 10000))
        self.assertEqual(len(parse_range("bytes=" + many.rpartition(",")[0], 10000)), MAX_RANGES)

    def test_a_long_field_costs_little(self):
        start = time.perf_counter()
        for field in ("bytes=" + "0-0," * 4000, "bytes=" + "," * 16000, "bytes=" + "-" * 16000,
                      "bytes=" + "1" * 16000 + "-"):
            try:
                self.assertIsNone(parse_range(field, 100))
            except NotSatisfiable:
                pass
        self.assertLess(time.perf_counter() - start, 0.5)

    def test_random_fields_select_exactly_the_bytes_that_they_name(self):
        seed = random.randrange(2 ** 32)
        rng = random.Random(seed)
        for _ in range(3000):
            size = rng.randrange(0, 40)
            specs = [rng.choice(("%d-%d", "%d-", "-%d")) for _ in range(rng.randrange(1, 5))]
            specs = [spec % tuple(rng.randrange(50) for _ in range(spec.count("%"))) for spec in specs]
            self._check("bytes=" + ",".join(specs), specs, size, f"seed {seed}: {specs} of {size}")

    def _check(self, field, specs, size, message):
        wanted = set()
        for first, last in (spec.split("-") for spec in specs):
            if first and last and int(last) < int(first):
                self.assertIsNone(parse_range(field, size), message)
                return
            wanted |= set(range(size)[-int(last) if int(last) else size:] if not first
                          else range(size)[int(first):int(last) + 1 if last else size])
        try:
            found = parse_range(field, size)
        except NotSatisfiable:
            self.assertEqual(wanted, set(), message)
            return
        if found is None:
            self.assertEqual(size, 0, message)
            return
        self.assertEqual(sorted(n for start, end in found for n in range(start, end)), sorted(wanted), message)


if __name__ == "__main__":
    unittest.main()
