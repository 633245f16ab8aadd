"""What ``bench_wire`` is made of: the servers, the load generator, and the clocks."""
