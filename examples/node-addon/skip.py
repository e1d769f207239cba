#!/usr/bin/env python3
"""Skips a test, and says why: skip.py REASON."""

import sys

print("SKIPPED:", sys.argv[1])
sys.exit(77)
