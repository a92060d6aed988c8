"""Tests of the finished products: `pytest smoke_tests`."""
