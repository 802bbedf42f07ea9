"""The outbound queue: reactor/outbound.py."""
import os
import random
import tempfile
import unittest

from reactor import outbound
from reactor.outbound import JOINED, SMALL, FileSlice, OutboundQueue

from ..case import Case


def queue_of(*chunks):
    queue = OutboundQueue()
    for chunk in chunks:
        queue.append(chunk)
    return queue


class OutboundQueueTest(Case):
    def test_size_counts_what_is_left_and_a_partial_send_keeps_the_rest_at_the_head(self):
        """Edge case 110: the rest stays at the head, and the bytes are counted."""
        queue = queue_of(b"hello", b" ", b"world")
        self.assertEqual((11, b"hello world"), (queue.size, queue.head()))
        queue.took(3)
        self.assertEqual((8, b"lo world"), (queue.size, bytes(queue.head())))
        queue.took(8)
        self.assertEqual(0, queue.size)

    def test_nothing_taken_changes_nothing(self):
        """Edge case 111: EAGAIN although select said writable keeps everything."""
        queue = queue_of(b"all of it")
        head = queue.head()
        queue.took(0)
        self.assertIs(head, queue.head())
        self.assertEqual(9, queue.size)

    def test_small_chunks_leave_together_and_a_large_one_is_never_copied(self):
        """Edge cases 125 and 126: many small writes are one system call, a huge one is offered by view."""
        large = bytes(SMALL)
        queue = queue_of(b"a", b"b", large, b"c")
        self.assertEqual(b"ab" + large + b"c", bytes(queue.head()))
        huge = bytes(JOINED + 1)
        queue = queue_of(huge, b"c")
        self.assertIs(huge, queue.head())
        queue.took(1)
        self.assertIs(huge, queue.head().obj, "the rest of a huge chunk must be a view of it")

    def test_joining_never_makes_more_than_the_limit(self):
        chunk = bytes(SMALL - 1)
        queue = queue_of(*[chunk] * 10)
        self.assertLessEqual(len(queue.head()), JOINED)
        self.assertGreater(len(queue.head()), JOINED - SMALL)

    def test_a_tiny_write_between_huge_ones_keeps_its_place(self):
        huge = bytes([1]) * (JOINED + 5)
        queue = queue_of(b"a", huge, b"b", huge, b"c")
        self.assertEqual(b"a" + huge + b"b" + huge + b"c", drained(queue, lambda offered: offered))

    def test_any_sizes_taken_in_any_portions_leave_in_order(self):
        for seed in range(30):
            rng = random.Random(seed)
            chunks = [rng.randbytes(rng.choice((1, 10, SMALL - 1, SMALL, SMALL + 1, JOINED, JOINED + 1)))
                      for _ in range(12)]
            whole = b"".join(chunks)
            taken = drained(queue_of(*chunks), lambda offered: rng.choice((0, 1, offered // 2, offered)))
            self.assertTrue(whole == taken, "seed %d: other bytes came out than went in" % seed)

    def test_a_thousand_tiny_chunks_cost_a_copy_each_not_more(self):
        """Edge case 125: O(1) for each, also when the kernel takes one byte at a time."""
        queue = queue_of(*[b"x"] * 1000)
        first = queue.head()
        self.assertEqual(1000, len(first))
        queue.took(1)
        self.assertIs(first, queue.head().obj, "joined a second time")


def drained(queue, choose):
    out = []
    while queue.size:
        head = queue.head()
        count = choose(len(head))
        out.append(bytes(head[:count]))
        queue.took(count)
    return b"".join(out)


class FileSliceTest(Case):
    def setUp(self):
        super().setUp()
        self.file = tempfile.TemporaryFile()
        self.addCleanup(self.file.close)
        self.file.write(b"0123456789")
        self.file.flush()

    def test_a_part_of_a_file_keeps_its_place_among_bytes(self):
        ours, peer = self.pair()
        queue = queue_of(b"<", FileSlice(self.file.fileno(), 2, 5), b">")
        self.file.close()  # the slice has a descriptor of its own
        self.send_all(queue, ours)
        self.assertEqual(b"<23456>", peer.recv(100))

    def test_without_sendfile_the_same_bytes_leave(self):
        self.patch(outbound, "os", WithoutSendfile())
        ours, peer = self.pair()
        queue = queue_of(FileSlice(self.file.fileno(), 2, 5), FileSlice(self.file.fileno(), 0, 1))
        self.send_all(queue, ours)
        self.assertEqual(b"234560", peer.recv(100))

    def test_a_portion_taken_advances_it(self):
        queue = queue_of(FileSlice(self.file.fileno(), 2, 5))
        queue.took(3)
        ours, peer = self.pair()
        self.send_all(queue, ours)
        self.assertEqual(b"56", peer.recv(100))

    def test_a_file_that_became_shorter_is_an_error_and_no_endless_loop(self):
        for sendfile in (True, False):
            with self.subTest(sendfile=sendfile):
                if not sendfile:
                    self.patch(outbound, "os", WithoutSendfile())
                queue = queue_of(FileSlice(self.file.fileno(), 10, 5))
                ours, _ = self.pair()
                with self.assertRaises(OSError):
                    queue.head().send(ours)
                queue.close()

    def test_what_is_forgotten_gives_its_descriptors_back(self):
        """The base class counts them."""
        queue = queue_of(b"a", FileSlice(self.file.fileno(), 0, 1), FileSlice(self.file.fileno(), 0, 1))
        queue.close()
        queue.close()

    def send_all(self, queue, sock):
        while queue.size:
            head = queue.head()
            queue.took(head.send(sock) if isinstance(head, FileSlice) else sock.send(head))


class WithoutSendfile:
    """The module os as it is on Windows."""

    def __getattr__(self, name):
        if name == "sendfile":
            raise AttributeError(name)
        return getattr(os, name)


if __name__ == "__main__":
    unittest.main()
