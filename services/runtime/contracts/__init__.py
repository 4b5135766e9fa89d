"""What a service is to the runtime: a unit, a lane fold or a source, and the verdicts of a unit."""
