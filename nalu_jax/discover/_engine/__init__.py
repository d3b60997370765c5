"""The search for formulas, in NumPy: nothing is compiled, so that every call costs the same.

What a formula may be is in `forms`; `search` leads through the other rooms:
columns -> library -> starts -> fit -> rounding -> evidence -> rivals -> verdict.
All numbers that decide are in `settings`.
"""
