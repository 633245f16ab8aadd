"""What AuthX 1.7.1 was recorded to do, and its replay."""
