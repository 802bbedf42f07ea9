"""Every protocol of this package, unchanged, under asyncio's own event loop: an oracle that we did not write.

Over a socketpair, and over TCP where an address is needed.
"""
import asyncio
import hashlib
import selectors
import socket
import unittest
from datetime import datetime

from protocols.address_book import AddressBook
from protocols.bulk import BulkReceiver, BulkSender
from protocols.clock import Clock
from protocols.echo import Echo
from protocols.hello import Hello
from protocols.idle import IdleLimit
from protocols.uppercase import Uppercase, UppercaseDatagrams, UppercaseLines


class UnderAsyncioTest(unittest.TestCase):
    def setUp(self):
        self.loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
        self.addCleanup(self.loop.close)
        self.errors = []
        self.loop.set_exception_handler(lambda loop, context: self.errors.append(context))

    def tearDown(self):
        self.assertEqual(self.errors, [])

    def run_for(self, seconds, coroutine):
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, seconds))

    async def until_lost(self, transport):
        for _ in range(1000):
            if transport.is_closing():
                break
            await asyncio.sleep(0)
        await asyncio.sleep(0)  # connection_lost follows in the next turn

    def talk(self, protocol, sent, half_close=True, small=False):
        """All that `protocol` answers to `sent` over a socketpair, until its end of file."""
        async def conversation():
            ours, theirs = socket.socketpair()
            if small:  # so that a partial send is certain
                for sock in ours, theirs:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
            transport, _ = await self.loop.connect_accepted_socket(lambda: protocol, ours)
            reader, writer = await asyncio.open_connection(sock=theirs)
            try:
                writer.write(sent)
                if half_close:
                    writer.write_eof()
                return await reader.read()
            finally:
                writer.close()
                await self.until_lost(transport)
        return self.run_for(5, conversation())

    def test_echo_with_a_half_close(self):
        data = bytes(range(256)) * 4000
        self.assertEqual(self.talk(Echo(), data, small=True), data)

    def test_uppercase(self):
        self.assertEqual(self.talk(Uppercase(), b"John\xff" * 100000, small=True), b"JOHN\xff" * 100000)
        self.assertEqual(self.talk(Uppercase(once=True), b"john", half_close=False), b"JOHN")

    def test_uppercase_lines(self):
        protocol = UppercaseLines(call_later=self.loop.call_later)
        self.assertEqual(self.talk(protocol, b"one\r\ntwo\n\nthree\n", half_close=False), b"ONE\r\nTWO\r\n")

    def test_hello_names_the_address(self):
        async def conversation():
            server = await self.loop.create_server(Hello, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            answer = await reader.read()
            writer.close()
            server.close()
            await server.wait_closed()
            return answer
        self.assertEqual(self.run_for(5, conversation()), b"Hello 127.0.0.1\r\n")

    def test_hello_over_a_unix_socket(self):
        self.assertEqual(self.talk(Hello(), b""), b"Hello localhost\r\n")

    def test_address_book_with_framed_requests_and_one_that_ends_with_the_input(self):
        protocol = AddressBook(call_later=self.loop.call_later)
        self.assertEqual(self.talk(protocol, b"Adam\r\nPhoebe\njohn"), b"B23\r\nD52\r\nC45\r\n")

    def test_a_silence_ends_a_request(self):
        async def conversation():
            ours, theirs = socket.socketpair()
            protocol = AddressBook(call_later=self.loop.call_later)
            transport, _ = await self.loop.connect_accepted_socket(lambda: protocol, ours)
            reader, writer = await asyncio.open_connection(sock=theirs)
            writer.write(b"John")
            start = self.loop.time()
            answer = await reader.readline()
            writer.close()
            await self.until_lost(transport)
            return answer, self.loop.time() - start
        answer, seconds = self.run_for(5, conversation())
        self.assertEqual(answer, b"C45\r\n")
        self.assertGreaterEqual(seconds, 0.49)

    def test_replies_to_a_client_that_reads_late_wait_in_the_protocol(self):
        protocol = AddressBook(call_later=self.loop.call_later)
        self.assertEqual(self.talk(protocol, b"John\n" * 5000, small=True), b"C45\r\n" * 5000)

    def test_a_mebibyte_without_newline_is_refused_with_one_message(self):
        """Edge case 164."""
        protocol = AddressBook(call_later=self.loop.call_later)
        self.assertEqual(self.talk(protocol, b"x" * 1024 * 1024, small=True),
                         b"a line is longer than 8192 bytes; goodbye\r\n")

    def test_clock(self):
        protocol = Clock(call_later=self.loop.call_later, now=lambda: datetime(2019, 2, 19, 15, 50, 40))
        self.assertEqual(self.talk(protocol, b"date\nTIME\nwhy?"),
                         b"2019-02-19\r\n15:50:40\r\nUNKNOWN OPTION: WHY?\r\n")

    def test_bulk_between_our_sender_and_a_slow_receiver(self):
        async def transfer():
            ended = self.loop.create_future()
            ours, theirs = socket.socketpair()
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
            sender = BulkSender(call_later=self.loop.call_later, total=1000003, on_end=ended.set_result)
            receiver = BulkReceiver(call_later=self.loop.call_later, rate=10_000_000)
            await self.loop.connect_accepted_socket(lambda: receiver, theirs)
            await self.loop.connect_accepted_socket(lambda: sender, ours)
            await ended
            return sender, receiver
        sender, receiver = self.run_for(5, transfer())
        self.assertTrue(sender.verified)
        self.assertGreater(sender.pauses, 0)
        digest = hashlib.sha256((b"foobar\n" * 142858)[:1000003]).hexdigest()
        self.assertEqual(receiver.verdict, f"1000003 bytes, sha256 {digest}")

    def test_the_idle_limit_closes_a_silent_connection(self):
        """Edge case 109."""
        limit = IdleLimit(Echo(), 0.1, call_later=self.loop.call_later, time=self.loop.time)
        start = self.loop.time()
        self.assertEqual(self.talk(limit, b"hello", half_close=False), b"hello")
        self.assertGreaterEqual(self.loop.time() - start, 0.09)

    def test_datagrams(self):
        """None is empty: asyncio sent no empty datagrams before Python 3.13."""
        async def exchange():
            transport, _ = await self.loop.create_datagram_endpoint(UppercaseDatagrams, ("127.0.0.1", 0))
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            client.settimeout(5)
            answers = []
            for data in (b"john", b"caf\xe9", b"x" * 9000):
                client.sendto(data, transport.get_extra_info("sockname"))
                answers.append(await self.loop.run_in_executor(None, client.recv, 65536))
            client.close()
            transport.close()
            await asyncio.sleep(0)
            return answers
        self.assertEqual(self.run_for(5, exchange()), [b"JOHN", b"CAF\xe9", b"X" * 9000])


if __name__ == "__main__":
    unittest.main()
