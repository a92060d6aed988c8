"""The appliance's files: disk, VMDK, OVF, and the rules they conform to."""
