"""The shoe: protocols/blackjack/cards.py."""
import random
import unittest

from protocols.blackjack.cards import DECK, Shoe


def unshuffled(cards):
    pass


class ShoeTest(unittest.TestCase):
    def test_a_shoe_is_one_deck_in_the_order_of_the_shuffle(self):
        expected = list(DECK)
        random.Random(7).shuffle(expected)
        shoe = Shoe(random.Random(7).shuffle)
        self.assertEqual([shoe.draw() for _ in DECK], expected[::-1])
        self.assertEqual(len(set(DECK)), 52)
        self.assertEqual({str(card) for card in DECK if card.rank == "10"}, {"10S", "10H", "10D", "10C"})

    def test_all_is_shuffled_between_rounds_once_under_a_quarter_is_left(self):
        for drawn, left in ((38, 14), (39, 13), (40, 52)):
            shoe = Shoe(unshuffled)
            for _ in range(drawn):
                shoe.draw()
            self.assertEqual(len(shoe), 52 - drawn)
            shoe.clear_table()
            self.assertEqual(len(shoe), left, drawn)
            self.assertEqual(len({shoe.draw() for _ in range(left)}), left)

    def test_a_shoe_that_runs_out_in_mid_round_shuffles_the_discarded_cards_alone(self):
        shuffled = []
        shoe = Shoe(lambda cards: shuffled.append(list(cards)))
        discarded = [shoe.draw() for _ in range(39)]
        shoe.clear_table()
        table = [shoe.draw() for _ in range(20)]
        self.assertEqual(shuffled[1:], [discarded])
        self.assertEqual(len(set(table)), 20, "a card is on the table twice")
        shoe.clear_table()
        self.assertEqual(len(shoe), 32)
        table = [shoe.draw() for _ in range(20)]
        self.assertEqual(len(set(table)), 20)

    def test_no_card_is_on_the_table_twice_over_many_rounds(self):
        rng = random.Random(11)
        shoe = Shoe(rng.shuffle)
        for _ in range(1000):
            shoe.clear_table()
            size = rng.randrange(1, 24)
            self.assertEqual(len({shoe.draw() for _ in range(size)}), size)


if __name__ == "__main__":
    unittest.main()
