"""Tests of the appliance: its import into a real VirtualBox, and its life in QEMU."""
