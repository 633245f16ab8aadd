"""What apps write, as type checkers see it: read by mypy and pyright, never run.

A wrong use has a ``type: ignore`` beside it. Both checkers report one that is not needed, so a wrong use that
passes unnoticed fails the check.
"""
