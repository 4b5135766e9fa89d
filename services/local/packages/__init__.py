"""What set-up fetches: Kafka's jars, Triton's wheels, demo documents; and which programs this machine has."""
