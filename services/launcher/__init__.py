"""The launcher: makes, suspends, resumes and replaces the job that trains, as the parts in the store allow.

It follows the store and nobody's memory: the catalog says what is ready, the run's events how far it has
come. `policy.py` decides, `backends/` carries it out (PyTorchJob, TrainJob, a process of this machine), and
`forward.py` tells Kafka what the trainer said. One of several launchers leads (`lease.py`).
"""
