"""Doubles and real counterparts for the tests; nothing here is collected as a test."""
