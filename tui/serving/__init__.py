"""What the Smoke screen reads: the smoke report, the servers, the request log, the gate's answer."""
