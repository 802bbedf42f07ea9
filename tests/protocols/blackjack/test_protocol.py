"""The conversation at a table: protocols/blackjack/protocol.py."""
import random
import re
import time
import unittest

from protocols.blackjack import Blackjack, Tables
from protocols.blackjack.cards import DECK, Card
from protocols.lines import LIMIT
from protocols.request_reply import LINGER, SILENCE
from protocols.telnet import SUBNEGOTIATION_LIMIT

from ..fakes import FakeClock, connect, splits

TURN = b"Your turn: hit (h), stand (s), quit (q) or help (?).\r\n"
OVER = b"Round over: again (a), quit (q) or help (?).\r\n"
UNKNOWN = b"That is not one of the choices.\r\n"


def stacked(top):
    """A shuffle that brings these cards to the top; cards are drawn player, dealer, player, hidden, then as needed."""
    cards = [Card(text[:-1], text[-1]) for text in top.split()]

    def shuffle(deck):
        deck[:] = [card for card in deck if card not in cards] + cards[::-1]
    return shuffle


class Table:
    """A table and its player's end."""

    def __init__(self, top="10S 9S 8S 7S 2S", protocol=None, high=None, **limits):
        self.clock = FakeClock()
        self.protocol = protocol or Blackjack(shuffle=stacked(top), call_later=self.clock.call_later, **limits)
        self.transport = connect(self.protocol, high=high)

    def say(self, data):
        """Send `data`; what came back."""
        before = len(self.transport.sent)
        self.protocol.data_received(data)
        return bytes(self.transport.sent[before:])

    def news(self, seconds):
        """What came in so many seconds."""
        before = len(self.transport.sent)
        self.clock.advance(seconds)
        return bytes(self.transport.sent[before:])


class PlayTest(unittest.TestCase):
    def test_the_table_is_shown_at_once_with_one_card_hidden(self):
        self.assertEqual(
            bytes(Table("10S 9S 8S 7S").transport.sent),
            b"Blackjack: closest to 21 without going over wins; the dealer draws below 17.\r\n\r\n"
            b"Dealer  9S ??                9 and a hidden card\r\n"
            b"You     10S 8S               18\r\n" + TURN)

    def test_hit_and_stand(self):
        table = Table("10S 9S 2S 7S AH 3D 6C")
        self.assertEqual(table.say(b"hit\r\n"), b"\r\nDealer  9S ??                9 and a hidden card\r\n"
                                                b"You     10S 2S AH            13\r\n" + TURN)
        self.assertIn(b"You     10S 2S AH 3D         16\r\n", table.say(b"h\n"))
        self.assertEqual(table.say(b"s\n"),
                         b"\r\nDealer's turn: turns over 7S, draws 6C.\r\n"
                         b"Dealer  9S 7S 6C             22, over 21\r\n"
                         b"You     10S 2S AH 3D         16\r\n"
                         b"You win: the dealer is over 21.\r\n"
                         b"Score   you 1, dealer 0, pushes 0\r\n" + OVER)

    def test_a_player_over_21_sees_the_hidden_card_and_loses(self):
        self.assertEqual(Table("10S 9S 8S 7S 5H").say(b"h\n"),
                         b"\r\nDealer  9S 7S                16\r\n"
                         b"You     10S 8S 5H            23, over 21\r\n"
                         b"The dealer wins: you are over 21.\r\n"
                         b"Score   you 0, dealer 1, pushes 0\r\n" + OVER)

    def test_a_natural_ends_the_round_at_once(self):
        sent = bytes(Table("AS 9S KS 7S").transport.sent)
        self.assertIn(b"Dealer  9S 7S                16\r\nYou     AS KS                21, a natural\r\n"
                      b"You win with a natural.\r\nScore   you 1, dealer 0, pushes 0\r\n" + OVER, sent)
        self.assertNotIn(b"??", sent)

    def test_soft_totals_are_named(self):
        table = Table("AS AH 6S KS")
        self.assertIn(b"Dealer  AH ??                soft 11 and a hidden card\r\n"
                      b"You     AS 6S                soft 17\r\n", table.transport.sent)
        self.assertIn(b"The dealer wins with a natural.", table.say(b"s\n"))

    def test_a_tie_is_a_push_and_totals_decide_else(self):
        self.assertIn(b"Push: nobody wins.\r\nScore   you 0, dealer 0, pushes 1\r\n",
                      Table("10S 9S 8S 9H").say(b"s\n"))
        self.assertIn(b"You win, 19 to 18.", Table("10S 9S 9H 9D").say(b"s\n"))
        self.assertIn(b"The dealer wins, 19 to 18.", Table("10S 9S 8S 10H").say(b"s\n"))
        self.assertIn(b"turns over 10H, stands.", Table("10S 9S 8S 10H").say(b"s\n"))

    def test_the_score_runs_on_over_rounds(self):
        table = Table("10S 9S 9H 9D" + " 10H 8S 8H 8D 10D" + " 7S 7H KS QS")
        self.assertIn(b"you 1, dealer 0, pushes 0", table.say(b"s\n"))
        self.assertIn(b"You     10H 8H", table.say(b"again\n"))
        self.assertIn(b"you 2, dealer 0, pushes 0", table.say(b"s\n"))
        table.say(b"a\n")
        self.assertIn(b"you 2, dealer 0, pushes 1", table.say(b"s\n"))
        self.assertIn(b"you 2, dealer 0, pushes 1\r\nGoodbye.\r\n", table.say(b"q\n"))

    def test_words_in_any_case_with_any_spaces(self):
        for word in (b"h", b"H", b"hit", b"HIT", b"  hIt ",
                     b"xx\b\x7fh", b"junk\x15h", b"h\xff\xf7h", b"\xff\xfd\x01h"):
            self.assertIn(b"You     10S 8S 2S            20\r\n", Table().say(word + b"\r\n"), word)
        for word in (b"s", b"S", b"stand", b"Stand"):
            self.assertIn(b"Dealer's turn:", Table().say(word + b"\n"), word)
        for word in (b"a", b"A", b"again", b"play again", b"PLAY  AGAIN", b"play", b"p", b"y", b"Yes"):
            table = Table()
            table.say(b"s\n")
            self.assertIn(TURN, table.say(word + b"\n"), word)

    def test_quit_says_goodbye_and_half_closes_then_closes(self):
        for before, words in ((b"", (b"q", b"QUIT")), (b"s\n", (b"q", b"quit", b"n", b"No"))):
            for word in words:
                table = Table()
                table.say(before)
                self.assertTrue(table.say(word + b"\nh\n\xff\xf6\xff\xfd\x01").endswith(b"\r\nGoodbye.\r\n"), word)
                self.assertTrue(table.transport.eof)
                self.assertEqual(table.say(b"h\n\xff\xf6"), b"", "nothing is written after the last word")
                self.assertEqual(table.news(LINGER), b"")
                self.assertEqual(table.transport.closed, "close")
                table.protocol.connection_lost(None)
                self.assertEqual(table.clock.waiting(), 0)

    def test_no_timer_speaks_after_the_last_word(self):
        table = Table(warn_after=LINGER / 4, drop_after=LINGER / 2)
        table.say(b"q\n")
        self.assertEqual(table.news(LINGER), b"")
        table = Table()
        table.say(b"h")  # pending when the silence would end
        table.say(b"\xff\xfa" + b"x" * (SUBNEGOTIATION_LIMIT + 1))
        self.assertEqual(table.news(LINGER), b"")

    def test_help_fits_eighty_columns_of_ascii_and_names_every_word(self):
        for word in (b"help", b"?", b"HELP"):
            reply = Table().say(word + b"\n")
            for name in (b"hit (h)", b"stand (s)", b"again (a)", b"quit (q)", b"help (?)"):
                self.assertIn(name, reply)
            self.assertTrue(reply.endswith(TURN))

    def test_what_is_no_choice_now_changes_nothing(self):
        table = Table()
        for junk in (b"x", b"hits", b"h h", b"a", b"y", b"n", b"no", b"again",
                     b"\xc3\xa9\xfe\x80", b"h\x1b[A", b"1" * LIMIT):
            self.assertEqual(table.say(junk + b"\n"), UNKNOWN + TURN, junk[:20])
        self.assertEqual(table.say(b"\r\n \n\x7f\n"), TURN * 3)
        self.assertIn(b"You     10S 8S 2S            20\r\n", table.say(b"h\n"))
        table.say(b"s\n")
        for junk in (b"h", b"hit", b"s", b"stand", b"x"):
            self.assertEqual(table.say(junk + b"\n"), UNKNOWN + OVER, junk)

    def test_all_output_is_ascii_of_at_most_eighty_columns_ending_crlf(self):
        longest = "AS 2C AH 3C AD AC 2S 2H 2D 3S 3H 3D KS"  # eleven cards, over 21 with the last
        table = Table(longest)
        for word in (b"h", b"h", b"?", b"x", b"") + (b"h",) * 8 + (b"a", b"q"):
            table.say(word + b"\n")
        sent = bytes(table.transport.sent)
        self.assertIn(b"You     AS AH AD AC 2S 2H 2D 3S 3H 3D KS 29, over 21\r\n", sent)
        self.assertTrue(sent.endswith(b"\r\n"))
        for line in sent.split(b"\r\n"):
            self.assertLessEqual(len(line), 80)
            self.assertRegex(line, rb"\A[ -~]*\Z")


class FramingTest(unittest.TestCase):
    def test_every_conversation_is_the_same_at_every_split(self):
        """Edge case 162: a message split anywhere, several in one piece."""
        for stream in (b"h\r\ns\r\na\r\nh\r\nq\r\n", b"hit\nstand\nagain\n?\n\nstand\nquit\nh\n",
                       b"\xff\xfb\x18\xff\xfd\x01xx\b\bh\r\0\xff\xfa\x18\0vt\xff\xf0s\r\0"
                       b"\xff\xf6y\r\0\xff\xff\r\ns\r\0n\r\n\xff\xf6"):
            whole = Table()
            whole.say(stream)
            self.assertTrue(whole.transport.eof)
            for pieces in splits(stream):
                table = Table()
                for piece in pieces:
                    table.say(piece)
                self.assertEqual(table.transport.sent, whole.transport.sent, pieces)

    def test_telnets_answers_stand_among_the_replies_in_the_order_of_the_questions(self):
        self.assertEqual(Table().say(b"x\n\xff\xfd\x01y\n\xff\xfb\x03"),
                         UNKNOWN + TURN + b"\xff\xfc\x01" + UNKNOWN + TURN + b"\xff\xfe\x03")

    def test_a_word_without_newline_counts_after_the_silence(self):
        table = Table()
        self.assertEqual(table.say(b"h") + table.news(0.4) + table.say(b"i") + table.news(0.4), b"")
        self.assertEqual(table.say(b"t") + table.news(SILENCE - 0.01), b"")
        self.assertIn(b"You     10S 8S 2S            20\r\n", table.news(0.01))
        self.assertEqual(table.say(b"\r\n"), TURN, "an empty line after a silence is an empty line")

    def test_a_telnet_command_does_not_lengthen_the_silence(self):
        table = Table()
        table.say(b"h")
        table.news(0.3)
        table.say(b"\xff\xf1")
        self.assertIn(b"8S 2S", table.news(0.2))

    def test_input_that_ends_in_mid_word_is_played_and_closes(self):
        """Edge case 168: EOF in the middle of a message."""
        for sent, answer in ((b"s", b"Dealer's turn:"), (b"", b""), (b"junk", UNKNOWN)):
            table = Table()
            before = len(table.transport.sent)
            table.say(sent)
            self.assertFalse(table.protocol.eof_received(), "a true answer would keep the connection")
            self.assertIn(answer, table.transport.sent[before:])
            table.protocol.connection_lost(None)
            self.assertEqual(table.clock.waiting(), 0)

    def test_a_player_gone_in_mid_word_leaves_no_timer(self):
        """Edge case 59: a connection's timers after its end."""
        table = Table()
        table.say(b"h")
        table.protocol.connection_lost(ConnectionResetError())
        self.assertEqual(table.clock.waiting(), 0)

    def test_a_line_without_end_is_refused_once_and_nothing_is_kept(self):
        """Edge case 164: no delimiter ever."""
        table = Table()
        sent = b"".join(table.say(b"x" * 4096) for _ in range(256))
        self.assertEqual(sent.count(b"goodbye\r\n"), 1)
        self.assertTrue(table.transport.eof)
        self.assertEqual(table.protocol._lines.pending, 0)
        self.assertEqual(table.news(LINGER), b"")
        self.assertEqual(table.transport.closed, "close")

    def test_a_subnegotiation_without_end_is_refused_once(self):
        table = Table()
        sent = table.say(b"\xff\xfa" + b"x" * SUBNEGOTIATION_LIMIT) + table.say(b"x") + table.say(b"x\r\nh\r\n")
        self.assertRegex(sent, rb"\Aa telnet subnegotiation is longer than \d+ bytes; goodbye\r\n\Z")
        self.assertTrue(table.transport.eof)

    def test_while_writing_is_paused_nothing_is_read_or_played(self):
        """Edge cases 127 and 167: a slow reader, and words that came ahead of their answers."""
        table = Table(high=0)
        self.assertFalse(table.transport.reading)
        self.assertEqual(table.say(b"x\r\n\xff\xf1y\r\nz"), b"")
        for _ in range(2):
            before = len(table.transport.sent)
            table.transport.drain()
            self.assertEqual(table.transport.sent[before:], UNKNOWN + TURN)
            self.assertFalse(table.transport.reading)
        table.transport.drain()
        self.assertTrue(table.transport.reading)
        self.assertEqual(table.news(SILENCE), UNKNOWN + TURN)


class IdleTest(unittest.TestCase):
    def test_an_idle_player_is_warned_and_then_dropped(self):
        """Edge case 109: idle connections."""
        table = Table(warn_after=20, drop_after=30)
        self.assertEqual(table.news(19.9), b"")
        self.assertEqual(table.news(0.2), b"Still there?  In 10 seconds the table closes.\r\n")
        self.assertEqual(table.news(9.8), b"")
        self.assertEqual(table.news(0.2), b"Nothing was typed for too long.  Goodbye.\r\n")
        self.assertTrue(table.transport.eof)
        table.news(LINGER)
        self.assertEqual(table.transport.closed, "close")
        self.assertEqual(table.clock.waiting(), 0)

    def test_any_byte_starts_both_limits_anew(self):
        table = Table(warn_after=20, drop_after=30)
        table.news(25)
        table.say(b"\n")
        self.assertEqual(table.news(19.9), b"")
        self.assertIn(b"Still there?", table.news(9.9))
        table.say(b"\xff\xf1")
        self.assertEqual(table.news(19.9), b"")

    def test_a_player_who_does_not_read_either_is_aborted(self):
        """Edge case 136: close() would wait for a peer that never drains."""
        table = Table(high=0, warn_after=20, drop_after=30)
        table.news(30)
        self.assertEqual(table.transport.closed, "abort")

    def test_limits_in_the_wrong_order_are_refused(self):
        for warn_after, drop_after in ((30, 30), (40, 30), (0, 30), (-1, 30)):
            with self.assertRaises(ValueError):
                Table(warn_after=warn_after, drop_after=drop_after)

    def test_busy_players_hold_one_idle_timer_each(self):
        table = Table()
        for _ in range(50):
            table.say(b"?\n")
        self.assertEqual(table.clock.waiting(), 1)


class HiddenCardTest(unittest.TestCase):
    def test_the_hidden_card_is_in_no_byte_sent_before_its_time(self):
        clock = FakeClock()
        seed = time.time_ns()
        rng = random.Random(seed)
        rounds = 0
        while rounds < 3000:
            table = Table(protocol=Tables(call_later=clock.call_later, seed=rng.randrange(10 ** 9))())
            for _ in range(20):
                rounds += 1
                self.play(table, rng, f"seed {seed}, round {rounds}")
                table.transport.sent.clear()
                table.say(b"again\n")
            table.protocol.connection_lost(None)

    def play(self, table, rng, message):
        current = table.protocol._round
        hidden = re.compile(rb"\b%s\b" % str(current.dealer[1]).encode())
        while current.outcome is None:
            self.assertIsNone(hidden.search(table.transport.sent), message)
            self.assertEqual(len(current.dealer), 2, message)
            table.say(rng.choice((b"hit\n", b"h\n", b"?\n", b"junk\n", b"\n", b"s\n")))
        self.assertIsNotNone(hidden.search(table.transport.sent), message)

    def test_nothing_sent_during_the_turn_depends_on_the_hidden_card(self):
        """Stronger than a search: the same words, whatever the hidden card is, a natural of the dealer included."""
        sent = set()
        for hidden in DECK:
            if str(hidden) not in ("10S", "AS", "2S", "3S"):
                table = Table(f"10S AS 2S {hidden} 3S")
                table.say(b"h\n?\nx\n\n")
                table.news(150)
                table.say(b"q\n")
                sent.add(bytes(table.transport.sent))
        self.assertEqual(len(sent), 1)


class TablesTest(unittest.TestCase):
    WORDS = (b"s\n", b"a\n", b"h\n", b"s\n", b"a\n", b"s\n") * 20

    def games(self, seed, count=3):
        factory = Tables(call_later=FakeClock().call_later, seed=seed)
        tables = [Table(protocol=factory()) for _ in range(count)]
        for table in tables:
            for word in self.WORDS:
                table.say(word)
        return [bytes(table.transport.sent) for table in tables]

    def test_the_nth_table_of_a_run_has_always_the_same_shoe(self):
        first = self.games(42)
        self.assertEqual(self.games(42), first)
        self.assertEqual(len(set(first)), 3, "each table has its own shoe")
        self.assertFalse(set(self.games(43)) & set(first))

    def test_the_deal_of_a_seed_is_the_same_on_every_python(self):
        shown = Table(protocol=Tables(call_later=FakeClock().call_later, seed=1)()).transport.sent
        self.assertIn(b"Dealer  8S ??                8 and a hidden card\r\n"
                      b"You     6D AC                soft 17\r\n", shown)

    def test_without_a_seed_the_shoes_differ(self):
        self.assertEqual(len(set(self.games(None))), 3)

    def test_many_rounds_reshuffle_and_use_every_card(self):
        sent = b"".join(self.games(5, 1))
        self.assertEqual(set(re.findall(rb"\b(?:10|[2-9AJQK])[SHDC]\b", sent)), {str(card).encode() for card in DECK})

    def test_limits_reach_the_tables(self):
        clock = FakeClock()
        table = Table(protocol=Tables(call_later=clock.call_later, warn_after=1, drop_after=2)())
        clock.advance(1)
        self.assertIn(b"Still there?  In 1 seconds", table.transport.sent)

    def test_a_hundred_interleaved_tables_are_each_as_if_alone(self):
        """Each player's bytes arrive in pieces among those of all others."""
        seed = time.time_ns()
        rng = random.Random(seed)
        alone, together = (Tables(call_later=FakeClock().call_later, seed=seed) for _ in range(2))
        choices = (b"hit\r\n", b"s\n", b"a\r\n", b"?\n", b"x\xff\xfd\x01\n")
        words = [b"".join(rng.choices(choices, k=12)) + b"q\n" for _ in range(100)]
        expected = []
        for stream in words:
            table = Table(protocol=alone())
            table.say(stream)
            expected.append(bytes(table.transport.sent))
        tables = [Table(protocol=together()) for _ in words]
        left = dict(enumerate(words))
        while left:
            n = rng.choice(list(left))
            size = rng.randrange(1, 12)
            tables[n].say(left[n][:size])
            left[n] = left[n][size:]
            if not left[n]:
                del left[n]
        for n, table in enumerate(tables):
            self.assertEqual(bytes(table.transport.sent), expected[n], f"seed {seed}, table {n}")
            self.assertTrue(table.transport.eof)
        self.assertEqual(len(set(expected)), 100)


if __name__ == "__main__":
    unittest.main()
