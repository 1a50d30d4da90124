"""Fine-tuning Inception v3 on labelled pictures, by the paper's recipe or a modern one.

`config` holds every setting, `loop` the training from top to bottom; `pictures` examines and loads images, `schedule`
says which images a step sees, `activations` keeps what a frozen part of the network computed, `optimization` has the
optimisers, `state` what a stopped run needs to go on, `workers` several processes, `command` the command line.
"""
