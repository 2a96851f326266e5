"""Speed and memory, beside others and beside a bare loop, in one run: ``make bench``."""
