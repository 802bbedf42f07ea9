"""Length-prefixed framing: protocols/prefixed.py."""
import random
import time
import unittest

from protocols.prefixed import LIMIT, MessageTooLong, PrefixedBuffer, encode

from .fakes import splits


def taken(buffer, pieces):
    messages = []
    for piece in pieces:
        buffer.feed(piece)
        messages.extend(buffer)
    return messages


class PrefixedTest(unittest.TestCase):
    def test_the_prefix_is_four_bytes_big_endian(self):
        self.assertEqual(encode(b"abc"), b"\0\0\0\3abc")
        self.assertEqual(encode(b"abc", 2), b"\0\3abc")
        with self.assertRaises(OverflowError):
            encode(bytes(256), 1)

    def test_messages_are_the_same_at_every_split(self):
        """Edge case 162: a message split anywhere, several in one piece."""
        for prefix in (1, 2, 4, 8):
            stream = b"".join(encode(message, prefix) for message in (b"one", b"", b"\0\0\n\xff")) + b"\0"
            for pieces in splits(stream):
                with self.subTest(pieces=pieces):
                    buffer = PrefixedBuffer(prefix=prefix)
                    if prefix > 1:
                        self.assertEqual(taken(buffer, pieces), [b"one", b"", b"\0\0\n\xff"])
                        self.assertEqual(buffer.pending, 1)
                    else:
                        self.assertEqual(taken(buffer, pieces), [b"one", b"", b"\0\0\n\xff", b""])

    def test_random_messages_come_back_from_random_pieces(self):
        seed = time.time_ns()
        rng = random.Random(seed)
        messages = [rng.getrandbits(8 * size).to_bytes(size, "big") for size in rng.choices(range(3000), k=50)]
        stream, pieces = b"".join(map(encode, messages)), []
        while stream:
            size = rng.randrange(1, 2000)
            pieces.append(stream[:size])
            stream = stream[size:]
        buffer = PrefixedBuffer()
        self.assertEqual(taken(buffer, pieces), messages, f"seed {seed}")
        self.assertEqual(len(buffer._data), 0, f"seed {seed}")

    def test_a_message_cut_short_by_the_end_of_input_shows_as_pending(self):
        """Edge case 168: EOF in the middle of a message."""
        for size in range(1, 7):
            buffer = PrefixedBuffer()
            self.assertEqual(taken(buffer, [encode(b"abc")[:size]]), [])
            self.assertEqual(buffer.pending, size)

    def test_a_length_above_the_limit_is_refused_before_its_bytes_come_and_after_good_messages(self):
        for pieces in splits(encode(b"good") + encode(b"12345678") + b"\0\0\0\x09"):
            with self.subTest(pieces=pieces):
                buffer, messages = PrefixedBuffer(8), []
                with self.assertRaises(MessageTooLong):
                    for piece in pieces:
                        buffer.feed(piece)
                        for message in buffer:
                            messages.append(message)
                self.assertEqual(messages, [b"good", b"12345678"])
                self.assertEqual(taken(buffer, [b"x" * 100, encode(b"late")]), [])
                self.assertEqual((buffer.pending, len(buffer._data)), (0, 0))

    def test_the_default_limit_is_a_mebibyte(self):
        message = bytes(LIMIT)
        self.assertEqual(taken(PrefixedBuffer(), [encode(message)]), [message])
        with self.assertRaises(MessageTooLong):
            taken(PrefixedBuffer(), [encode(message + b"x")])

    def test_a_loop_that_stops_leaves_the_rest_and_a_body_may_feed(self):
        """Edge cases 165 and 166: stopped in the middle, and re-entered."""
        buffer = PrefixedBuffer()
        buffer.feed(encode(b"one") + encode(b"two"))
        for message in buffer:
            buffer.feed(encode(b"three"))
            break
        self.assertEqual(message, b"one")
        self.assertEqual(taken(buffer, [encode(b"four")]), [b"two", b"three", b"four"])


if __name__ == "__main__":
    unittest.main()
