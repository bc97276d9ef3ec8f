"""Calls that the SDK makes to the service: the data plane and the control plane, and the delays between attempts."""
