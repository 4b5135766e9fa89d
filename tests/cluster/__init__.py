"""Real pods on a real Kubernetes: `make cluster`."""
