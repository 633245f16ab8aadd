"""Modules that apps were told to import from, although their names say otherwise."""
