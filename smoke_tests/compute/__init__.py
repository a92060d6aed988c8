"""Does torch compute right here, on the CPU and on the GPU: `python -m pytest smoke_tests/compute`."""
