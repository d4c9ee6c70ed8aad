"""What a support session is and what may be done to it: pure, without clock, chance or I/O."""
