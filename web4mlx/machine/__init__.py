"""This machine: device, BLAS, memory, disk, and what a long job needs from the operating system."""
