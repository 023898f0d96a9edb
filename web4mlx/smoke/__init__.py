"""The smoke tests: does what was built work as a whole, on the real store, with the real model."""
