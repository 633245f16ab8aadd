"""What a stranger may send, tried for as long as somebody likes. Not a part of the tests: `make fuzz`."""
