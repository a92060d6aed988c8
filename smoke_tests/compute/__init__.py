"""Does torch compute right here, on the CPU and on the GPU: `python -m pytest smoke_tests/compute`.

This folder is part of every product, as /opt/course/verify, where `course-verify` runs it.
"""
