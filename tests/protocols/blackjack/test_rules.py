"""The rules against a judge that shares no code with them: protocols/blackjack/rules.py."""
import itertools
import random
import time
import unittest

from protocols.blackjack.cards import DECK, RANKS, Card, Shoe
from protocols.blackjack.rules import Outcome, Round, is_natural, judge, play_dealer, total


def hand(text):
    """The hand of these ranks, of one suit: what a hand is worth depends on ranks alone."""
    return [Card(rank, "S") for rank in text.split()]


VALUES = dict(zip("2 3 4 5 6 7 8 9 10 J Q K".split(), [(n,) for n in range(2, 11)] + [(10,)] * 3), A=(1, 11))


def all_totals(cards):
    """Every total that some choice of 1 or 11 for each ace gives."""
    return {sum(choice) for choice in itertools.product(*(VALUES[card.rank] for card in cards))}


def best(cards):
    """By brute force: the best total up to 21, or 0 for a hand that is over 21 however its aces count."""
    return max((value for value in all_totals(cards) if value <= 21), default=0)


def brute_force_winner(player, dealer):
    """'you', 'dealer' or 'push', from complete hands."""
    if not best(player):
        return "dealer"
    naturals = [len(cards) == 2 and best(cards) == 21 for cards in (player, dealer)]
    if naturals[0] != naturals[1]:
        return "you" if naturals[0] else "dealer"
    if best(player) == best(dealer):
        return "push"
    return "you" if best(player) > best(dealer) else "dealer"


WINNER = {Outcome.WIN: "you", Outcome.LOSS: "dealer", Outcome.PUSH: "push"}


class TotalTest(unittest.TestCase):
    def test_totals_as_they_are_written(self):
        for cards, text in (("10 7", "17"), ("A 6", "soft 17"), ("A 6 10", "17"), ("A A", "soft 12"),
                            ("A K", "soft 21"), ("A A 9", "soft 21"), ("A A 10", "12"), ("J Q K", "30"),
                            ("A", "soft 11"), ("5 5 A", "soft 21"), ("9 2 A A", "13")):
            self.assertEqual(str(total(hand(cards))), text, cards)

    def test_every_hand_of_up_to_four_ranks_agrees_with_brute_force(self):
        for size in range(1, 5):
            for ranks in itertools.combinations_with_replacement(RANKS, size):
                cards = [Card(rank, "H") for rank in ranks]
                value, soft = total(cards)
                self.assertEqual(value, best(cards) or min(all_totals(cards)), ranks)
                self.assertEqual(soft, value in {v + 10 for v in all_totals(cards)}, ranks)


class JudgeTest(unittest.TestCase):
    def test_who_wins(self):
        for player, dealer, outcome in (
                ("10 9", "10 8", Outcome.WIN), ("10 7", "10 8", Outcome.LOSS), ("10 8", "9 9", Outcome.PUSH),
                ("A K", "7 7 7", Outcome.WIN), ("7 7 7", "A K", Outcome.LOSS), ("A K", "A Q", Outcome.PUSH),
                ("7 7 7", "6 6 9", Outcome.PUSH), ("10 6 6", "10 6 6", Outcome.LOSS), ("2 2", "10 6 6", Outcome.WIN)):
            self.assertIs(judge(hand(player), hand(dealer)), outcome, (player, dealer))


class DealerTest(unittest.TestCase):
    def test_the_dealer_stands_on_17_soft_too_and_draws_on_16(self):
        for start, drawn, end in (("10 7", "", "10 7"), ("A 6", "", "A 6"), ("10 6", "2", "10 6 2"),
                                  ("A 5", "10 4", "A 5 10 4"),
                                  ("2 2", "2 2 2 2 2 2 2", "2 2 2 2 2 2 2 2 2"), ("10 6", "K", "10 6 K")):
            cards, draw = hand(start), iter(hand(drawn))
            play_dealer(cards, lambda: next(draw))
            self.assertEqual(cards, hand(end))
            self.assertEqual(list(draw), [])

    def test_final_totals_of_an_infinite_deck_have_their_known_probabilities(self):
        """Against an exact recursion over the thirteen equally likely ranks, within 4.5 standard errors."""
        exact = dealer_probabilities()
        self.assertAlmostEqual(exact["bust"], 0.2816, places=4)  # as published, for a dealer who stands on soft 17
        seed, games = time.time_ns(), 20000
        rng = random.Random(seed)

        def draw():
            return rng.choice(DECK)

        counts = dict.fromkeys(exact, 0)
        for _ in range(games):
            cards = [draw(), draw()]
            play_dealer(cards, draw)
            counts["natural" if is_natural(cards) else best(cards) or "bust"] += 1
        for end, probability in exact.items():
            error = (probability * (1 - probability) / games) ** 0.5
            self.assertLess(abs(counts[end] / games - probability), 4.5 * error, f"seed {seed}: {end}")


def dealer_probabilities():
    ends = dict.fromkeys((17, 18, 19, 20, 21, "natural", "bust"), 0.0)

    def play(low, has_ace, size, probability):
        value = low + 10 if has_ace and low + 10 <= 21 else low
        if value >= 17 and size >= 2:
            ends["bust" if value > 21 else "natural" if size == 2 and value == 21 else value] += probability
            return
        for points in range(1, 11):
            play(low + points, has_ace or points == 1, size + 1, probability * (4 if points == 10 else 1) / 13)

    play(0, False, 0, 1.0)
    return ends


class RoundTest(unittest.TestCase):
    def deal(self, ranks):
        """A round from a shoe in this order: player, dealer, player, dealer's hidden card, then what is drawn."""
        cards = iter(hand(ranks))
        return Round(lambda: next(cards))

    def test_cards_are_dealt_in_turn(self):
        round_ = self.deal("2 3 4 5")
        self.assertEqual((round_.player, round_.dealer, round_.outcome), (hand("2 4"), hand("3 5"), None))

    def test_a_natural_ends_the_round_at_once(self):
        self.assertIs(self.deal("A 9 K 9").outcome, Outcome.WIN)
        self.assertIs(self.deal("A A K K").outcome, Outcome.PUSH)

    def test_a_natural_of_the_dealer_waits_for_the_player(self):
        round_ = self.deal("7 A 7 K 7")
        self.assertIsNone(round_.outcome)
        round_.hit()
        self.assertIsNone(round_.outcome)
        round_.stand()
        self.assertIs(round_.outcome, Outcome.LOSS)

    def test_a_player_over_21_loses_and_the_dealer_draws_nothing(self):
        round_ = self.deal("10 5 6 5 K")
        round_.hit()
        self.assertIs(round_.outcome, Outcome.LOSS)
        self.assertEqual(round_.dealer, hand("5 5"))

    def test_after_the_end_nothing_can_be_played(self):
        round_ = self.deal("A 9 K 9")
        self.assertRaises(ValueError, round_.hit)
        self.assertRaises(ValueError, round_.stand)
        self.assertEqual(round_.player, hand("A K"))

    def test_ten_thousand_games_agree_with_the_brute_force_judge(self):
        seed = time.time_ns()
        rng = random.Random(seed)
        shoe = Shoe(rng.shuffle)
        seen = dict.fromkeys(Outcome, 0)
        for game in range(10000):
            shoe.clear_table()
            round_ = Round(shoe.draw)
            with_two = len(round_.player) == 2 and best(round_.player) == 21
            self.assertEqual(round_.outcome is not None, with_two, f"seed {seed}, game {game}")
            stood = with_two
            while round_.outcome is None:
                self.assertEqual(len(round_.dealer), 2, f"seed {seed}, game {game}")
                if rng.random() < (21 - best(round_.player)) / 9:
                    round_.hit()
                else:
                    round_.stand()
                    stood = True
            message = f"seed {seed}, game {game}: {round_.player} {round_.dealer}"
            self.assertEqual(WINNER[round_.outcome], brute_force_winner(round_.player, round_.dealer), message)
            if stood and not with_two:
                self.assertTrue(best(round_.dealer) >= 17 or not best(round_.dealer), message)
                self.assertTrue(0 < best(round_.dealer[:-1]) < 17 or len(round_.dealer) == 2, message)
            else:
                self.assertEqual(len(round_.dealer), 2, message)
            seen[round_.outcome] += 1
        self.assertTrue(all(count > 200 for count in seen.values()), seen)


if __name__ == "__main__":
    unittest.main()
