"""Telnet's commands and line editing: protocols/telnet.py."""
import random
import time
import unittest

from protocols.telnet import SUBNEGOTIATION_LIMIT, Telnet, TelnetError, edited

from .fakes import splits

IAC, DONT, DO, WONT, WILL, SB, SE = b"\xff", b"\xfe", b"\xfd", b"\xfc", b"\xfb", b"\xfa", b"\xf0"


def fed(pieces):
    """All text and all answers."""
    telnet, text, answers = Telnet(), b"", b""
    for piece in pieces:
        for typed, answer in telnet.feed(piece):
            text += typed
            answers += answer
    return text, answers


class CommandTest(unittest.TestCase):
    def assert_fed(self, stream, text, answers=b""):
        for pieces in splits(stream):
            self.assertEqual(fed(pieces), (text, answers), pieces)

    def test_text_without_commands_passes_unchanged(self):
        self.assert_fed(b"hit\r\nst\xc3\xa9and\n", b"hit\r\nst\xc3\xa9and\n")

    def test_every_option_is_refused_once_in_order(self):
        self.assert_fed(b"h" + IAC + DO + b"\x01i" + IAC + WILL + b"\x18t\n", b"hit\n",
                        IAC + WONT + b"\x01" + IAC + DONT + b"\x18")

    def test_an_option_may_have_the_number_of_a_command(self):
        self.assert_fed(IAC + DO + IAC + b"a" + IAC + WILL + SB + b"b", b"ab", IAC + WONT + IAC + IAC + DONT + SB)

    def test_what_is_already_so_is_not_answered(self):
        self.assert_fed(IAC + DONT + b"\x01" + IAC + WONT + b"\x03ok", b"ok")

    def test_a_doubled_iac_is_one_byte_of_text(self):
        self.assert_fed(b"a" + IAC + IAC + b"b" + IAC * 4, b"a\xffb\xff\xff")

    def test_an_iac_before_what_is_no_command_is_dropped_alone(self):
        self.assert_fed(b"a" + IAC + b"\nb" + IAC + b"\r\0c", b"a\nb\r\nc")

    def test_subnegotiations_are_skipped_up_to_their_end(self):
        self.assert_fed(b"a" + IAC + SB + b"\x18\0x" + IAC + IAC + SE + b"\r\n" + IAC + SE + b"b", b"ab")

    def test_a_subnegotiation_without_end_is_given_up(self):
        stream = b"kept" + IAC + SB + b"x" * SUBNEGOTIATION_LIMIT
        self.assertEqual(fed([stream]), (b"kept", b""))
        self.assertEqual(fed([stream[:-2] + IAC + SE + b"b"]), (b"keptb", b""))
        telnet, typed = Telnet(), b""
        with self.assertRaises(TelnetError):
            for text, _ in telnet.feed(stream + b"x"):
                typed += text
        self.assertEqual(typed, b"kept")

    def test_commands_without_meaning_here_vanish(self):
        self.assert_fed(b"a" + b"".join(IAC + bytes([byte]) for byte in (240, 241, 242, 243, 244, 245, 249)) + b"b",
                        b"ab")

    def test_are_you_there_is_answered_visibly(self):
        self.assert_fed(b"a" + IAC + b"\xf6b", b"ab", b"[yes, still here]\r\n")

    def test_erase_commands_become_the_characters_that_edited_knows(self):
        self.assert_fed(b"hx" + IAC + b"\xf7y" + IAC + b"\xf8", b"hx\by\x15")

    def test_cr_nul_ends_a_line_and_other_nuls_vanish(self):
        self.assert_fed(b"\0a\r\0b\0c\r\nd\r\r\0\0", b"a\r\nbc\r\nd\r\r\n")

    def test_random_bytes_give_the_same_at_random_borders(self):
        seed = time.time_ns()
        rng = random.Random(seed)
        for _ in range(400):
            alphabet = b"\xff\xff\xff\xfa\xf0\xfd\xfb\xf6\xf7\r\n\0ab"
            stream = bytes(rng.choice(alphabet) for _ in range(rng.randrange(80)))
            pieces, left = [], stream
            while left:
                size = rng.randrange(1, 9)
                pieces.append(left[:size])
                left = left[size:]
            self.assertEqual(fed(pieces), fed([stream]), f"seed {seed}: {stream!r}")


class EditedTest(unittest.TestCase):
    def test_the_line_is_what_its_typist_saw(self):
        for line, seen in (("hit", "hit"), ("hot\b\bit", "hit"), ("x\x7fhit", "hit"), ("\b\b\x7fhit", "hit"),
                           ("stand\b\b\b\b\b\b\bhit", "hit"), ("stand\x15hit", "hit"), ("a\x15b\x15", ""),
                           ("\u00e9\x7fs", "s"), ("", ""), ("\b", "")):
            self.assertEqual(edited(line), seen, ascii(line))


if __name__ == "__main__":
    unittest.main()
