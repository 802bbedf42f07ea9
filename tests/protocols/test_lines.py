"""Line framing: protocols/lines.py."""
import random
import time
import unittest

from protocols.lines import LIMIT, LineBuffer, LineTooLong

from .fakes import splits


def taken(buffer, pieces):
    lines = []
    for piece in pieces:
        buffer.feed(piece)
        lines.extend(buffer)
    return lines


class CuttingTest(unittest.TestCase):
    def test_lines_are_the_same_at_every_split(self):
        """Edge case 162: a message split anywhere, several in one piece."""
        stream = b"one\r\ntwo\n\n\r\nfour\rfive\r\r\n\xff\xfe\0\nrest"
        expected = [b"one", b"two", b"", b"", b"four\rfive\r", b"\xff\xfe\0"]
        for pieces in splits(stream):
            with self.subTest(pieces=pieces):
                buffer = LineBuffer()
                self.assertEqual(taken(buffer, pieces), expected)
                self.assertEqual(buffer.pending, 4)
                self.assertEqual(buffer.take_rest(), b"rest")
                self.assertEqual(buffer.pending, 0)

    def test_random_streams_agree_with_splitting_the_whole(self):
        seed = time.time_ns()
        rng = random.Random(seed)
        for _ in range(300):
            stream = bytes(rng.choice(b"ab\r\n\n") for _ in range(rng.randrange(60)))
            *expected, rest = stream.split(b"\n")
            expected = [line[:-1] if line.endswith(b"\r") else line for line in expected]
            pieces, left = [], stream
            while left:
                size = rng.randrange(1, 9)
                pieces.append(left[:size])
                left = left[size:]
            buffer = LineBuffer()
            self.assertEqual(taken(buffer, pieces), expected, f"seed {seed}: {stream!r}")
            self.assertEqual(buffer.pending, len(rest), f"seed {seed}: {stream!r}")

    def test_a_byte_is_searched_once_however_many_pieces_a_line_has(self):
        """Edge case 163: the search position is remembered."""
        class Watched(bytes):
            searched = 0

            def __add__(self, other):
                return Watched(bytes(self) + other)

            def __getitem__(self, key):
                return Watched(bytes(self)[key])

            def find(self, what, start):
                Watched.searched += len(self) - start
                return bytes(self).find(what, start)

        buffer = LineBuffer()
        buffer._data = Watched()
        for _ in range(LIMIT):
            buffer.feed(b"x")
            self.assertEqual(list(buffer), [])
        self.assertEqual(Watched.searched, LIMIT)

    def test_lines_that_are_taken_are_not_kept(self):
        buffer = LineBuffer()
        buffer.feed(b"x\n" * 30000 + b"rest")
        for _ in buffer:
            pass
        self.assertEqual(buffer._data, b"rest")


class RestTest(unittest.TestCase):
    def test_lines_after_a_taken_rest_begin_afresh(self):
        buffer = LineBuffer()
        taken(buffer, [b"John"])
        self.assertEqual(buffer.take_rest(), b"John")
        self.assertEqual(taken(buffer, [b"\nAd", b"am\n"]), [b"", b"Adam"])

    def test_a_line_end_that_a_taken_rest_has_cut_in_two_is_one(self):
        for after, expected in ((b"\nAdam\n", [b"Adam"]), (b"Adam\n", [b"Adam"]), (b"\n\n", [b""])):
            for pieces in splits(after):
                with self.subTest(pieces=pieces):
                    buffer = LineBuffer()
                    taken(buffer, [b"John\r"])
                    self.assertEqual(buffer.take_rest(), b"John")
                    self.assertEqual(taken(buffer, pieces), expected)

    def test_no_rest_is_empty(self):
        buffer = LineBuffer()
        self.assertEqual(buffer.take_rest(), b"")
        taken(buffer, [b"line\n"])
        self.assertEqual((buffer.pending, buffer.take_rest()), (0, b""))


class LimitTest(unittest.TestCase):
    def test_a_line_of_exactly_the_limit_passes_with_either_ending(self):
        for ending in (b"\n", b"\r\n"):
            for pieces in splits(b"12345678" + ending + b"9\n"):
                with self.subTest(pieces=pieces):
                    self.assertEqual(taken(LineBuffer(8), pieces), [b"12345678", b"9"])

    def test_a_longer_line_is_refused_at_every_split_and_after_the_good_ones(self):
        """Edge case 164: no delimiter ever."""
        for tail in (b"123456789", b"123456789\n", b"12345678\r\r\n", b"123456789\r\nlater\n"):
            for pieces in splits(b"good\r\nfine\n" + tail):
                with self.subTest(pieces=pieces):
                    buffer, lines = LineBuffer(8), []
                    with self.assertRaises(LineTooLong):
                        for piece in pieces:
                            buffer.feed(piece)
                            for line in buffer:
                                lines.append(line)
                    self.assertEqual(lines, [b"good", b"fine"])

    def test_after_a_refusal_everything_is_dropped_without_another(self):
        buffer = LineBuffer(8)
        with self.assertRaises(LineTooLong):
            taken(buffer, [b"x" * 100])
        self.assertEqual(taken(buffer, [b"x" * 100, b"\ngood\n"]), [])
        self.assertEqual((buffer.pending, buffer._data), (0, b""))

    def test_memory_is_bounded_by_the_limit_and_one_piece(self):
        buffer, most = LineBuffer(), 0
        with self.assertRaises(LineTooLong):
            for _ in range(1024):
                buffer.feed(b"x" * 1024)
                most = max(most, buffer.pending)
                list(buffer)
        self.assertLessEqual(most, LIMIT + 1024)
        self.assertEqual(buffer.pending, 0)


class LoopTest(unittest.TestCase):
    def test_a_loop_that_stops_leaves_the_rest_for_the_next(self):
        """Edge case 165: the user stops in the middle of a piece."""
        buffer = LineBuffer()
        buffer.feed(b"one\ntwo\nthree\nfo")
        for line in buffer:
            break
        self.assertEqual(line, b"one")
        buffer.feed(b"ur\n")
        self.assertEqual(list(buffer), [b"two", b"three", b"four"])

    def test_a_loop_body_may_feed_and_loop_again(self):
        """Edge case 166: re-entered by its own user, it hands out each line once, in order."""
        buffer, lines = LineBuffer(), []

        def feed(data):
            buffer.feed(data)
            for line in buffer:
                lines.append(line)
                if line == b"two":
                    feed(b"five\nsix\n")

        feed(b"one\ntwo\nthree\nfour\n")
        self.assertEqual(lines, [b"one", b"two", b"three", b"four", b"five", b"six"])
        self.assertEqual(buffer.pending, 0)

    def test_a_loop_body_may_discard(self):
        buffer = LineBuffer()
        buffer.feed(b"one\ntwo\nthree")
        for line in buffer:
            buffer.discard()
        self.assertEqual((line, buffer.pending, buffer.take_rest()), (b"one", 0, b""))


if __name__ == "__main__":
    unittest.main()
