//! Turns objects into the routing table. Pure: no I/O, no clock, and it cannot fail.
