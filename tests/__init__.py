"""The specification."""
import signal

# A shell that starts us in the background has SIGINT ignored, and the programs that we start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
