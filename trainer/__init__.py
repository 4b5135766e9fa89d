"""What learns. bert/ trains the encoders that judge documents. Knows `contracts`, never `services`."""
