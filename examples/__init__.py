"""Apps that show the library at work; each has its tests under tests/examples."""
