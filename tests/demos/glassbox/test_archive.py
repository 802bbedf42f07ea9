"""A recording read from any turn on, in both directions, in bounded memory."""
import random
import unittest

from demos.glassbox import archive
from demos.glassbox.archive import Archive

from .making import Recorded, long_echo

try:
    import tracemalloc
except ImportError:  # PyPy
    tracemalloc = None


class TheArchive(Recorded):

    def open(self, path):
        file = open(path, "rb")
        self.addCleanup(file.close)
        return Archive(file, "a.rec")

    def test_turns_come_in_order_with_all_their_events(self):
        book = self.open(self.write("a.rec", long_echo(300)))
        turns = list(book.turns())
        self.assertEqual(list(range(300)), [turn[0].turn for turn in turns])
        self.assertEqual(["adopted", "turn", "ready", "received", "sent", "ran"], [event.kind for event in turns[0]])
        self.assertEqual([turns[7]], list(book.turns(7, 7)))

    def test_any_turn_and_the_one_before_from_anywhere(self):
        self.patch(archive, "MOST", 8)
        book = self.open(self.write("a.rec", long_echo(500)))
        seed = random.randrange(1 << 30)
        chance = random.Random(seed)
        for _ in range(100):
            turn = chance.randrange(1, 500)
            with self.subTest(seed=seed, turn=turn):
                self.assertEqual(turn, next(book.turns(turn))[0].turn)
                self.assertEqual(turn - 1, book.before(turn)[0].turn)
        self.assertLessEqual(len(book._bookmarks), 8)
        self.assertIsNone(book.before(0))
        self.assertEqual([], list(book.turns(500)))

    def test_turns_that_are_not_there_are_passed_over(self):
        events = [event for event in long_echo(100) if event[1] % 10 == 0]
        book = self.open(self.write("a.rec", events))
        self.assertEqual(50, next(book.turns(41))[0].turn)
        self.assertEqual(40, book.before(50)[0].turn)
        self.assertEqual(40, book.before(45)[0].turn)

    def test_readers_told_only_when_they_change_are_known_from_any_turn_on(self):
        path = self.echo_of(*[b"x"] * 200)
        book = self.open(path)
        whole = {turn[0].turn: turn for turn in book.turns()}
        for turn in (150, 3, 77):
            self.assertEqual(whole[turn], next(book.turns(turn)))

    def test_a_recording_cut_off_at_any_byte_gives_what_is_whole(self):
        path = self.echo_of(b"one", b"two")
        with open(path, "rb") as file:
            data = file.read()
        begin = data.index(b"\n") + 1
        for end in range(begin, len(data)):
            with open(path, "wb") as file:
                file.write(data[:end])
            book = self.open(path)
            self.assertEqual(data[begin:end].count(b"\n"), sum(len(turn) for turn in book.turns()), end)
            book._file.close()

    @unittest.skipIf(tracemalloc is None, "this Python does not trace its memory")
    def test_memory_does_not_grow_with_the_length(self):
        self.patch(archive, "MOST", 64)

        def peak(turns):
            book = self.open(self.write("a.rec", long_echo(turns)))
            tracemalloc.start()
            try:
                for _ in book.turns():
                    pass
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

        peak(100)
        self.assertLess(peak(4000), 1.2 * peak(1000) + 20000)


if __name__ == "__main__":
    unittest.main()
