"""One machine: a private Kafka, Redis and Triton, and the river on them, as child processes.

servers     Kafka, Redis and Triton: each a child that listens on a loopback port
packages    what set-up fetches (jars, wheels, demo documents), and which programs are there
process     child processes: restart, stop, CPU seconds; guard ends them when the parent dies
zygote      forks the services, so that a start costs no imports
folder      the state folder and its lock
stack       the servers of one state folder together
river       the services on them: start, watch, drain, stop
run         the main job
doctor      what is found, what is missing, what to install
"""
