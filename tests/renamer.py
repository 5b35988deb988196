"""A program that swaps two names without a pause, and with no moment in which either is missing."""

RENAMER = """
import ctypes, sys
swap = ctypes.CDLL(None).renameat2
one, other = (name.encode() for name in sys.argv[1:])
print("swapping", flush=True)
while True:
    for _ in range(1000):
        swap(-100, one, -100, other, 2)
"""
