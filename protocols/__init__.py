"""What the bytes mean: pure protocol objects, without reactor, socket or clock.

    base             the callbacks, and the transport as a protocol sees it
    lines, prefixed  framings: bytes in, messages out
    echo, uppercase, hello, bulk              streams
    request_reply    a request, a reply: the base of address_book and clock
    idle             a time limit around any of them
    telnet           its commands and line editing, taken out of the text
    blackjack        one table for each connection
"""
