"""Attacks: fuzzed calls, forged files and messages, killed saves, forks, and faults of the disk.

A test of each attack is short. The long attacks are commands::

    python -m tests.fuzz.calls 100000
    python -m tests.fuzz.forged_files 10000
    python -m tests.fuzz.forks 100
    python -m tests.fuzz.killed_saves 200

They print a table, and their exit status is 1 if a row that must be 0 is not.
"""
